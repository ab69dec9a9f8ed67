#!/usr/bin/env python3
"""Multiplies by a matrix in every GGUF format, from ONNX to the artifact.

    formats_test.py --bin build/release/bin

The product of random rows must be that of the matrix as the format rounds it and of
rows rounded to int8, within what sums in another order differ by. The columns make
whole super-blocks, and more than one span of the tiles.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent))
import rounded_model

FORMATS = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k",
           "iq4_nl", "iq4_xs", "mxfp4"]
ROWS, COLUMNS = 80, 1280


def write_model(weight, path):
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "rows", COLUMNS])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "rows", ROWS])],
        [numpy_helper.from_array(np.ascontiguousarray(weight.T), "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)


def round_int8(x):
    groups = x.reshape(-1, 32)
    scale = np.maximum(np.abs(groups).max(axis=1, keepdims=True), 1e-30) / 127
    return (np.rint(groups / scale) * scale).reshape(x.shape)


def check(name, weight, x, folder, tools):
    rounded = rounded_model.round_matrices({"w": weight}, name, tools)["w"]
    expected = round_int8(x.astype(np.float64)) @ rounded.T.astype(np.float64)
    artifact, out = folder / f"{name}.lq", folder / "y.npy"
    subprocess.run([tools / "lq-compile", folder / "model.onnx", "-o", artifact, "--quiet",
                    "--target=host", f"--quantize={name}"], check=True)
    subprocess.run([tools / "lq-run", artifact, "--input", f"x={folder / 'x.npy'}", "--output",
                    f"y={out}"], check=True, capture_output=True)
    rms = np.sqrt(np.mean(expected**2))
    error = np.sqrt(np.mean((np.load(out) - expected) ** 2)) / rms
    rounding = np.sqrt(np.mean((rounded - weight) ** 2) / np.mean(weight**2))
    # A code that is halfway between two int8 may be rounded the other way.
    ok = error < 2e-4
    print(f"{'ok   ' if ok else 'FAIL '} {name}: product off by {error:.2e}, weights by {rounding:.2e}")
    return ok


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True, help="folder of lq's tools")
    parser.add_argument("formats", nargs="*", default=FORMATS)
    options = parser.parse_args()
    random = np.random.default_rng(4)
    weight = random.standard_normal((ROWS, COLUMNS)).astype(np.float32) * 0.05
    # Groups of different size and place, so that scales and offsets matter.
    weight *= np.exp(random.standard_normal((ROWS, COLUMNS // 16))).repeat(16, axis=1)
    weight += 0.05 * random.standard_normal((ROWS, COLUMNS // 32)).repeat(32, axis=1)
    weight = weight.astype(np.float32)
    x = random.standard_normal((1, 7, COLUMNS)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_model(weight, folder / "model.onnx")
        np.save(folder / "x.npy", x)
        results = [check(name, weight, x, folder, options.bin) for name in options.formats]
    return not all(results)


if __name__ == "__main__":
    sys.exit(main())
