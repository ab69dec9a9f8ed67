#!/usr/bin/env python3
"""Checks with ONNX Runtime that the graph fixtures are sound: those of one model agree
with each other, and a cached decode with a prefill. Prints one line a fixture."""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from ort_reference import Decoder, open_session, run

IDS = [3, 17, 42, 99, 0, 7, 56, 56, 31]
TOLERANCE = 1e-4


def encoder_outputs(path):
    session = open_session(path)
    ids = np.array([IDS], np.int64)
    feeds = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
    names = [i.name for i in session.get_inputs()]
    return run(session, {n: feeds[n] for n in names})["last_hidden_state"][0]


def decoder_outputs(path):
    decoder = Decoder(path)
    logits = decoder.step(IDS)
    decoder.reset()
    parts = [decoder.step(ids) for ids in (IDS[:4], IDS[4:5], IDS[5:])]
    error = np.abs(np.concatenate(parts) - logits).max()
    assert error < TOLERANCE, f"{path}: cached decode differs from prefill by {error}"
    return logits


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "graphs"
    first = {}
    for path in sorted(folder.glob("*/model.onnx")):
        name = path.parent.name
        model = name.rsplit("-", 2 if name.endswith(("-past", "-ids")) else 1)[0]
        make = encoder_outputs if model == "bert" else decoder_outputs
        outputs = make(path)
        error = np.abs(outputs - first.setdefault(model, outputs)).max()
        assert error < TOLERANCE, f"{name}: differs from its siblings by {error}"
        print(f"{name}: ok, within {error:.1e} of its siblings")


if __name__ == "__main__":
    main()
