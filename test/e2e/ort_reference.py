#!/usr/bin/env python3
"""Reference outputs from ONNX Runtime, one thread, deterministic.

Decoders (any exporter's input names, with past inputs or without):

    ort_reference.py MODEL --ids 1,2,3 --steps 16 --out reference.npz

runs one prefill over the prompt and then greedy steps. reference.npz holds
  prompt        i64 [P]
  logits        f32 [P, V]       all prompt positions, from one prefill
  generated     i64 [N]          the greedy continuation
  step_logits   f32 [N, V]       row i is what generated[i] was chosen from

Encoders and anything else:

    ort_reference.py MODEL --inputs inputs.npz --out reference.npz

where inputs.npz holds every input by name; reference.npz then holds every output by
name. MODEL is an ONNX file or a folder with model.onnx. Other tests import
`Decoder` and `run`.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import onnxruntime as ort

NUMPY_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}


def open_session(model):
    """`model`: an ONNX file or a folder that holds model.onnx."""
    path = Path(model)
    path = path / "model.onnx" if path.is_dir() else path
    if not path.is_file():
        raise SystemExit(f"no such ONNX file: {path}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(session, inputs):
    """All outputs by name."""
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def cache_key(name):
    """(layer, 0 for key or 1 for value) of a cache tensor's name, else None.

    Covers past_key_values.0.key, present.0.value, past_key_0, present_value_0,
    input.past_key_values.layers.0.keys, key_cache_0 and their like.
    """
    if not re.search(r"past|present|cache", name):
        return None
    words = re.split(r"[._]+", name.replace("past_key_values", "past"))
    layers = [word for word in words if word.isdigit()]
    kinds = [word.rstrip("s") for word in words if word.rstrip("s") in ("key", "value")]
    if len(layers) != 1 or len(kinds) != 1:
        return None
    return int(layers[0]), int(kinds[0] == "value")


class Decoder:
    """A causal language model of batch 1 over an ONNX Runtime session."""

    def __init__(self, model):
        self.session = open_session(model)
        self.inputs = {i.name: i for i in self.session.get_inputs()}
        self.past = {cache_key(n): i for n, i in self.inputs.items() if cache_key(n)}
        outputs = [output.name for output in self.session.get_outputs()]
        self.logits_name = "logits" if "logits" in outputs else outputs[0]
        self.present = {cache_key(n): n for n in outputs if cache_key(n)}
        missing = sorted(set(self.past) - set(self.present))
        if missing:
            raise SystemExit(f"no present output for the past inputs of {missing}")
        self.reset()

    def reset(self):
        self.ids = np.zeros(0, np.int64)
        self.cache = {key: self._empty(value) for key, value in self.past.items()}

    def _empty(self, value):
        """Batch 1 and no positions; the other extents are fixed ones, which some
        exporters write as names such as "2"."""
        extents = [int(d) if str(d).isdigit() else None for d in value.shape]
        if extents[0] is None:
            extents[0] = 1
        return np.zeros([d or 0 for d in extents], NUMPY_TYPES[value.type])

    def step(self, ids):
        """Logits f32 [len(ids), V] of the next tokens; the cache grows by them.
        A model without past inputs computes the whole prefix again."""
        ids = np.asarray(ids, np.int64)
        past = len(self.ids) if self.past else 0
        self.ids = np.concatenate([self.ids, ids])
        tokens = self.ids[past:]
        feeds = {self.past[key].name: value for key, value in self.cache.items()}
        for name, value in self.inputs.items():
            if name not in feeds:
                feeds[name] = self._input(name, value, tokens, past)
        results = run(self.session, feeds)
        if self.past:
            self.cache = {key: results[self.present[key]] for key in self.past}
        return results[self.logits_name][0, len(tokens) - len(ids) :].astype(np.float32)

    def _input(self, name, value, tokens, past):
        total = past + len(tokens)
        made = {
            "input_ids": lambda: tokens,
            "attention_mask": lambda: np.ones(total),
            "position_ids": lambda: np.arange(past, total),
            "cache_position": lambda: np.arange(past, total),
        }
        if name not in made:
            raise SystemExit(f"do not know what to feed to the input {name!r}")
        array = made[name]()
        rows = array if len(value.shape) == 1 else array[None]
        return rows.astype(NUMPY_TYPES[value.type])

    def greedy(self, prompt, steps):
        """(logits [P, V], generated [N], step_logits [N, V])"""
        self.reset()
        logits = self.step(prompt)
        row, generated, rows = logits[-1], [], []
        for _ in range(steps):
            generated.append(int(np.argmax(row)))
            rows.append(row)
            if len(generated) < steps:
                row = self.step(generated[-1:])[-1]
        step_logits = np.stack(rows) if rows else np.zeros((0, len(row)), np.float32)
        return logits, np.array(generated, np.int64), step_logits


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--ids", help="prompt token ids, comma-separated")
    parser.add_argument("--steps", type=int, default=0, help="greedy steps")
    parser.add_argument("--inputs", help=".npz with every input by name")
    parser.add_argument("--out", required=True, help=".npz to write")
    args = parser.parse_args()
    if (args.ids is None) == (args.inputs is None):
        parser.error("give either --ids or --inputs")
    if args.inputs:
        with np.load(args.inputs) as inputs:
            results = run(open_session(args.model), dict(inputs))
    else:
        prompt = np.array([int(i) for i in args.ids.split(",")], np.int64)
        logits, generated, rows = Decoder(args.model).greedy(prompt, args.steps)
        results = {
            "prompt": prompt,
            "logits": logits,
            "generated": generated,
            "step_logits": rows,
        }
    np.savez(args.out, **results)


if __name__ == "__main__":
    main()
