"""Imports the models of the onnx package's own backend tests and compares.

usage: check_backend.py FOLDER [STEP]

Takes every STEP-th model (default 1): the node tests, which the package makes
on the fly, and the model tests that it ships as files. Files are written to
FOLDER. Needs lq-translate in PATH. Prints how many models agree.
"""

import contextlib
import glob
import io
import os
import subprocess
import sys

import onnx.backend.test
from check_import import Different, compare
from onnx.backend.test.case.node import collect_testcases


def node_models(step):
    # Making the models prints what the package thinks of numpy.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        cases = collect_testcases(None)
    for case in cases[::step]:
        if case.model is not None:
            yield case.name, case.model.SerializeToString()


def shipped_models(step):
    data = os.path.join(os.path.dirname(onnx.backend.test.__file__), "data")
    for path in sorted(glob.glob(f"{data}/**/*.onnx", recursive=True))[::step]:
        with open(path, "rb") as file:
            yield os.path.relpath(path, data).replace("/", "_"), file.read()


def check(folder, name, data):
    """What is wrong with the import of a model, or None."""
    model, ir = os.path.join(folder, "model.onnx"), os.path.join(folder, "model.mlir")
    with open(model, "wb") as file:
        file.write(data)
    done = subprocess.run(["lq-translate", "--import-onnx", model, "-o", ir],
                          capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        return f"{name}: {done.stderr.strip()}"
    try:
        compare(model, ir)
    except Different as difference:
        return f"{name}: {difference}"
    return None


def main():
    folder = sys.argv[1]
    step = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    os.makedirs(folder, exist_ok=True)
    total, wrong = 0, []
    for models in (node_models(step), shipped_models(step)):
        for name, data in models:
            total += 1
            if problem := check(folder, name, data):
                wrong.append(problem)
    print("\n".join(wrong))
    print(f"{total - len(wrong)} of {total} models agree")
    return 1 if wrong or total == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
