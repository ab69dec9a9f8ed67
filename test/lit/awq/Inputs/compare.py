"""compare.py MODEL.mlir SCALED.mlir FOLDER: runs two models on the same inputs and
checks that their results are the same, and that the linears' inputs are not."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

TOKENS = 9
TOLERANCE = 1e-5


def make_input(name, kind, rng):
    if kind != "i64":
        return rng.standard_normal((TOKENS, 32), np.float32)
    if name == "input_ids":
        return rng.integers(0, 100, (1, TOKENS))
    if "mask" in name:
        return np.ones((1, TOKENS), np.int64)
    if "type" in name:
        return np.zeros((1, TOKENS), np.int64)
    return np.arange(TOKENS)[None]


def run(model, folder, feeds):
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, array in feeds.items():
        np.save(folder / f"in_{name}.npy", array)
        paths.append(f"{name}={folder}/in_{name}.npy")
    subprocess.run(["lq-run-blocks", model, folder, *paths], check=True,
                   stdout=subprocess.DEVNULL)
    return {path.stem: np.load(path) for path in folder.glob("*.npy")
            if not path.stem.startswith(("in_", "tap "))}


def main():
    model, scaled, folder = sys.argv[1:]
    head = next(line for line in Path(model).read_text().splitlines()
                if "func.func @main" in line)
    arguments, results = head.split(") -> ")
    rng = np.random.default_rng(7)
    feeds = {name: make_input(name, kind, rng) for kind, name in
             re.findall(r'tensor<[^>]*x(\w+)> \{lq.name = "([^"]*)"', arguments)}
    expected = run(model, Path(folder, "plain"), feeds)
    found = run(scaled, Path(folder, "scaled"), feeds)
    names = re.findall(r'lq.name = "([^"]*)"', results)
    assert names
    for name in names:
        largest = np.abs(expected[name]).max()
        error = np.abs(found[name] - expected[name]).max() / largest
        assert error < TOLERANCE, f"{name} differs by {error} of its largest"
    changed = sum(not np.allclose(expected[name], found[name], rtol=0.01)
                  for name in expected if name in found and name not in names)
    print(f"same results, {changed} inputs of weights changed")


main()
