#!/usr/bin/env python3
"""Cuts models into blocks, runs the blocks one after another and compares the results
with ONNX Runtime's.

    blocks_test.py --bin build/release/bin MODEL...

Every model is expected to be cut at its layers, and code to be made once for all of them,
but where layers are not alike.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import ort_reference
from lq_pipeline import Failure, call, raise_model
from models_test import random_inputs, report_each

TOKENS = 17
BOUND = 1e-3
# Its layers differ in their windows; the last layer's result is one of the model, too.
DIFFERENT_LAYERS = {"gemma3-optimum", "bert-transformers"}


def reference(model):
    """Inputs and the results that the blocks must give."""
    session = ort_reference.open_session(model)
    if any("logits" in output.name for output in session.get_outputs()):
        ids = np.random.default_rng(1).integers(0, 60, TOKENS)
        decoder = ort_reference.Decoder(model)
        name = next(name for name in decoder.inputs if "ids" in name and "pos" not in name)
        return {name: ids[None].astype(np.int64)}, {"logits": decoder.step(ids)[None]}
    inputs = random_inputs(session)
    return inputs, ort_reference.run(session, inputs)


def check(options, model):
    with tempfile.TemporaryDirectory() as folder:
        return check_in(options, model, Path(folder))


def check_in(options, model, folder):
    raised = raise_model(options.bin, model, folder)
    inputs, expected = reference(model)
    command = [options.bin / "lq-run-blocks", raised, folder]
    for name, value in inputs.items():
        path = folder / f"in-{name}.npy"
        np.save(path, value)
        command.append(f"{name}={path}")
    text = call(command).stdout
    blocks, code = map(int, re.match(r"(\d+) blocks, (\d+) times code", text).groups())
    printed = call([options.bin / "lq-run-blocks", raised]).stdout
    layers = len(re.findall(r"^// layer \d+$", printed, re.M))
    attentions = printed.count("lq.attention ")
    if layers < 2 or attentions != layers:
        raise Failure(f"{layers} layers with {attentions} attentions")
    alike = model.name not in DIFFERENT_LAYERS
    if code != blocks - (layers - 1) * alike:
        raise Failure(f"code was made {code} times for {blocks} blocks, {layers} of them layers")
    worst = 0.0
    for name, value in expected.items():
        path = folder / f"{name}.npy"
        if not path.exists():
            raise Failure(f"no block gives {name}")
        actual = np.load(path)
        if actual.shape != value.shape:
            raise Failure(f"{name}: shape {actual.shape}, expected {value.shape}")
        worst = max(worst, float(np.max(np.abs(actual - value))))
    if not worst <= BOUND:
        raise Failure(f"differs by {worst:.3g}, bound {BOUND}")
    return f"{blocks} blocks, code {code} times, largest difference {worst:.2g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--bin", type=Path, required=True, help="folder of lq's tools")
    options = parser.parse_args()
    return report_each(options.models, lambda model: check(options, model))


if __name__ == "__main__":
    sys.exit(main())
