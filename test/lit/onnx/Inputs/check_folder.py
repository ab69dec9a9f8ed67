"""Imports all models below a folder and compares them with what they came from.

usage: check_folder.py MODELS FOLDER: IR goes to FOLDER. Needs lq-translate in PATH.
"""

import glob
import os
import subprocess
import sys

from check_import import Different, compare


def check(model, ir):
    """What is wrong with the import of a model, or None."""
    done = subprocess.run(["lq-translate", "--import-onnx", model, "-o", ir],
                          capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        return done.stderr.strip()
    try:
        compare(model, ir)
    except Different as difference:
        return f"{model}: {difference}"
    return None


def main():
    models = sorted(glob.glob(os.path.join(sys.argv[1], "**", "*.onnx"), recursive=True))
    ir = os.path.join(sys.argv[2], "model.mlir")
    wrong = [problem for model in models if (problem := check(model, ir))]
    print("\n".join(wrong))
    print(f"{len(models) - len(wrong)} of {len(models)} models agree")
    return 1 if wrong or not models else 0


if __name__ == "__main__":
    sys.exit(main())
