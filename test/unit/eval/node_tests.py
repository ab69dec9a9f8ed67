"""Runs the node tests of the onnx package through one of our tools.

usage: node_tests.py TOOL PREFIX WORK_FOLDER [--least N] [--only PATTERN] [--verbose]

TOOL gets folders with a model and its inputs, and writes PREFIX.json and
PREFIX<i>.bin with the outputs (see NodeCase.h). Every test whose operators the
tool claims must agree with the outputs that come with the test; at least N
tests must have been compared.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import warnings

import numpy
import onnx
from onnx import numpy_helper

warnings.filterwarnings("ignore")

TYPES = {
    "bool": "bool", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64",
    "float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64",
}


def cases(pattern):
    """Node tests on dense tensors of the types above, with their data."""
    from onnx.backend.test.case.node import collect_testcases

    for case in collect_testcases(""):
        if not re.search(pattern, case.name) or not case.data_sets:
            continue
        # lq compiles for inference: no operator has a training mode.
        if "training" in case.name:
            continue
        inputs, outputs = case.data_sets[0]
        arrays = [to_array(value) for value in list(inputs) + list(outputs)]
        if any(a is None or a.dtype.name not in TYPES for a in arrays):
            continue
        # A graph that depends on a random generator has no expected output.
        if any(n.op_type in ("Bernoulli", "RandomUniformLike") for n in case.model.graph.node):
            continue
        yield case, arrays[: len(inputs)], arrays[len(inputs):]


def to_array(value):
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return numpy.asarray(value) if isinstance(value, (numpy.ndarray, numpy.generic)) else None


def write(case, inputs, folder):
    folder.mkdir(parents=True)
    onnx.save(case.model, folder / "model.onnx")
    entries = [{"type": TYPES[a.dtype.name], "shape": list(a.shape)} for a in inputs]
    (folder / "case.json").write_text(json.dumps(entries))
    for i, array in enumerate(inputs):
        (folder / f"in{i}.bin").write_bytes(numpy.ascontiguousarray(array).tobytes())


def compare(case, expected, folder, prefix):
    """What is wrong with the outputs, or "" """
    entries = json.loads((folder / f"{prefix}.json").read_text())
    if len(entries) != len(expected):
        return f"{len(entries)} outputs, expected {len(expected)}"
    for i, (entry, want) in enumerate(zip(entries, expected)):
        if entry["type"] != TYPES[want.dtype.name]:
            return f"output {i} is {entry['type']}, expected {want.dtype}"
        if entry["shape"] != list(want.shape):
            return f"output {i} has shape {entry['shape']}, expected {list(want.shape)}"
        if not entry["data"]:
            continue
        got = numpy.frombuffer((folder / f"{prefix}{i}.bin").read_bytes(), want.dtype).reshape(want.shape)
        if want.dtype.name in ("float16", "bfloat16", "float32", "float64"):
            a, b = got.astype(numpy.float64), want.astype(numpy.float64)
            rtol = max(case.rtol, {"float16": 2e-3, "bfloat16": 2e-2}.get(want.dtype.name, 0))
            close = numpy.isclose(a, b, rtol=rtol, atol=max(case.atol, 1e-6), equal_nan=True)
        else:
            close = got == want
        if not close.all():
            return f"output {i}: {got.flatten()[:6]}, expected {want.flatten()[:6]}"
    return ""


def run_all(tool, folders):
    """What the tool says of each folder. A crash is the fault of one of them."""
    lines = {}
    while folders:
        run = subprocess.run([tool, *folders], stdout=subprocess.PIPE, text=True)
        lines.update(line.split("\t", 1) for line in run.stdout.splitlines() if "\t" in line)
        folders = [folder for folder in folders if folder not in lines]
        if folders:
            lines[folders.pop(0)] = f"the tool ended with status {run.returncode}"
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("prefix")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--least", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()

    shutil.rmtree(options.folder, ignore_errors=True)
    written = {}
    for case, inputs, outputs in cases(options.only):
        folder = options.folder / case.name
        if str(folder) not in written:
            write(case, inputs, folder)
            written[str(folder)] = (case, outputs, folder)

    lines = run_all(options.tool, list(written))
    failures, passed, unclaimed, ways = [], 0, {}, {}
    for path, (case, outputs, folder) in written.items():
        status = lines[path]
        if status.startswith("unclaimed"):
            unclaimed.setdefault(status[10:], []).append(case.name)
            continue
        problem = compare(case, outputs, folder, options.prefix) if status.startswith("ok") else status
        if problem:
            failures.append(f"{case.name}: {problem}")
        else:
            passed += 1
            ways[status] = ways.get(status, 0) + 1
    for failure in failures:
        print("FAIL", failure)
    if options.verbose:
        for operator, names in sorted(unclaimed.items(), key=lambda item: -len(item[1])):
            print("unclaimed", operator, len(names))
    if len(ways) > 1:
        print(", ".join(f"{count} {way}" for way, count in sorted(ways.items())))
    print(f"{passed} passed, {len(failures)} failed, {sum(map(len, unclaimed.values()))} unclaimed")
    sys.exit(bool(failures) or passed < options.least)


main()
