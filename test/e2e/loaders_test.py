#!/usr/bin/env python3
"""Other software reads the checkpoints that lq exports.

    loaders_test.py --bin build/release/bin MODEL

MODEL is a folder with an ONNX file of a model that transformers knows. Tensors are
decoded here, by the formats' definitions, and put into the model of transformers, which
must accept the configuration. compressed-tensors itself must decode its checkpoints to
the same weights and, where they have no zero points, load them through transformers (in
the versions of requirements-loaders.txt, the model to be filled has unpacked zero points,
which no file has). The loaders of GPTQ and AWQ checkpoints need a GPU's kernels.
The model so loaded must give the logits that lq gives with the same checkpoint
(lq-compile --weights), but for what rounding activations to int8 does to the loaded
model, and a quarter.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from compressed_tensors.compressors.pack_quantized.base import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationScheme
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.quantizers.auto import AutoQuantizationConfig

CASES = [("gptq", "int4_g32"), ("gptq", "uint4_g32"), ("gptq", "uint3_g32"), ("gptq", "int8_row"),
         ("awq", "int4_g32"), ("awq", "uint4_g32"),
         ("compressed-tensors", "int4_g32"), ("compressed-tensors", "uint4_g32"),
         ("compressed-tensors", "int3_g32"), ("compressed-tensors", "uint8_row")]
PROMPT = 24
# f32 sums in another order.
SAME = 1e-4


def unpack(words, bits, count):
    """Rows of 32-bit words as rows of `count` fields, low ones first."""
    data = np.ascontiguousarray(words.numpy()).view(np.uint8)
    stream = np.unpackbits(data, axis=1, bitorder="little")[:, : count * bits]
    return (stream.reshape(len(data), count, bits).astype(np.int64) << np.arange(bits)).sum(axis=2)


def decode_gptq(config, tensors):
    bits = config["bits"]
    scales = tensors["scales"].numpy().astype(np.float32)
    groups, rows = scales.shape
    zeros = unpack(tensors["qzeros"], bits, rows)
    zeros = zeros + 1 if config["checkpoint_format"] == "gptq" else zeros
    columns = tensors["qweight"].shape[0] * 32 // bits
    codes = unpack(tensors["qweight"].T, bits, columns)
    order = tensors["g_idx"].numpy()
    return (codes - zeros[order].T) * scales[order].T


def decode_awq(config, tensors):
    order = np.array([0, 2, 4, 6, 1, 3, 5, 7])
    scales = tensors["scales"].numpy().astype(np.float32)
    rows = scales.shape[1]

    def fields(words):
        result = np.empty((len(words), rows), np.int64)
        result[:, (np.arange(0, rows, 8)[:, None] + order).ravel()] = unpack(words, 4, rows)
        return result

    columns = len(tensors["qweight"])
    group = np.arange(columns) // (columns // len(scales))
    return ((fields(tensors["qweight"]) - fields(tensors["qzeros"])[group]) * scales[group]).T


def decode_compressed(config, tensors):
    weights = config["config_groups"]["group_0"]["weights"]
    bits, (rows, columns) = weights["num_bits"], tensors["weight_shape"].tolist()
    scales = tensors["weight_scale"].float().numpy()
    zeros = np.full(scales.shape, 1 << (bits - 1))
    if not weights["symmetric"]:
        zeros = unpack(tensors["weight_zero_point"].T, bits, rows).T
    group = np.arange(columns) // (columns // scales.shape[1])
    codes = unpack(tensors["weight_packed"], bits, columns)
    return (codes - zeros[:, group]) * scales[:, group]


DECODERS = {"gptq": decode_gptq, "awq": decode_awq, "compressed-tensors": decode_compressed}


def check_by_library(config, tensors, matrix):
    """Whether compressed-tensors decodes a matrix as this file does."""
    scheme = QuantizationScheme.model_validate(config["config_groups"]["group_0"])
    decoded = PackedQuantizationCompressor.decompress(dict(tensors), scheme)["weight"]
    # The library multiplies in the type of the scales.
    kind = tensors["weight_scale"].dtype
    assert decoded.equal(torch.from_numpy(np.ascontiguousarray(matrix)).to(kind))


def load_decoded(model, folder):
    """The model of transformers with the checkpoint's weights, decoded here."""
    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    AutoQuantizationConfig.from_dict(dict(config))
    modules, state = {}, {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        module, _, last = name.rpartition(".")
        if last in ("weight", "bias"):
            state[name] = tensor.float()
        else:
            modules.setdefault(module, {})[last] = tensor
    for module, tensors in modules.items():
        matrix = DECODERS[config["quant_method"]](config, tensors)
        if config["quant_method"] == "compressed-tensors":
            check_by_library(config, tensors, matrix)
        state[f"{module}.weight"] = torch.from_numpy(np.ascontiguousarray(matrix, np.float32))
    loaded = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model), dtype=torch.float32)
    missing, unexpected = loaded.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    loaded.tie_weights()
    return loaded, len(modules)


def logits(model, ids):
    with torch.no_grad():
        return model(torch.from_numpy(ids)[None]).logits[0].float().numpy()


def round_activations(model):
    """Lets linears round what they read to int8, a scale for each 32 numbers of a row."""
    def hook(module, inputs):
        groups = inputs[0].reshape(-1, 32)
        scale = groups.abs().amax(dim=1, keepdim=True).clamp(min=1e-30) / 127
        return ((groups / scale).round() * scale).reshape(inputs[0].shape)

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            module.register_forward_pre_hook(hook)


def call(command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"FAIL  {Path(command[0]).name}: {result.stderr.strip()[-600:]}")


def rms(values):
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def check(options, library, name, folder):
    exported, model = folder / "hf", options.model
    call([options.bin / "lq-opt", folder.parent / "raised.mlir",
          f"--lq-quantize-rtn=format={name} embeddings=false archive={folder / 'q.bin'} exclude=embed",
          f"--lq-export-checkpoint=to={exported} library={library} model={model}"])
    decoded, modules = load_decoded(model, exported)
    ids = np.random.default_rng(1).integers(0, decoded.config.vocab_size, PROMPT)
    expected = logits(decoded, ids)
    text, ok = "", True
    if library == "compressed-tensors" and name.startswith("int"):
        loaded = AutoModelForCausalLM.from_pretrained(exported, dtype=torch.float32)
        error = float(np.abs(logits(loaded, ids) - expected).max())
        text = f"; loaded by the library off by {error:.2g}"
        ok = error <= SAME * np.abs(expected).max()
    round_activations(decoded)
    predicted = rms(logits(decoded, ids) - expected)
    artifact, out = folder / "m.lq", folder / "logits.npy"
    call([options.bin / "lq-compile", model, "-o", artifact, f"--weights={exported}",
          "--target=host", "--kv=f32", "--quiet"])
    call([options.bin / "lq-run", artifact, "--ids", ",".join(map(str, ids)), "-n", 1, "--logits", out,
          "--ignore-eos"])
    error = rms(np.load(out)[: len(ids)] - expected)
    ok &= error <= 1.25 * predicted
    print(f"{'ok   ' if ok else 'FAIL '} {library} {name}: {modules} modules, lq off by {error:.3g} "
          f"(rms), predicted {predicted:.3g}{text}")
    return ok


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--bin", type=Path, required=True, help="folder of lq's tools")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        call([options.bin / "lq-translate", "--import-onnx", options.model, "-o", folder / "onnx.mlir"])
        call([options.bin / "lq-opt", folder / "onnx.mlir", f"--lq-raise=archive={folder / 'raise.bin'}",
              "--canonicalize", "--symbol-dce", "-o", folder / "raised.mlir"])
        results = []
        for library, name in CASES:
            case = folder / f"{library}-{name}"
            case.mkdir()
            results.append(check(options, library, name, case))
    return not all(results)


if __name__ == "__main__":
    sys.exit(main())
