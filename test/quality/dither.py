#!/usr/bin/env python3
"""Takes the weights of a quantized GGUF model off their grid: writes an f32 GGUF file.

Weights that were quantized lie on a grid, which rounding to a similar grid finds again
for nothing: the same model makes some formats look better, and others worse, than they
are. Adding noise spread evenly over one grid step, from -d/2 to d/2 with d the step of
each weight's own block, gives a model of full precision that keeps the outliers, the
scales of blocks and rows and the activations of the trained one. It writes worse text
than that one; it is the model that a quantizer has to reproduce.

The noise of a tensor depends on the seed and the tensor's name alone."""

import argparse
import os
import zlib
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType

# Formats whose blocks begin with the step, an f16.
WITH_STEP_FIRST = {Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0}
DENSE = {Type.F32, Type.F16, Type.BF16}


def grid_steps(tensor):
    """The grid step of each weight; zeros where the tensor has no grid."""
    shape = tuple(reversed(tensor.shape.tolist()))
    if tensor.tensor_type in DENSE:
        return np.zeros(shape, np.float32)
    if tensor.tensor_type not in WITH_STEP_FIRST:
        raise SystemExit(
            f"{tensor.name}: cannot tell the grid of {tensor.tensor_type.name}, expected "
            + " ".join(sorted(kind.name for kind in WITH_STEP_FIRST | DENSE))
        )
    weights, size = gguf.GGML_QUANT_SIZES[tensor.tensor_type]
    blocks = np.ascontiguousarray(tensor.data).view(np.uint8).reshape(-1, size)
    steps = np.ascontiguousarray(blocks[:, :2]).view(np.float16).astype(np.float32)
    return np.repeat(np.abs(steps), weights, axis=1).reshape(shape)


def dithered(tensor, seed):
    """The tensor's weights in f32, each moved within its grid step."""
    exact = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
    random = np.random.default_rng([seed, zlib.crc32(tensor.name.encode())])
    noise = random.random(exact.shape, np.float32) - np.float32(0.5)
    return exact + noise * grid_steps(tensor).reshape(exact.shape)


def copy_metadata(reader, writer):
    left_out = {"general.architecture", "general.file_type", "general.quantization_version"}
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in left_out:
            continue
        element = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), field.types[0], sub_type=element)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("gguf", type=Path, help="the quantized model")
    parser.add_argument("out", type=Path, help="the f32 GGUF file to write")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    reader = gguf.GGUFReader(args.gguf)
    unfinished = args.out.with_name(args.out.name + ".part")
    writer = gguf.GGUFWriter(unfinished, reader.fields["general.architecture"].contents())
    copy_metadata(reader, writer)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, dithered(tensor, args.seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(unfinished, args.out)


if __name__ == "__main__":
    main()
