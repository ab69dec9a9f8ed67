#!/usr/bin/env python3
"""What lq-eval measures against the same numbers by numpy, from the logits of ONNX
Runtime; and its perplexity against llama.cpp's tool, where that is built.

    eval_test.py --bin FOLDER MODEL              a model folder and its q4_0 form
    eval_test.py --bin FOLDER --llama NAME       perplexity of a fetched model

Exits with 77 where nothing could be compared."""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import tokenizers

sys.path.insert(0, str(Path(__file__).parent))
import llama_cpp
import ort_reference

TEXT = Path(__file__).parent / "data" / "multilingual.txt"
CONTEXT, CHUNKS, LLAMA_CHUNKS = 64, 3, 20
# Of the statistics over tokens: f32 noise of two implementations.
BOUND = 2e-4


class Failure(Exception):
    pass


def call(command, errors=subprocess.PIPE):
    """What it prints; with STDOUT for errors, to standard error too."""
    result = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=errors, text=True)
    if result.returncode != 0:
        raise Failure(f"{Path(command[0]).name} failed: {(result.stderr or result.stdout).strip()[-600:]}")
    return result.stdout


def close(what, found, expected, bound=BOUND):
    if not abs(found - expected) <= bound * max(1, abs(expected)):
        raise Failure(f"{what}: {found}, expected {expected}")


def log_softmax(logits):
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def error_of_mean(values):
    return np.std(values, ddof=1) / np.sqrt(len(values))


def expected_perplexity(loss):
    mean = np.exp(np.mean(loss))
    return mean, mean * error_of_mean(loss)


def top(rows, count):
    return np.argsort(-rows, axis=-1, kind="stable")[:, :count]


def expected_comparison(p, r, tokens):
    """p, r: log probabilities [tokens, vocabulary] of model and reference."""
    at = np.arange(len(tokens))
    divergence = np.sum(np.exp(r) * (r - p), axis=-1)
    ours, theirs = top(p, 5), top(r, 5)
    common = np.array([len(set(a) & set(b)) / 5 for a, b in zip(ours, theirs)])
    same = (ours[:, 0] == theirs[:, 0]).astype(float)
    difference = np.exp(p[at, tokens]) - np.exp(r[at, tokens])
    ratio = expected_perplexity(r[at, tokens] - p[at, tokens])
    rms = np.sqrt(np.mean(difference**2))
    return {
        "perplexity_ratio": ratio,
        "reference_perplexity": expected_perplexity(-r[at, tokens]),
        "mean": (np.mean(divergence), error_of_mean(divergence)),
        "median": np.median(divergence),
        "p90": np.quantile(divergence, 0.9),
        "p99": np.quantile(divergence, 0.99),
        "p99_9": np.quantile(divergence, 0.999),
        "max": np.max(divergence),
        "top1_agreement": (np.mean(same), error_of_mean(same)),
        "top5_agreement": (np.mean(common), error_of_mean(common)),
        "difference": (np.mean(difference), error_of_mean(difference)),
        "rms": (rms, error_of_mean(difference**2) / (2 * rms)),
    }


def check_comparison(found, expected):
    flat = {key: found[key] for key in found if key in expected}
    flat |= found["kl_divergence"]
    flat["difference"] = found["probability_difference"]["mean"]
    flat["rms"] = found["probability_difference"]["rms"]
    if flat.keys() != expected.keys():
        raise Failure(f"found {sorted(flat)}, expected {sorted(expected)}")
    for key, numbers in expected.items():
        if isinstance(numbers, tuple):
            close(key, flat[key]["value"], numbers[0])
            close(f"error of {key}", flat[key]["standard_error"], numbers[1])
        else:
            close(key, flat[key], numbers)


def read_logits(path):
    """(tokens [chunks, context], log probabilities [rows, vocabulary]) of the file."""
    reader = gguf.GGUFReader(path)
    tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    stored = np.ascontiguousarray(tensors["logits"]).view(np.uint8)
    least, step = np.ascontiguousarray(stored[:, :8]).view(np.float32).T
    codes = np.ascontiguousarray(stored[:, 8:]).view(np.uint16)
    return tensors["tokens"], log_softmax(codes * step[:, None] + least[:, None])


def chunks_of(model):
    tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    text = TEXT.read_text(encoding="utf-8")
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    if len(ids) < CONTEXT * CHUNKS:
        raise Failure(f"the text has only {len(ids)} tokens")
    chunks = np.array(ids[: CONTEXT * CHUNKS], np.int64).reshape(CHUNKS, CONTEXT)
    special = tokenizer.encode("", add_special_tokens=True).ids
    if special:
        chunks[:, 0] = special[0]
    return chunks


def check_model(tools, model, work):
    dense, coarse, saved = work / "dense.lq", work / "q4_0.lq", work / "logits"
    common = ["--target=host", "--quiet"]
    call([tools / "lq-compile", model, "-o", dense, "--kv=f32", *common])
    call([tools / "lq-compile", model, "-o", coarse, "--quantize=q4_0", *common])
    chunks = chunks_of(model)
    decoder = ort_reference.Decoder(model)
    exact = np.concatenate([log_softmax(decoder.greedy(chunk, 0)[0][:-1]) for chunk in chunks])
    followers = chunks[:, 1:].reshape(-1)

    arguments = [f"--text={TEXT}", f"--context={CONTEXT}", f"--chunks={CHUNKS}", "--json"]
    second_half = np.tile(np.arange(CONTEXT - 1) >= CONTEXT // 2, CHUNKS)
    for option, rows in (([], second_half), (["--score-all"], slice(None))):
        evaluate = [tools / "lq-eval", "-", *arguments, *option]
        evaluate[1] = dense
        found = json.loads(call([*evaluate, f"--save-logits={work / 'dense-logits'}"]))
        loss = -exact[rows][np.arange(len(followers[rows])), followers[rows]]
        value, error = expected_perplexity(loss)
        close("tokens", found["tokens"], len(loss))
        close("perplexity", found["perplexity"]["value"], value)
        close("its error", found["perplexity"]["standard_error"], error)

        # The logits of the coarse model are its own business: from its file.
        evaluate[1] = coarse
        found = json.loads(call([*evaluate, f"--reference={dense}", f"--save-logits={saved}"]))
        tokens, logits = read_logits(saved)
        if not np.array_equal(tokens, chunks):
            raise Failure("the saved tokens are not the tokenizer's")
        expected = expected_comparison(logits, exact[rows], followers[rows])
        check_comparison(found["comparison"], expected)
        by_file = json.loads(
            call([*evaluate, f"--reference-logits={work / 'dense-logits'}"]))
        check_comparison(by_file["comparison"], expected)
    return f"KL divergence {expected['mean'][0]:.4f} as expected"


def check_perplexity(tools, model, work):
    """The text is repeated, since it is short. llama.cpp's tool takes special tokens in
    it for ordinary characters, so that lines with such are left out."""
    artifact, exported, text = work / "model.lq", work / "model.gguf", work / "text.txt"
    call([tools / "lq-compile", model, "-o", artifact, "--target=host", "--quiet",
          "--kv=f32", f"--export-gguf={exported}"])
    lines = TEXT.read_text(encoding="utf-8").split("\n")
    sample = "\n".join(line for line in lines if "<|" not in line)
    text.write_text("\n".join(
        f"{number}. {sample}" for number in range(LLAMA_CHUNKS)), encoding="utf-8")
    out = call([llama_cpp.find_program("llama-perplexity"), "-m", exported, "-f", text, "-c", 256,
                "--chunks", LLAMA_CHUNKS, "-t", 2, "--no-warmup", "-ctk", "f32", "-ctv", "f32",
                "-fa", "off"], errors=subprocess.STDOUT)
    theirs = re.search(r"PPL = ([0-9.]+) \+/- ([0-9.]+)", out)
    ours = json.loads(call([tools / "lq-eval", artifact, f"--text={text}", "--context=256",
                            f"--chunks={LLAMA_CHUNKS}", "--json"]))["perplexity"]
    close("perplexity", ours["value"], float(theirs[1]))
    close("its error", ours["standard_error"], float(theirs[2]))
    return f"perplexity {ours['value']:.4f}, llama.cpp's {theirs[1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--bin", type=Path, required=True, help="folder of lq's tools")
    parser.add_argument("--llama", metavar="NAME", help="a model of tools/fetch-model.sh")
    options = parser.parse_args()
    checks = [(check_model, model) for model in options.models]
    if options.llama:
        model = llama_cpp.CACHE / options.llama
        if not (model / "model.onnx").exists():
            print(f"skipped: no {model}; tools/fetch-model.sh {options.llama} makes it")
            return 77
        if not llama_cpp.find_program("llama-perplexity"):
            print("skipped: llama-perplexity is not built; see test/bench")
            return 77
        checks.append((check_perplexity, model))
    failures = 0
    for check, model in checks:
        with tempfile.TemporaryDirectory() as work:
            try:
                print(f"ok    {model.name}: {check(options.bin, model, Path(work))}", flush=True)
            except Failure as failure:
                failures += 1
                print(f"FAIL  {model.name}: {failure}", flush=True)
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
