#!/usr/bin/env python3
"""Runs a test script, or exits with 77 (skipped) where a package that it imports
is not installed: with_packages.py SCRIPT ARGUMENTS..."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    script = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(Path(script).parent))
    try:
        runpy.run_path(script, run_name="__main__")
    except ModuleNotFoundError as error:
        print(f"skipped: the Python package {error.name} is not installed")
        sys.exit(77)
