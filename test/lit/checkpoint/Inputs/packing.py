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
    "int16": "I16",
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


def in_order(codes, order):
    """Columns of `codes` back to where they are in the model."""
    result = np.empty_like(codes)
    result[:, order] = codes
    return result


def gptq(codes, scales, zeros, bits, version, group, order=None):
    """`order`: the model's column at each place of `codes`."""
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
    g_idx = (np.arange(columns) // (group if group > 0 else columns)).astype(np.int32)
    if order is not None:
        codes, g_idx = in_order(codes, order), in_order(g_idx[None], order)[0]
    return {
        "qweight": pack_stream(codes, bits).T,
        "qzeros": words,
        "scales": scales.T,
        "g_idx": g_idx,
    }


def awq(codes, scales, zeros):
    order = [0, 2, 4, 6, 1, 3, 5, 7]

    def pack(matrix):  # [lines, N] -> [lines, N / 8]
        words = np.zeros((matrix.shape[0], matrix.shape[1] // 8), np.uint32)
        for nibble, column in enumerate(order):
            words |= matrix[:, column::8].astype(np.uint32) << np.uint32(4 * nibble)
        return words.view(np.int32)

    return {"qweight": pack(codes.T), "qzeros": pack(zeros.T), "scales": scales.T}


def compressed(codes, scales, zeros, bits, symmetric, group=0, order=None):
    if order is not None:
        g_idx = in_order((np.arange(codes.shape[1]) // group).astype(np.int32)[None], order)[0]
        return compressed(in_order(codes, order), scales, zeros, bits, symmetric) | {"weight_g_idx": g_idx}
    tensors = {
        "weight_packed": pack_stream(codes, bits),
        "weight_scale": scales,
        "weight_shape": np.array(codes.shape, np.int64),
    }
    if not symmetric:
        tensors["weight_zero_point"] = np.ascontiguousarray(pack_stream(zeros.T, bits).T)
    return tensors


def exl2_groups(runs):
    """(bits, columns) of each group of runs (bits, columns, group)."""
    return [
        (bits, min(group, columns - first))
        for bits, columns, group in runs
        for first in range(0, columns, group)
    ]


def exl2(codes, multiples, factors, groups, order):
    """`multiples` [N, G] in 0..15, `factors` [G] f16, `groups` as above, `order` the
    model's column at each place of `codes`."""
    rows = codes.shape[0]
    pad = -rows % 32
    lines, places, line, first = [], [], 0, 0
    for bits, columns in groups:
        part = np.pad(codes[:, first : first + columns], ((0, pad), (0, 0)), constant_values=1 << (bits - 1))
        lines.append(pack_stream(part, bits).T)
        places += [bits, line]
        line += len(lines[-1])
        first += columns
    return {
        "q_weight": np.concatenate(lines),
        "q_invperm": np.argsort(order).astype(np.int32),
        "q_scale": pack_stream(np.pad(multiples, ((0, pad), (0, 0))).T, 4),
        "q_scale_max": factors,
        "q_groups": np.array(places, np.int16),
    }


def dequantize_exl2(codes, multiples, factors, groups, order):
    bits = np.repeat([b for b, _ in groups], [c for _, c in groups])
    group = np.repeat(np.arange(len(groups)), [c for _, c in groups])
    scales = (multiples + 1.0) ** 2 * (factors.astype(np.float64) / 256)
    weights = (codes - (1 << (bits - 1))) * scales[:, group]
    return in_order(weights.astype(np.float32), order)
