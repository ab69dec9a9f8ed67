#!/usr/bin/env python3
"""Compiles ONNX models and compares what they compute with ONNX Runtime.

    models_test.py --bin build/release/bin [--format q8_0] MODEL...

A decoder must give the same logits for a prompt and for greedy steps (and, in
f32, the same greedy tokens); any other model the same outputs for random inputs.
In f32 the bound is 1e-3 of the logits' largest magnitude where that is above 1;
for a quantized format it is stated by --bound, relative to the logits' spread.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import ort_reference

PROMPT, STEPS = 20, 12


class Failure(Exception):
    pass


def call(command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        raise Failure(f"{Path(command[0]).name} failed: {result.stderr.strip()[-600:]}")
    return result


def compile_model(options, model, folder):
    artifact = folder / "model.lq"
    command = [options.bin / "lq-compile", model, "-o", artifact, "--quiet"] + options.compile
    if options.format:
        command.append(f"--quantize={options.format}")
    call(command)
    return artifact


def check_close(what, actual, expected, bound):
    if actual.shape != expected.shape:
        raise Failure(f"{what}: shape {actual.shape}, expected {expected.shape}")
    error = float(np.max(np.abs(actual - expected)))
    if not error <= bound:
        raise Failure(f"{what}: differs by {error:.3g}, bound {bound:.3g}")
    return error


def logits_bound(options, reference):
    if options.format:
        return options.bound * float(np.std(reference))
    return 1e-3 * max(1.0, float(np.max(np.abs(reference))) / 10)


def check_decoder(options, model, folder):
    decoder = ort_reference.Decoder(model)
    vocabulary = decoder.step([0]).shape[-1]
    prompt = np.random.default_rng(1).integers(0, vocabulary, options.prompt).astype(np.int64)
    logits, generated, steps = decoder.greedy(prompt, options.steps)
    expected = np.concatenate([logits, steps[1:]])
    artifact = compile_model(options, model, folder)
    errors = []
    for threads in (1, 2):
        # The reference's tokens are fed, so that a near tie cannot make the two part.
        ids = np.concatenate([prompt, generated[:-1]])
        out = folder / "logits.npy"
        call([options.bin / "lq-run", artifact, "--ids", ",".join(map(str, ids)), "-n", 1,
              "--threads", threads, "--logits", out, "--ignore-eos"])
        actual = np.load(out)[: len(ids)]
        errors.append(check_close("logits of one prefill", actual, expected,
                                  logits_bound(options, expected)))
        call([options.bin / "lq-run", artifact, "--ids", ",".join(map(str, prompt)), "-n",
              options.steps, "--threads", threads, "--logits", out, "--ignore-eos", "--print-ids"])
        actual = np.load(out)
        if not options.format:
            errors.append(check_close("logits of prompt and decode", actual[: len(ids)], expected,
                                      logits_bound(options, expected)))
    return max(errors)


def random_inputs(session):
    random = np.random.default_rng(2)
    inputs = {}
    for spec in session.get_inputs():
        shape = [dim if isinstance(dim, int) else (13 if axis else 1)
                 for axis, dim in enumerate(spec.shape)]
        dtype = ort_reference.NUMPY_TYPES[spec.type]
        if "mask" in spec.name:
            inputs[spec.name] = np.ones(shape, dtype)
        elif np.issubdtype(dtype, np.integer):
            high = 2 if "type" in spec.name else 60
            inputs[spec.name] = random.integers(0, high, shape).astype(dtype)
        else:
            inputs[spec.name] = random.standard_normal(shape).astype(dtype)
    return inputs


def check_tensors(options, model, session, folder):
    inputs = random_inputs(session)
    expected = ort_reference.run(session, inputs)
    artifact = compile_model(options, model, folder)
    command = [options.bin / "lq-run", artifact]
    for name, value in inputs.items():
        np.save(folder / f"in-{name}.npy", value)
        command += ["--input", f"{name}={folder / f'in-{name}.npy'}"]
    outputs = {name: folder / f"out-{index}.npy" for index, name in enumerate(expected)}
    for name, path in outputs.items():
        command += ["--output", f"{name}={path}"]
    call(command)
    errors = []
    for name, path in outputs.items():
        actual = np.load(path)
        cosine = np.sum(actual * expected[name]) / (
            np.linalg.norm(actual) * np.linalg.norm(expected[name]))
        least = 0.999 if options.format else 0.9999
        if not cosine > least:
            raise Failure(f"{name}: cosine {cosine:.6f}, expected above {least}")
        if not options.format:
            errors.append(check_close(name, actual, expected[name],
                                      logits_bound(options, expected[name])))
    return max(errors, default=0.0)


def check(options, model):
    session = ort_reference.open_session(model)
    with tempfile.TemporaryDirectory() as folder:
        if any("logits" in output.name for output in session.get_outputs()):
            return check_decoder(options, model, Path(folder))
        return check_tensors(options, model, session, Path(folder))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--bin", type=Path, required=True, help="folder of lq's tools")
    parser.add_argument("--format", default="", help="format to quantize to")
    parser.add_argument("--bound", type=float, default=0.1,
                        help="largest error of a logit, in standard deviations of the logits")
    parser.add_argument("--prompt", type=int, default=PROMPT)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--compile", action="append", default=[], help="option of lq-compile")
    options = parser.parse_args()
    failures = 0
    for model in options.models:
        try:
            print(f"ok    {model.name}: largest error {check(options, model):.3g}", flush=True)
        except Failure as failure:
            failures += 1
            print(f"FAIL  {model.name}: {failure}", flush=True)
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
