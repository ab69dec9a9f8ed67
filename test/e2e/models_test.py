#!/usr/bin/env python3
"""Compiles ONNX models and compares what they compute with ONNX Runtime.

    models_test.py --bin build/release/bin [--format q8_0] MODEL...

A decoder must give the same logits for a prompt and for greedy steps, decoded with
its cache, and in f32 the same greedy tokens; any other model the same outputs for
random inputs. In f32 no logit may be off by more than 1e-3. For a quantized format
the bound is what the format's error predicts: see `check_quantized_decoder`.
A model that is fetched (--fetched NAME, from the cache folder of tools/fetch-model.sh)
is skipped where it is not there.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import ort_reference
import rounded_model
from lq_pipeline import Failure, call

PROMPT, STEPS = 20, 12
F32_BOUND = 1e-3
CACHE = Path(
    os.environ.get("LQ_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "lq")
)


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


def rms(values):
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def random_prompt(decoder, count):
    vocabulary = decoder.step([0]).shape[-1]
    return np.random.default_rng(1).integers(0, vocabulary, count).astype(np.int64)


def check_quantized_decoder(options, model, folder):
    """The error of the logits (rms) may be a quarter above that of ONNX Runtime with
    weights and activations rounded as the format says; for a mix, as its base says."""
    decoder = ort_reference.Decoder(model)
    ids = random_prompt(decoder, options.prompt)
    decoder.reset()
    expected = decoder.step(ids)
    rounded = rounded_model.write_rounded(
        model, options.base or options.format, folder / "rounded", options.bin)
    predicted = rms(ort_reference.Decoder(rounded).step(ids) - expected)
    artifact, out = compile_model(options, model, folder), folder / "logits.npy"
    call([options.bin / "lq-run", artifact, "--ids", ",".join(map(str, ids)), "-n", 1,
          "--logits", out, "--ignore-eos"])
    error = rms(np.load(out)[: len(ids)] - expected)
    if not error <= 1.25 * predicted:
        raise Failure(f"logits are off by {error:.3g} (rms), the format predicts {predicted:.3g}")
    return f"error {error:.3g} (rms), predicted {predicted:.3g}"


def check_decoder(options, model, folder):
    decoder = ort_reference.Decoder(model)
    prompt = random_prompt(decoder, options.prompt)
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
        prefill = np.load(out)[: len(ids)]
        errors.append(check_close("logits of one prefill", prefill, expected, F32_BOUND))
        result = call([options.bin / "lq-run", artifact, "--ids", ",".join(map(str, prompt)), "-n",
                       options.steps, "--threads", threads, "--logits", out, "--ignore-eos",
                       "--print-ids"])
        decoded = np.load(out)[: len(ids)]
        errors.append(check_close("logits of prompt and decode", decoded, expected, F32_BOUND))
        check_close("decode with its cache against prefill", decoded, prefill, F32_BOUND)
        written = [int(word) for word in result.stdout.split(",")]
        if written != list(generated):
            raise Failure(f"greedy tokens {written}, expected {list(generated)}")
    return f"largest error {max(errors):.3g}"


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
    least_cosine = 1.0
    for name, path in outputs.items():
        actual = np.load(path)
        cosine = np.sum(actual * expected[name]) / (
            np.linalg.norm(actual) * np.linalg.norm(expected[name]))
        least_cosine = min(least_cosine, float(cosine))
        least = 0.999 if options.format else 0.9999
        if not cosine > least:
            raise Failure(f"{name}: cosine {cosine:.6f}, expected above {least}")
        if not options.format:
            check_close(name, actual, expected[name], F32_BOUND)
    return f"cosine {least_cosine:.7f}"


def check(options, model):
    session = ort_reference.open_session(model)
    with tempfile.TemporaryDirectory() as folder:
        if any("logits" in output.name for output in session.get_outputs()):
            decoder = check_quantized_decoder if options.format else check_decoder
            return decoder(options, model, Path(folder))
        return check_tensors(options, model, session, Path(folder))


def report_each(models, check):
    """Prints what the check says of each model; 1 if one failed."""
    failures = 0
    for model in models:
        try:
            print(f"ok    {model.name}: {check(model)}", flush=True)
        except Failure as failure:
            failures += 1
            print(f"FAIL  {model.name}: {failure}", flush=True)
    return failures != 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--fetched", action="append", default=[], metavar="NAME")
    parser.add_argument("--bin", type=Path, required=True, help="folder of lq's tools")
    parser.add_argument("--format", default="", help="format or mix to quantize to")
    parser.add_argument("--base", default="", help="the format most weights of a mix have")
    parser.add_argument("--prompt", type=int, default=PROMPT)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--compile", action="append", default=[], help="option of lq-compile")
    options = parser.parse_args()
    for name in options.fetched:
        if not (CACHE / name / "model.onnx").exists():
            print(f"skipped: no {CACHE / name}; tools/fetch-model.sh {name} makes it")
            return 77
        options.models.append(CACHE / name)
    return report_each(options.models, lambda model: check(options, model))


if __name__ == "__main__":
    sys.exit(main())
