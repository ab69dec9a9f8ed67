"""Runs lq's tools on ONNX models, stage by stage, for tests."""

import subprocess
from pathlib import Path

RAISE = ["--onnx-inline-functions", "--onnx-fold-constant-if"]
CLEAN = ["--canonicalize", "--cse", "--symbol-dce"]


class Failure(Exception):
    pass


def call(command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        raise Failure(f"{Path(command[0]).name} failed: {result.stderr.strip()[-600:]}")
    return result


def raise_model(binaries, model, folder):
    """The raised module of a model folder or .onnx file, as a file in `folder`."""
    imported, raised = folder / "imported.mlir", folder / "raised.mlir"
    call([binaries / "lq-translate", "--import-onnx", model, "-o", imported])
    call([binaries / "lq-opt", imported, *RAISE,
          f"--lq-raise=archive={folder / 'raise.weights'}", *CLEAN, "-o", raised])
    return raised
