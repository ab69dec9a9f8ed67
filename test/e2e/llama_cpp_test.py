#!/usr/bin/env python3
"""Exports models as GGUF files, which llama.cpp must load and compute the same from.

    llama_cpp_test.py --bin build/release/bin [--format q8_0] MODEL...

MODEL is a folder with an ONNX model, its config.json and its tokenizer, or one of
test/models/graphs, for which both are made here. The tokens of a text must be those
of the tokenizer, and the log probabilities of its second half those of lq's artifact.
In f32 none may be off by more than 1e-3. For a quantized format lq may be as far from
the exact result as llama.cpp's own kernels are, and both must be as near to each
other as two such errors let them; the exact result is llama.cpp's with the same
weights in f32. Exits with 77 where llama.cpp is not built (test/bench).
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tokenizers

sys.path.insert(0, str(Path(__file__).parent))
import llama_cpp

TEXT = Path(__file__).parent / "data" / "multilingual.txt"
F32_BOUND = 1e-3
CONTEXT = 32

# As test/models/export.py makes them.
COMMON = {
    "hidden_size": 32,
    "intermediate_size": 96,
    "vocab_size": 100,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
FIXTURES = {
    "llama": {"model_type": "llama"},
    "llama-mha-untied": {"model_type": "llama", "num_key_value_heads": 4},
    "llama3-rope": {
        "model_type": "llama",
        "max_position_embeddings": 512,
        "rope_theta": 500000.0,
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
    },
    "mistral": {"model_type": "mistral"},
    "qwen2": {"model_type": "qwen2"},
    "qwen3": {"model_type": "qwen3", "head_dim": 16},
    "gemma3": {
        "model_type": "gemma3_text",
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "hidden_activation": "gelu_pytorch_tanh",
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_theta": 1e6,
        "rope_local_base_freq": 10000.0,
    },
}


class Failure(Exception):
    pass


def call(command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        raise Failure(f"{Path(command[0]).name} failed: {result.stderr.strip()[-600:]}")


def byte_level_tokenizer():
    """A hundred tokens: two special ones, letters, a few pairs, bytes."""
    tokens = ["<s>", "</s>", "\u0120", *"abcdefghijklmnopqrstuvwxyz"]
    merges = [("t", "h"), ("i", "n"), ("\u0120", "a"), ("th", "e"), ("\u0120", "the")]
    tokens += [left + right for left, right in merges]
    tokens += [chr(code) for code in range(33, 127) if not chr(code).islower()]
    vocabulary = {token: index for index, token in enumerate(tokens[:100])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return tokenizer


def sentencepiece_tokenizer():
    """A hundred tokens: special ones, letters, pairs of them; spaces are marked."""
    mark, letters = "\u2581", "abcdefghijklmnopqrstuvwxyz"
    merges = [("t", "h"), ("i", "n"), (mark, "a"), ("th", "e"), (mark, "t"), (mark, "th"),
              (mark + "t", "h"), (mark, "the"), (mark + "th", "e"), (mark, "in")]
    tokens = ["<s>", "</s>", "<unk>", mark, *letters]
    for left, right in merges:
        tokens += [left + right] if left + right not in tokens else []
    tokens += [f"<unused{i}>" for i in range(100 - len(tokens))]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(
        {token: index for index, token in enumerate(tokens)}, merges, unk_token="<unk>",
        fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = tokenizers.normalizers.Replace(" ", mark)
    tokenizer.decoder = tokenizers.decoders.Sequence(
        [tokenizers.decoders.Replace(mark, " "), tokenizers.decoders.Fuse()])
    tokenizer.add_special_tokens([token for token in tokens if token.startswith("<")])
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)])
    return tokenizer


def add_files(graph, config, folder):
    """A folder with what a fixture lacks to be exported."""
    folder.mkdir()
    shutil.copy(graph / "model.onnx", folder)
    (folder / "config.json").write_text(json.dumps({**COMMON, **config}))
    gemma = config["model_type"] == "gemma3_text"
    tokenizer = sentencepiece_tokenizer() if gemma else byte_level_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))


def make_text(tokenizer, context):
    """Words of the small vocabulary, or the text that has all kinds of characters."""
    if tokenizer.get_vocab_size() > 1000:
        return TEXT.read_text(encoding="utf-8")
    random = np.random.default_rng(5)
    letters = list("abcdefghijklmnopqrstuvwxyzthinthe    ")
    return "".join(random.choice(letters, 6 * context)).strip()


def log_softmax(logits):
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def lq_log_probabilities(tools, artifact, tokens, first, out):
    call([tools / "lq-run", artifact, "--ids", ",".join(map(str, tokens)), "-n", 1,
          "--logits", out, "--ignore-eos"])
    return log_softmax(np.load(out)[first : len(tokens) - 1])


def difference(a, b):
    """(largest, rms) where neither is cut off by the file of log probabilities."""
    seen = np.minimum(a, b) > np.maximum(a, b).max(axis=-1, keepdims=True) - 15
    values = (a - b)[seen]
    return float(np.abs(values).max()), float(np.sqrt(np.mean(values**2)))


def check_tokens(tokenizer, text, found):
    expected = tokenizer.encode(text).ids[: len(found.tokens)]
    if list(found.tokens) != expected:
        at = next(i for i, (a, b) in enumerate(zip(found.tokens, expected)) if a != b)
        raise Failure(f"llama.cpp has token {found.tokens[at]} at {at}, the tokenizer {expected[at]}")


def check(options, model, work):
    if not (model / "config.json").exists():
        # A fixture is called <model>-<exporter>.
        add_files(model, FIXTURES[model.name.rsplit("-", 1)[0]], work / "model")
        model = work / "model"
    exported, artifact = work / "model.gguf", work / "model.lq"
    command = [options.bin / "lq-compile", model, "-o", artifact, "--quiet", "--target=host",
               "--kv=f32", f"--export-gguf={exported}"]
    if options.format:
        command.append(f"--quantize={options.format}")
    call(command)
    tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    (work / "text.txt").write_text(make_text(tokenizer, options.context), encoding="utf-8")
    text = (work / "text.txt").read_text(encoding="utf-8")

    def evaluate(file):
        return llama_cpp.log_probabilities(file, work / "text.txt", options.context, work / "logits")

    found = evaluate(exported)
    check_tokens(tokenizer, text, found)
    ours = lq_log_probabilities(options.bin, artifact, found.tokens, found.first, work / "ours.npy")
    largest, rms = difference(ours, found.rows)
    if not options.format:
        if not largest <= F32_BOUND + found.rounding:
            raise Failure(f"log probabilities differ by {largest:.3g}")
        return f"largest difference {largest:.2g}"
    llama_cpp.write_dequantized(exported, work / "dense.gguf")
    exact = evaluate(work / "dense.gguf").rows
    theirs = difference(found.rows, exact)[1]
    own = difference(ours, exact)[1]
    said = f"off by {own:.3g} (rms), llama.cpp by {theirs:.3g}, apart {rms:.3g}"
    if not own <= 1.25 * theirs or not rms <= 1.25 * np.hypot(own, theirs):
        raise Failure(said)
    return said


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--fetched", action="append", default=[], metavar="NAME")
    parser.add_argument("--bin", type=Path, required=True, help="folder of lq's tools")
    parser.add_argument("--format", default="", help="format or mix to quantize to")
    parser.add_argument("--context", type=int, default=CONTEXT, help="tokens to evaluate")
    options = parser.parse_args()
    if not llama_cpp.find_program("llama-perplexity"):
        print("skipped: llama-perplexity is not built; see test/bench")
        return 77
    for name in options.fetched:
        if not (llama_cpp.CACHE / name / "model.onnx").exists():
            print(f"skipped: no {llama_cpp.CACHE / name}; tools/fetch-model.sh {name} makes it")
            return 77
        options.models.append(llama_cpp.CACHE / name)
    failures = 0
    for model in options.models:
        with tempfile.TemporaryDirectory() as work:
            try:
                print(f"ok    {model.name}: {check(options, model, Path(work))}", flush=True)
            except (Failure, RuntimeError) as failure:
                failures += 1
                print(f"FAIL  {model.name}: {failure}", flush=True)
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
