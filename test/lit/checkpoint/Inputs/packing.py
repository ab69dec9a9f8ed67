"""Packs planes of codes, scales and zero points as checkpoints of other software do,
and writes safetensors files. Written from the formats' descriptions, as an oracle for
lq's readers: each packer is the definition, not the inverse of lq's code.

`codes` is [N, K] (outputs, inputs), `scales` and `zeros` are [N, G]; the weight is
(codes - zeros) * scales.
"""

import json
import struct

import numpy as np

TYPES = {
    "float32": "F32",
    "float16": "F16",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint16": "BF16",
}


def write_safetensors(path, tensors, types=()):
    """`types` overrides the type of a tensor by name."""
    header, offset = {}, 0
    for name, array in tensors.items():
        header[name] = {
            "dtype": dict(types).get(name, TYPES[array.dtype.name]),
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).tobytes())


def bf16(values):
    """f32 numbers that bf16 can hold, as the 16 bits."""
    return (np.asarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def pack_stream(values, bits):
    """Rows of integers as rows of 32-bit words, a stream of bits, low ones first."""
    rows, count = values.shape
    stream = (values[:, :, None] >> np.arange(bits)) & 1
    stream = stream.reshape(rows, count * bits).astype(np.uint8)
    pad = -stream.shape[1] % 32
    stream = np.pad(stream, ((0, 0), (0, pad)))
    return np.packbits(stream, axis=1, bitorder="little").view("<u4").view(np.int32)


def groups_of(columns, group):
    return -(-columns // group) if group > 0 else 1


def dequantize(codes, scales, zeros, group):
    columns = np.arange(codes.shape[1]) // (group if group > 0 else codes.shape[1])
    scale = scales[:, columns].astype(np.float32)
    return (codes - zeros[:, columns]).astype(np.float32) * scale


def gptq(codes, scales, zeros, bits, version, group):
    stored = zeros.T.astype(np.int64)
    if version == 1 and bits == 3:
        stored = stored - 1
        assert stored.min() >= 0
    words = pack_stream(stored, bits)
    if version == 1 and bits != 3:
        # Less one in every field, with borrows, as the libraries subtract words.
        ones = sum(1 << shift for shift in range(0, 32, bits))
        words = (words.view(np.uint32) - np.uint32(ones)).view(np.int32)
    columns = codes.shape[1]
    return {
        "qweight": pack_stream(codes, bits).T,
        "qzeros": words,
        "scales": scales.T,
        "g_idx": (np.arange(columns) // (group if group > 0 else columns)).astype(
            np.int32
        ),
    }


def awq(codes, scales, zeros):
    order = [0, 2, 4, 6, 1, 3, 5, 7]

    def pack(matrix):  # [lines, N] -> [lines, N / 8]
        words = np.zeros((matrix.shape[0], matrix.shape[1] // 8), np.uint32)
        for nibble, column in enumerate(order):
            words |= matrix[:, column::8].astype(np.uint32) << np.uint32(4 * nibble)
        return words.view(np.int32)

    return {"qweight": pack(codes.T), "qzeros": pack(zeros.T), "scales": scales.T}


def compressed(codes, scales, zeros, bits, symmetric):
    tensors = {
        "weight_packed": pack_stream(codes, bits),
        "weight_scale": scales,
        "weight_shape": np.array(codes.shape, np.int64),
    }
    if not symmetric:
        tensors["weight_zero_point"] = np.ascontiguousarray(pack_stream(zeros.T, bits).T)
    return tensors
