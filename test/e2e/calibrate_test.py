#!/usr/bin/env python3
"""Calibrates the sample model and compares the statistics with sums over the values
that ONNX Runtime computes for the same tokens; kills a run and continues it; measures
the memory that a model of large layers takes.

    calibrate_test.py --bin build/release/bin SAMPLE
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gguf
import numpy as np
import onnx
import tokenizers

sys.path.insert(0, str(Path(__file__).parent))
import ort_reference
from lq_pipeline import Failure, call, raise_model

LENGTH = 64
LINEARS = ["self_attn.q_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj"]
# Products of f32 numbers added up in another order.
BOUND = 2e-5


def read_safetensors(path):
    data = np.fromfile(path, np.uint8)
    length = int(data[:8].view(np.uint64)[0])
    header = json.loads(bytes(data[8 : 8 + length]))
    metadata = header.pop("__metadata__")
    body = data[8 + length :]
    tensors = {name: body[slice(*entry["data_offsets"])].view(np.float32).reshape(entry["shape"])
               for name, entry in header.items()}
    return metadata, tensors


def calibrate(options, raised, output, text, **more):
    settings = {"text": text, "tokenizer": options.sample, "length": LENGTH,
                "output": output, **more}
    words = " ".join(f"{name}={value}" for name, value in settings.items())
    return [options.bin / "lq-opt", raised, f"--lq-calibrate={words}", "-o", os.devnull]


def linear_inputs(options, samples):
    """What each linear of layer 1 reads, [tokens, K], by the weight's name."""
    model = onnx.load(options.sample / "model.onnx")
    values = {}
    for linear in LINEARS:
        node = "/model/layers.1/" + linear.replace(".", "/") + "/MatMul"
        value = next(each.input[0] for each in model.graph.node if each.name == node)
        values[f"model.layers.1.{linear}.weight"] = value
    for value in values.values():
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(value))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        decoder = ort_reference.Decoder(path)
    rows = {name: [] for name in values}
    for ids in samples:
        feeds = {decoder.past[key].name: value for key, value in decoder.cache.items()}
        for name, spec in decoder.inputs.items():
            if name not in feeds:
                feeds[name] = decoder._input(name, spec, ids, 0)
        for name, value in values.items():
            rows[name].append(decoder.session.run([value], feeds)[0].reshape(len(ids), -1))
    return {name: np.concatenate(each).astype(np.float64) for name, each in rows.items()}


def check_close(what, actual, expected):
    error = np.max(np.abs(actual - expected)) / np.max(np.abs(expected))
    if not error <= BOUND:
        raise Failure(f"{what}: differs by {error:.3g} of the largest, bound {BOUND}")
    return error


def check_sums(options, raised, folder):
    """One piece of text, so that the samples are its tokens in order."""
    text = folder / "text.txt"
    sentence = "The dog went to the park and saw a little bird. It was happy. "
    text.write_text((sentence * 40)[: 16 * LENGTH])
    output, imatrix = folder / "statistics", folder / "imatrix.gguf"
    call(calibrate(options, raised, output, text, samples=3, imatrix=imatrix))
    tokenizer = tokenizers.Tokenizer.from_file(str(options.sample / "tokenizer.json"))
    content = tokenizer.encode(text.read_text(), add_special_tokens=False).ids
    whole = tokenizer.encode(text.read_text()).ids
    before = whole[: len(whole) - len(content)]
    size = LENGTH - len(before)
    count = min(3, len(content) // size)
    samples = [np.array(before + content[i * size : (i + 1) * size]) for i in range(count)]
    metadata, tensors = read_safetensors(output)
    inputs = {name: each for each in json.loads(metadata["lq.statistics.inputs"])
              for name in each["weights"]}
    worst = 0.0
    matrices = {tensor.name: tensor.data for tensor in gguf.GGUFReader(imatrix).tensors}
    names = {"self_attn.q_proj": "attn_q", "self_attn.o_proj": "attn_output",
             "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    for name, x in linear_inputs(options, samples).items():
        own = inputs[name]
        if own["tokens"] != count * LENGTH or own["columns"] != x.shape[1]:
            raise Failure(f"{name}: {own}, expected {count * LENGTH} tokens")
        square = (x * x).sum(0)
        worst = max(worst,
                    check_close(f"{name} xx", tensors[own["name"] + ".sum_xx"], x.T @ x),
                    check_close(f"{name} abs", tensors[own["name"] + ".sum_abs"],
                                np.abs(x).sum(0)),
                    check_close(f"{name} square", tensors[own["name"] + ".sum_square"], square))
        key = f"blk.1.{names[name.split('.', 3)[3][: -len('.weight')]]}.weight"
        check_close(f"imatrix {key}", matrices[key + ".in_sum2"].reshape(-1), square)
        if matrices[key + ".counts"].reshape(-1).tolist() != [count * LENGTH]:
            raise Failure(f"imatrix {key}: counts {matrices[key + '.counts']}")
    if "model.embed_tokens.weight" not in inputs:
        raise Failure("the head has no statistics")
    return f"sums of {count} samples differ by {worst:.2g}"


def long_text(folder):
    """Text of random words, enough for many samples."""
    random = np.random.default_rng(0)
    words = "the a dog cat went to park saw little bird and it was happy big red ball".split()
    text = folder / "long.txt"
    lines = (" ".join(random.choice(words, 12)) + ".\n" for _ in range(6000))
    text.write_text("".join(lines))
    return text


def check_continued(options, raised, folder):
    """Kills a run after its first block; what a second run gives is what one gives that
    nothing disturbed."""
    text = long_text(folder)
    whole, killed = folder / "whole", folder / "killed"
    call(calibrate(options, raised, whole, text, samples=64))
    command = calibrate(options, raised, killed, text, samples=64)
    state = Path(f"{killed}.work/state.json")
    process = subprocess.Popen([str(part) for part in command])
    while not state.exists() and process.poll() is None:
        time.sleep(0.002)
    if process.poll() is not None:
        raise Failure("the run ended before it could be killed")
    process.send_signal(signal.SIGKILL)
    process.wait()
    if killed.exists():
        raise Failure("a killed run left an output file")
    result = call(command)
    if "go on after" not in result.stderr:
        raise Failure("the second run started anew")
    if whole.read_bytes() != killed.read_bytes():
        raise Failure("a run that was continued gives other statistics")
    if state.parent.exists():
        raise Failure("the work folder was left")
    # With other options the work of the killed run would be wrong.
    other = call(calibrate(options, raised, killed, text, samples=64, seed=1))
    if "go on after" in other.stderr or whole.read_bytes() == killed.read_bytes():
        raise Failure("another seed gave the same statistics")
    return "a killed run was continued"


def large_model(folder, layers, hidden, inner):
    """A raised module of large layers; its weights are a file of zeros with ones
    between."""
    vocabulary = 2048
    lines, body, offset = [], [], 0

    def weight(name, shape):
        nonlocal offset
        lines.append(f"lq.weight @{name} : tensor<{shape}xf32> from \"weights\" at {offset}")
        offset += 4 * int(np.prod([int(size) for size in shape.split("x")]))

    x = f"tensor<1x?x{hidden}xf32>"

    def linear(result, operand, name, rows, columns):
        weight(name, f"{rows}x{columns}")
        body.append(f"%{result}w = lq.get @{name} : tensor<{rows}x{columns}xf32>")
        body.append(f"%{result} = lq.linear %{operand}, %{result}w : (tensor<1x?x{columns}xf32>, "
                    f"tensor<{rows}x{columns}xf32>) -> tensor<1x?x{rows}xf32>")

    def add(result, a, b):
        body.append(f"%{result}e = tensor.empty(%s) : {x}")
        body.append(f"%{result} = linalg.add ins(%{a}, %{b} : {x}, {x}) outs(%{result}e : {x}) "
                    f"-> {x}")

    heads, size = hidden // 64, 64
    split = f"tensor<1x?x{heads}x{size}xf32>"
    weight("embed", f"{vocabulary}x{hidden}")
    body.append("%s = lq.extent @sequence")
    body.append("%p = lq.extent @past")
    body.append(f"%table = lq.get @embed : tensor<{vocabulary}x{hidden}xf32>")
    body.append(f"%x0 = lq.embedding %ids, %table : (tensor<1x?xi64>, "
                f"tensor<{vocabulary}x{hidden}xf32>) -> {x}")
    for i in range(layers):
        for part in "qkvo":
            source = f"x{i}" if part != "o" else f"c{i}"
            if part == "o":
                body.append(f"%a{i} = lq.attention %qh{i}, %kh{i}, %vh{i} causal from %p "
                            f"{{scale = 0.125 : f32}} : ({split}, {split}, {split}, index) -> "
                            f"{split}")
                body.append(f"%c{i} = tensor.collapse_shape %a{i} [[0], [1], [2, 3]] : {split} "
                            f"into {x}")
            linear(f"{part}{i}", source, f"{part}.{i}", hidden, hidden)
            if part != "o":
                body.append(f"%{part}h{i} = tensor.expand_shape %{part}{i} [[0], [1], [2, 3]] "
                            f"output_shape [1, %s, {heads}, {size}] : {x} into {split}")
        add(f"y{i}", f"x{i}", f"o{i}")
        linear(f"u{i}", f"y{i}", f"up.{i}", inner, hidden)
        linear(f"d{i}", f"u{i}", f"down.{i}", hidden, inner)
        add(f"x{i + 1}", f"y{i}", f"d{i}")
    text = "\n  ".join(lines)
    code = "\n    ".join(body)
    path = folder / "large.mlir"
    path.write_text(f"""
module attributes {{lq.model = {{context = 512 : i64, kind = "generative",
                                 vocabulary = {hidden} : i64}}}} {{
  {text}
  lq.dimension @sequence max 512
  lq.dimension @past max 512
  func.func @main(%ids: tensor<1x?xi64> {{lq.name = "input_ids", lq.shape = [1, "sequence"]}})
      -> ({x} {{lq.name = "logits", lq.shape = [1, "sequence", {hidden}]}}) {{
    {code}
    return %x{layers} : {x}
  }}
}}
""")
    block = np.zeros(2**20, np.float32)
    block[::4099] = 0.01
    with open(folder / "weights", "wb") as stream:
        while stream.tell() < offset:
            stream.write(block.tobytes()[: offset - stream.tell()])
    return path, offset


def measure(command):
    """Bytes that a command has at most in memory."""
    script = ("import resource, subprocess, sys\n"
              "result = subprocess.run(sys.argv[1:], stderr=subprocess.PIPE, text=True)\n"
              "sys.stderr.write(result.stderr)\n"
              "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)\n"
              "sys.exit(result.returncode)\n")
    result = call([sys.executable, "-c", script, *command])
    return int(result.stdout.split()[-1])


def check_memory(options, folder):
    """Beyond what a tiny model of the same graph takes, a large one may take three times
    its largest block in f32."""
    text = long_text(folder)
    peaks = []
    for name, hidden, inner in (("tiny", 64, 128), ("large", 1024, 4096)):
        place = folder / name
        place.mkdir()
        model, total = large_model(place, 6, hidden, inner)
        peaks.append(measure(calibrate(options, model, place / "statistics", text, samples=4)))
    block = 4 * (4 * 1024 * 1024 + 2 * 1024 * 4096)
    bound = peaks[0] + 3 * block
    if bound >= peaks[0] + total:
        raise Failure("the model is too small for the test to tell anything")
    if peaks[1] > bound:
        raise Failure(f"{peaks[1]} bytes at most, of a model of {total} and blocks of {block}; "
                      f"the bound is {bound}")
    return (f"at most {peaks[1] >> 20} MiB for blocks of {block >> 20} of {total >> 20} MiB; "
            f"{peaks[0] >> 20} MiB for a tiny model")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sample", type=Path)
    parser.add_argument("--bin", type=Path, required=True, help="folder of lq's tools")
    options = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raised = raise_model(options.bin, options.sample, folder)
        for check in (lambda: check_sums(options, raised, folder),
                      lambda: check_continued(options, raised, folder),
                      lambda: check_memory(options, folder)):
            try:
                print(f"ok    {check()}", flush=True)
            except Failure as failure:
                failures += 1
                print(f"FAIL  {failure}", flush=True)
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
