#!/usr/bin/env python3
"""Writes an exported Llama-architecture model as a GGUF file for llama.cpp, so that
both are measured on the same weights.

Every matrix, the token embedding too, is in the one given type; norms stay f32. The
gguf package quantizes, as the bytes of the formats are defined by it. ONNX exporters
drop the names of transposed weights, but name the MatMul nodes after the modules.
"""

import argparse
import json
import re
from pathlib import Path

import gguf
import numpy as np
import onnx
from onnx import numpy_helper

# ONNX module -> GGUF tensor; {} is the layer.
MATRICES = {
    "self_attn.q_proj": "blk.{}.attn_q",
    "self_attn.k_proj": "blk.{}.attn_k",
    "self_attn.v_proj": "blk.{}.attn_v",
    "self_attn.o_proj": "blk.{}.attn_output",
    "mlp.gate_proj": "blk.{}.ffn_gate",
    "mlp.up_proj": "blk.{}.ffn_up",
    "mlp.down_proj": "blk.{}.ffn_down",
}
NORMS = {
    "input_layernorm": "blk.{}.attn_norm",
    "post_attention_layernorm": "blk.{}.ffn_norm",
}
# Digits one by one, then GPT-2's expression: llama.cpp's name for that splitter.
PRE_TOKENIZERS = {("Digits", "ByteLevel"): "smollm", ("ByteLevel",): "gpt-2"}


def read_tensors(folder):
    """All weights by GGUF name, f32, matrices [rows, columns] as GGUF holds them."""
    graph = onnx.load(folder / "model.onnx").graph
    weights = {w.name: w for w in graph.initializer}
    tensors = {}
    for node in graph.node:
        match = re.search(r"layers\.(\d+)/(\w+)/(\w+)/MatMul$", node.name)
        name = match and MATRICES.get(f"{match[2]}.{match[3]}")
        if name and node.input[1] in weights:
            matrix = numpy_helper.to_array(weights[node.input[1]])
            tensors[name.format(match[1])] = matrix.T
        elif node.name.endswith("/lm_head/MatMul") and node.input[1] in weights:
            tensors["output"] = numpy_helper.to_array(weights[node.input[1]]).T
    for name, weight in weights.items():
        match = re.fullmatch(r"model\.layers\.(\d+)\.(\w+)\.weight", name)
        if match and match[2] in NORMS:
            tensors[NORMS[match[2]].format(match[1])] = numpy_helper.to_array(weight)
    tensors["token_embd"] = numpy_helper.to_array(weights["model.embed_tokens.weight"])
    tensors["output_norm"] = numpy_helper.to_array(weights["model.norm.weight"])
    return tensors


def interleave(matrix, heads):
    """llama.cpp rotates neighbouring rows of a head, the exported graph the halves."""
    shape = (heads, 2, matrix.shape[0] // heads // 2, matrix.shape[1])
    return matrix.reshape(shape).swapaxes(1, 2).reshape(matrix.shape)


def expected_names(layers):
    blocks = [*MATRICES.values(), *NORMS.values()]
    names = {name.format(i) for i in range(layers) for name in blocks}
    return names | {"token_embd", "output_norm"}


def add_config(writer, config):
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(
        config["hidden_size"] // config["num_attention_heads"]
    )
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def add_tokenizer(writer, folder, config):
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    splitter = tokenizer["pre_tokenizer"]
    parts = tuple(s["type"] for s in splitter.get("pretokenizers", [splitter]))
    if tokenizer["model"]["type"] != "BPE" or parts not in PRE_TOKENIZERS:
        raise SystemExit(f"no llama.cpp pre-tokenizer is known for {parts}")
    tokens = [None] * config["vocab_size"]
    for token, index in tokenizer["model"]["vocab"].items():
        tokens[index] = token
    types = [gguf.TokenType.NORMAL] * len(tokens)
    for added in tokenizer["added_tokens"]:
        tokens[added["id"]] = added["content"]
        types[added["id"]] = gguf.TokenType.CONTROL
    merges = tokenizer["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZERS[parts])
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(False)


def convert(folder, out, type_name):
    """`type_name`: a GGML type that the gguf package can write: F32, Q8_0, Q4_0..."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config["model_type"] != "llama":
        raise SystemExit(
            f"{folder}: expected a llama model, got {config['model_type']}"
        )
    tensors = read_tensors(folder)
    missing = expected_names(config["num_hidden_layers"]) - set(tensors)
    if missing:
        raise SystemExit(f"{folder}: no weights found for {sorted(missing)[:5]}")
    kind = gguf.GGMLQuantizationType[type_name.upper()]
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_name(folder.name)
    writer.add_file_type(
        gguf.LlamaFileType["ALL_F32" if kind.name == "F32" else f"MOSTLY_{kind.name}"]
    )
    add_config(writer, config)
    add_tokenizer(writer, folder, config)
    for name, tensor in sorted(tensors.items()):
        if name.endswith("attn_q"):
            tensor = interleave(tensor, config["num_attention_heads"])
        elif name.endswith("attn_k"):
            tensor = interleave(tensor, config["num_key_value_heads"])
        wanted = kind if tensor.ndim == 2 else gguf.GGMLQuantizationType.F32
        data = gguf.quantize(np.ascontiguousarray(tensor, np.float32), wanted)
        writer.add_tensor(f"{name}.weight", data, raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="folder written by export_folder.py")
    parser.add_argument("out", type=Path)
    parser.add_argument("--type", default="F32", help="F32, F16, Q8_0, Q4_0, ...")
    args = parser.parse_args()
    convert(args.folder, args.out, args.type)


if __name__ == "__main__":
    main()
