#!/usr/bin/env python3
"""Exports quantized models as ONNX and runs them in ONNX Runtime.

    onnx_export_test.py --bin build/release/bin --format int4_g32 MODEL...

The exported model must compute what its matrices, decoded here by the definition of
MatMulNBits, compute as dense ones. lq's own artifact of the same weights may be off
by what rounding activations to int8 does to the dense model, and a quarter; one
compiled from the exported model must give the same logits. For q4_0 and q8_0 the
decoded matrices must be those of the gguf package.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).parent))
import models_test
import ort_reference
import rounded_model

PROMPT = 24
# f32 sums in another order.
SAME = 2e-4


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def unpack(data, bits):
    """Fields of `bits` bits along the last axis of bytes, low ones first."""
    return np.stack([data >> shift & (1 << bits) - 1 for shift in range(0, 8, bits)],
                    axis=-1).reshape(*data.shape[:-1], -1)


def decode(node, tensors):
    """The matrix [N, K] of a MatMulNBits."""
    a = attributes(node)
    bits, block = a["bits"], a["block_size"]
    codes = unpack(tensors[node.input[1]], bits).reshape(a["N"], -1, block).astype(np.int64)
    scales = tensors[node.input[2]].reshape(a["N"], -1).astype(np.float32)
    zeros = np.full(scales.shape, 1 << (bits - 1))
    if len(node.input) > 3 and node.input[3]:
        zeros = unpack(tensors[node.input[3]].reshape(a["N"], -1), bits)[:, : scales.shape[1]]
    values = (codes - zeros[..., None]).astype(np.float32) * scales[..., None]
    return values.reshape(a["N"], -1)[:, : a["K"]]


def write_dense(exported, folder):
    """The exported model with dense matrices: ({name: [N, K]}, proto)."""
    proto = onnx.load(exported / "model.onnx")
    tensors = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    matrices = {}
    for node in proto.graph.node:
        if node.op_type != "MatMulNBits":
            continue
        name = f"{node.input[1]}.dense"
        if name not in matrices:
            matrices[name] = decode(node, tensors)
            proto.graph.initializer.append(
                numpy_helper.from_array(np.ascontiguousarray(matrices[name].T), name))
        x = node.input[0]
        del node.input[:], node.attribute[:]
        node.op_type, node.domain = "MatMul", ""
        node.input.extend([x, name])
    save(proto, folder)
    return matrices, proto


def save(proto, folder):
    folder.mkdir()
    # Saving moves the data out of what it is given.
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    onnx.save(copy, folder / "model.onnx", save_as_external_data=True, location="data")


def run(model, decoder):
    """The outputs of a model for inputs that follow from it, as one array."""
    if decoder:
        reference = ort_reference.Decoder(model)
        return reference.step(models_test.random_prompt(ort_reference.Decoder(model), PROMPT))
    session = ort_reference.open_session(model)
    outputs = ort_reference.run(session, models_test.random_inputs(session))
    return np.concatenate([output.ravel() for output in outputs.values()])


def run_artifact(options, model, folder, name, *compile_options):
    """What lq computes for the prompt that run() gives a decoder."""
    ids = models_test.random_prompt(ort_reference.Decoder(model), PROMPT)
    artifact, out = folder / f"{name}.lq", folder / f"{name}.npy"
    models_test.call([options.bin / "lq-compile", model, "-o", artifact, "--quiet",
                      "--target=host", "--kv=f32", *compile_options])
    models_test.call([options.bin / "lq-run", artifact, "--ids", ",".join(map(str, ids)), "-n", 1,
                      "--logits", out, "--ignore-eos"])
    return np.load(out)[: len(ids)]


def check_by_gguf(model, matrices, format_name):
    path = model / "model.onnx"
    originals = [numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer]
    rounded = set()
    for matrix in originals:
        for rows in (matrix, matrix.T) if matrix.ndim == 2 else ():
            rows = np.ascontiguousarray(rows, np.float32)
            if rows.shape[1] % 32 == 0:
                # 0 times a negative scale is 0 here.
                rounded.add((rounded_model.round_by_gguf(rows, format_name) + 0.0).tobytes())
    for name, matrix in matrices.items():
        if (matrix + 0.0).tobytes() not in rounded:
            raise models_test.Failure(f"{name} is not what gguf rounds any matrix to")


def check(options, model, folder):
    session = ort_reference.open_session(model)
    decoder = any("logits" in output.name for output in session.get_outputs())
    exported = folder / "exported"
    export = [f"--quantize={options.format}", f"--export-onnx={exported}", *options.compile]
    if decoder:
        ours = run_artifact(options, model, folder, "ours", *export)
    else:
        models_test.call([options.bin / "lq-compile", model, "-o", folder / "ours.lq", "--quiet",
                          "--target=host", *export])
    matrices, dense = write_dense(exported, folder / "dense")
    if not matrices:
        raise models_test.Failure("nothing became MatMulNBits")
    got, expected = run(exported, decoder), run(folder / "dense", decoder)
    error = models_test.check_close("ONNX Runtime", got, expected, SAME * np.abs(expected).max())
    if options.format in ("q4_0", "q8_0"):
        check_by_gguf(model, matrices, options.format)
    text = f"{len(matrices)} matrices, off by {error:.2g}"
    if not decoder:
        return text
    rounded_model.round_activations(dense, matrices)
    save(dense, folder / "rounded")
    predicted = models_test.rms(run(folder / "rounded", decoder) - expected)
    off = models_test.rms(ours - got)
    if not off <= 1.25 * predicted:
        raise models_test.Failure(f"lq is off by {off:.3g} (rms), predicted {predicted:.3g}")
    again = run_artifact(options, exported, folder, "again")
    back = models_test.check_close("imported again", again, ours, SAME * np.abs(ours).max())
    return f"{text}; lq off by {off:.3g} (rms), predicted {predicted:.3g}; again by {back:.2g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--fetched", action="append", default=[], metavar="NAME")
    parser.add_argument("--bin", type=Path, required=True, help="folder of lq's tools")
    parser.add_argument("--format", required=True)
    parser.add_argument("--compile", action="append", default=[], help="option of lq-compile")
    options = parser.parse_args()
    for name in options.fetched:
        if not (models_test.CACHE / name / "model.onnx").exists():
            print(f"skipped: no {models_test.CACHE / name}; tools/fetch-model.sh {name} makes it")
            return 77
        options.models.append(models_test.CACHE / name)
    failed = False
    for model in options.models:
        with tempfile.TemporaryDirectory() as folder:
            try:
                print(f"ok    {model.name}: {check(options, model, Path(folder))}")
            except models_test.Failure as failure:
                failed = True
                print(f"FAIL  {model.name}: {failure}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
