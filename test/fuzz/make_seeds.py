"""Writes the seeds of the fuzzing targets, small files that are mostly right:

    python test/fuzz/make_seeds.py test/fuzz/corpus

What the fuzzers found stands beside them and is left alone.
"""

import io
import json
import os
import sys

import numpy as np
from onnx import TensorProto, helper

ROOT = sys.argv[1]
RANDOM = np.random.default_rng(7)


def write(target, name, data):
    os.makedirs(f"{ROOT}/{target}", exist_ok=True)
    with open(f"{ROOT}/{target}/{name}", "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)


# Checkpoints: the text that CheckpointFuzz.cpp describes, and data.


def checkpoint(name, lines, data=bytes(range(256))):
    write("checkpoint", name, "\n".join(lines).encode() + b"\0" + data)


def config(**fields):
    return json.dumps({"model_type": "llama", "quantization_config": fields})


def words(*integers):
    return np.array(integers, "<i4").tobytes()


def checkpoints():
    def gptq(version, bits, group):
        return config(quant_method="gptq", bits=bits, group_size=group,
                      checkpoint_format=version, desc_act=False)

    def tensors(bits, rows, columns, groups):
        return [f"a.qweight I32 {columns * bits // 32} {rows}",
                f"a.qzeros I32 {groups} {rows * bits // 32}",
                f"a.scales F16 {groups} {rows}"]

    checkpoint("gptq", [gptq("gptq", 4, 16)] + tensors(4, 8, 32, 2))
    checkpoint("gptq-v2", [gptq("gptq_v2", 4, -1)] + tensors(4, 8, 16, 1))
    checkpoint("gptq-3", [gptq("gptq_v2", 3, 32)] + tensors(3, 32, 64, 2))
    checkpoint("gptq-3-v1", [gptq("gptq", 3, 32)] + tensors(3, 32, 32, 1), words(0x12345671))
    checkpoint("gptq-8-bias", [gptq("gptq", 8, 4)] + tensors(8, 4, 8, 2) + ["a.bias BF16 4"])
    checkpoint("gptq-order", [gptq("gptq", 4, 8)] + tensors(4, 8, 16, 2) + ["a.g_idx I32 16"],
               words(*[k // 8 for k in range(16)]))
    checkpoint("gptq-act-order", [gptq("gptq_v2", 4, 8)] + tensors(4, 8, 16, 2) + ["a.g_idx I32 16"],
               words(*[k % 2 for k in range(16)]))
    # The data is the permutation and, its first four bytes, the one group.
    checkpoint("exl2", [config(quant_method="exl2", bits=4.0), "a.q_weight I32 4 32", "a.q_groups I16 2",
                        "a.q_scale I32 1 4", "a.q_scale_max F16 1", "a.q_invperm I32 32"],
               words(4, 0, 1, 2, 3, *range(5, 32)))
    awq = config(quant_method="awq", bits=4, group_size=4, version="gemm")
    checkpoint("awq", [awq, "a.qweight I32 8 2", "a.qzeros I32 2 2", "a.scales F16 2 16", "b.weight F32 2 3"])

    compressed = config(quant_method="compressed-tensors", format="pack-quantized")

    def packed(bits, rows, columns, groups, shape):
        return [compressed, f"a.weight_packed I32 {rows} {columns * bits // 32}",
                f"a.weight_scale F32 {rows} {groups}", f"a.weight_shape {shape} 2"]

    checkpoint("compressed", packed(4, 2, 16, 2, "I64"), np.array([2, 16], "<i8").tobytes())
    checkpoint("compressed-zeros", packed(8, 4, 8, 1, "I32") + ["a.weight_zero_point I32 1 1"], words(4, 8))
    checkpoint("compressed-order", packed(4, 2, 8, 1, "I32") + ["a.weight_g_idx I32 8"], words(2, 8))
    checkpoint("compressed-act-order", packed(4, 2, 8, 2, "I32") + ["a.weight_g_idx I32 8"],
               words(0, 1, 1, 0, 1, 0, 0, 1))
    checkpoint("dense", ['{"model_type": "gpt2"}', "h.0.attn.c_attn.weight F32 2 6", "h.0.attn.bias F32 1 1",
                         "wte.weight F16 3 2", "x F64", "y BF16 0 4", "z.bias F32 3"])

    llama = ["gguf", "general.architecture = llama", "llama.attention.head_count = 2",
             "llama.attention.head_count_kv = 1", "llama.rope.dimension_count = 4"]
    checkpoint("gguf-llama", llama + [
        "token_embd.weight q8_0 32 3", "blk.0.attn_q.weight q4_0 32 8", "blk.0.attn_k.weight f16 4 4",
        "blk.0.attn_q.bias f32 8", "blk.0.attn_v.weight bf16 4 4", "rope_freqs.weight f32 2"])
    blocks = {32: "q4_1 q5_0 q5_1 iq4_nl mxfp4", 256: "q2_k q3_k q4_k q5_k q6_k iq4_xs iq3_s tq1_0"}
    checkpoint("gguf-types", ["gguf", "general.architecture = qwen2"] + [
        f"{kind}.weight {kind} {size} 2" for size, kinds in blocks.items() for kind in kinds.split()])
    checkpoint("gguf-shapes", ["gguf", "general.architecture = gpt2", "a.weight q4_0 32 2 2", "b f32",
                               "c f32 0 2", "d f16 2 1 1 3"])


# .npy files, and manifests without the versions that ManifestFuzz.cpp adds.


def arrays():
    for kind in ("float32", "float16", "bool", "int64"):
        file = io.BytesIO()
        np.save(file, np.zeros((2, 3) if kind != "bool" else (), kind))
        write("npy", kind, file.getvalue())


def manifests():
    entry = {"arena_bytes": 64, "scratch_bytes": 64}
    common = {
        "name": "m", "producer": "lq",
        "extents": [{"name": "sequence", "max": 8}, {"name": "past", "max": 16}],
        "weights": [{"name": "w", "tensor": "w.0", "shape": [2, 4], "encoding": "f32", "storage_bytes": 32}],
        "sha256": {"w.0": "00"},
    }
    write("manifest", "tensors", json.dumps(common | {
        "kind": "tensors", "states": [],
        "inputs": [{"name": "x", "type": "f32", "shape": [1, "2 * sequence", "(past + 3) floordiv 4"]}],
        "outputs": [{"name": "y", "type": "i64", "shape": ["sequence mod 3 - past ceildiv 2"]}],
        "code": [{"target": "x86-64-v3", "features": ["avx2"], "tensor": "c", "entries": [entry | {"name": "main"}]}]}))
    write("manifest", "generative", json.dumps(common | {
        "kind": "generative", "context": 16, "vocabulary": 5,
        "states": [{"name": "k", "bytes_per_position": 4, "position_multiple": 16}],
        "inputs": [{"name": "input_ids", "type": "i64", "shape": [1, "sequence"]}],
        "outputs": [{"name": "logits", "type": "f32", "shape": [1, "sequence", 5]}],
        "code": [{"target": "x86-64-v3", "features": [], "tensor": "c", "entries": [
            entry | {"name": "prefill", "rows": [1, 8]}, entry | {"name": "decode", "rows": [1, 1]}]}]}))


# Tokenizers: a tokenizer.json and a text.


def tokenizer(name, model, text="ab  b1", added=(), **parts):
    tokens = [{"id": i, "content": token, "single_word": False, "lstrip": i % 2 == 0, "rstrip": False,
               "normalized": i % 2 == 1, "special": i % 2 == 0} for i, token in enumerate(added)]
    data = {"added_tokens": tokens, "model": model} | parts
    write("tokenizer", name, json.dumps(data, ensure_ascii=False) + "\0" + text)


def tokenizers():
    vocabulary = {token: i for i, token in enumerate(["<s>", "<unk>", "a", "b", "ab", "Ġ", "▁", "<0x41>", "##b"])}
    bpe = {"type": "BPE", "vocab": vocabulary, "merges": ["a b"], "unk_token": "<unk>"}
    tokenizer("byte-level", bpe, added=["<s>", "<x>"],
              normalizer={"type": "Sequence", "normalizers": [
                  {"type": "NFC"}, {"type": "Lowercase"},
                  {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}]},
              pre_tokenizer={"type": "Sequence", "pretokenizers": [
                  {"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}|'s"}, "behavior": "Isolated", "invert": False},
                  {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}]},
              post_processor={"type": "TemplateProcessing",
                              "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                              "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}},
              decoder={"type": "ByteLevel"})
    tokenizer("byte-fallback", bpe | {"byte_fallback": True, "fuse_unk": True},
              normalizer={"type": "Prepend", "prepend": "▁"},
              pre_tokenizer={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
              decoder={"type": "Sequence", "decoders": [
                  {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
                  {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})
    tokenizer("unigram", {"type": "Unigram", "unk_id": 0, "byte_fallback": False,
                          "vocab": [["<unk>", 0], ["a", -1.5], ["b", -2], ["ab", -0.5], ["▁", -3]]},
              pre_tokenizer={"type": "Metaspace", "replacement": "▁", "add_prefix_space": True},
              decoder={"type": "Metaspace", "replacement": "▁", "add_prefix_space": True})
    tokenizer("wordpiece", {"type": "WordPiece", "vocab": vocabulary, "unk_token": "<unk>",
                            "continuing_subword_prefix": "##", "max_input_chars_per_word": 4},
              normalizer={"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                          "strip_accents": None, "lowercase": True},
              pre_tokenizer={"type": "BertPreTokenizer"},
              post_processor={"type": "BertProcessing", "sep": ["b", 3], "cls": ["<s>", 0]},
              decoder={"type": "WordPiece", "prefix": "##", "cleanup": True})


# ONNX models with quantized matrices, and a small one of floats.


def raw(name, kind, shape, bits=8):
    count = int(np.prod(shape)) * bits // 8
    return helper.make_tensor(name, kind, shape, RANDOM.bytes(count), raw=True)


def floats(name, shape):
    numbers = RANDOM.random(shape).astype("<f4")
    return helper.make_tensor(name, TensorProto.FLOAT, shape, numbers.tobytes(), raw=True)


def save(name, graph, opset=21):
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    write("onnx", name, helper.make_model(graph, ir_version=10, opset_imports=opsets).SerializeToString())


def model(name, nodes, initializers, columns, rows, kind=TensorProto.FLOAT):
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", kind, [1, "n", columns])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "n", rows])], initializers)
    save(name, graph)


def n_bits(name, bits, block, zeros=None, bias=False, rows=4, columns=64):
    blocks = -(-columns // block)
    tensors = [raw("w", TensorProto.UINT8, [rows, blocks, block * bits // 8]), floats("s", [rows * blocks])]
    inputs = ["x", "w", "s"]
    if zeros == "packed":
        tensors.append(raw("z", TensorProto.UINT8, [rows * -(-blocks * bits // 8)]))
    elif zeros == "float":
        tensors.append(helper.make_tensor("z", TensorProto.FLOAT, [rows, blocks],
                                          np.full((rows, blocks), 3, "<f4").tobytes(), raw=True))
    inputs += ["z"] if zeros else []
    if bias:
        inputs += [""] * (5 - len(inputs)) + ["b"]
        tensors.append(floats("b", [rows]))
    node = helper.make_node("MatMulNBits", inputs, ["y"], domain="com.microsoft", name="/a/q/MatMul",
                            K=columns, N=rows, bits=bits, block_size=block)
    model(name, [node], tensors, columns, rows)


def dequantized(name, kind, bits, block, transposed, zeros, rows=4, columns=32):
    shape = [rows, columns] if transposed else [columns, rows]
    axis = 1 if transposed else 0
    scales = [rows]
    if block:
        scales = list(shape)
        scales[axis] = -(-columns // block)
    tensors = [raw("w", kind, shape, bits), floats("s", scales)]
    if zeros:
        tensors.append(raw("z", kind, scales, bits))
    attributes = {"axis": axis, "block_size": block} if block else {"axis": 1 - axis}
    nodes = [helper.make_node("DequantizeLinear", [t.name for t in tensors], ["d"], **attributes)]
    if transposed:
        nodes.append(helper.make_node("Transpose", ["d"], ["t"], perm=[1, 0]))
    nodes.append(helper.make_node("MatMul", ["x", "t" if transposed else "d"], ["y"]))
    model(name, nodes, tensors, columns, rows)


def models():
    n_bits("nbits-4", 4, 16, "packed")
    n_bits("nbits-2", 2, 32, None, bias=True)
    n_bits("nbits-8", 8, 64, "float")
    dequantized("qdq-i4", TensorProto.INT4, 4, 16, False, True)
    dequantized("qdq-u8", TensorProto.UINT8, 8, 0, True, True)
    dequantized("qdq-i8", TensorProto.INT8, 8, 0, False, False)
    model("gather", [helper.make_node("Gather", ["w", "x"], ["e"]),
                     helper.make_node("Reshape", ["e", "shape"], ["y"])],
          [floats("w", [5, 4]), helper.make_tensor("shape", TensorProto.INT64, [3], [1, -1, 8])], 2, 8,
          TensorProto.INT64)
    model("block", [helper.make_node("LayerNormalization", ["x", "g", "b"], ["h"], axis=-1, epsilon=1e-5),
                    helper.make_node("Reshape", ["h", "two"], ["flat"]),
                    helper.make_node("Gemm", ["flat", "w", "b"], ["up"], transB=1),
                    helper.make_node("Reshape", ["up", "three"], ["back"]),
                    helper.make_node("Sigmoid", ["back"], ["s"]),
                    helper.make_node("Mul", ["back", "s"], ["act"]),
                    helper.make_node("Add", ["x", "act"], ["y"])],
          [floats("g", [4]), floats("b", [4]), floats("w", [4, 4]),
           helper.make_tensor("two", TensorProto.INT64, [2], [-1, 4]),
           helper.make_tensor("three", TensorProto.INT64, [3], [1, -1, 4])], 4, 4)


def decoder():
    """The smallest decoder with a past: one head whose keys are its values."""
    node = helper.make_node
    constants = {"one": [1], "step": 1, "zero": 0}
    nodes = [node("Constant", [], [name], value_ints=value) if isinstance(value, list) else
             node("Constant", [], [name], value_int=value) for name, value in constants.items()]
    nodes += [node("Constant", [], ["two"], value_float=2.0), node("Constant", [], ["low"], value_float=-3e38),
              node("Gather", ["table", "input_ids"], ["x"]), node("Unsqueeze", ["x", "one"], ["k"]),
              node("Concat", ["past.0.key", "k"], ["present.0.key"], axis=2),
              node("Concat", ["past.0.value", "k"], ["present.0.value"], axis=-2),
              node("Transpose", ["present.0.key"], ["kt"], perm=[0, 1, 3, 2]),
              node("MatMul", ["k", "kt"], ["s"]), node("Div", ["s", "two"], ["d"]),
              node("Shape", ["past.0.key"], ["ps"], start=2, end=3),
              node("Shape", ["present.0.key"], ["ks"], start=2, end=3),
              node("Squeeze", ["ps"], ["old"]), node("Squeeze", ["ks"], ["all"]),
              node("Range", ["old", "all", "step"], ["rows"]), node("Range", ["zero", "all", "step"], ["columns"]),
              node("Unsqueeze", ["rows", "one"], ["r"]), node("Greater", ["columns", "r"], ["later"]),
              node("Where", ["later", "low", "d"], ["m"]), node("Softmax", ["m"], ["p"], axis=-1),
              node("MatMul", ["p", "present.0.value"], ["o"]), node("Squeeze", ["o", "one"], ["y"]),
              node("Transpose", ["table"], ["head"], perm=[1, 0]), node("MatMul", ["y", "head"], ["logits"])]
    kinds = {"input_ids": (TensorProto.INT64, ["b", "n"]), "attention_mask": (TensorProto.INT64, ["b", "t"]),
             "past.0.key": (TensorProto.FLOAT, ["b", 1, "p", 4]), "past.0.value": (TensorProto.FLOAT, ["b", 1, "p", 4]),
             "logits": (TensorProto.FLOAT, ["b", "n", 8]), "present.0.key": (TensorProto.FLOAT, ["b", 1, "t", 4]),
             "present.0.value": (TensorProto.FLOAT, ["b", 1, "t", 4])}
    ports = [helper.make_tensor_value_info(name, *kind) for name, kind in kinds.items()]
    save("decoder", helper.make_graph(nodes, "g", ports[:4], ports[4:], [floats("table", [8, 4])]))


def attention():
    """ONNX's own operators: Attention, RMSNormalization, RotaryEmbedding."""
    node = helper.make_node
    nodes = [node("RMSNormalization", ["x", "g"], ["h"], axis=-1, epsilon=1e-5),
             node("MatMul", ["h", "w"], ["q"]), node("MatMul", ["h", "w"], ["k"]),
             node("RotaryEmbedding", ["q", "cos", "sin", "positions"], ["r"], num_heads=2),
             node("Attention", ["r", "k", "h"], ["y"], q_num_heads=2, kv_num_heads=2, is_causal=1)]
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "n", 8]),
             helper.make_tensor_value_info("positions", TensorProto.INT64, [1, "n"]),
             helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "n", 8])]
    save("attention", helper.make_graph(nodes, "g", ports[:2], ports[2:], [
        floats("g", [8]), floats("w", [8, 8]), floats("cos", [6, 2]), floats("sin", [6, 2])]), opset=23)


checkpoints()
arrays()
manifests()
tokenizers()
models()
decoder()
attention()
