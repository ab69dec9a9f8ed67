#!/usr/bin/env python3
"""Imports the GGUF file that a fetched model was made from onto the model's ONNX graph
and exports it again: every tensor must have the same name, type, shape and bytes, and
every key that says what the model computes the same value.

    gguf_roundtrip_test.py --bin build/release/bin NAME...

NAME is one of tools/fetch-model.sh; a model that was not fetched is skipped. Where
llama.cpp is built, it must compute the same from both files, bit for bit.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import llama_cpp

TEXT = Path(__file__).parent / "data" / "multilingual.txt"
CONTEXT = 256


def round_trip(tools, folder, original, work):
    exported = work / "exported.gguf"
    command = [tools / "lq-compile", folder, f"--weights={original}", f"--export-gguf={exported}",
               "-o", work / "model.lq", "--target=host", "--quiet"]
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"lq-compile failed: {result.stderr.strip()[-600:]}")
    return exported


def differing_tensors(original, exported):
    """What is said of each tensor that is not the same in both files."""
    before = {tensor.name: tensor for tensor in original.tensors}
    after = {tensor.name: tensor for tensor in exported.tensors}
    for name in sorted(before.keys() ^ after.keys()):
        yield f"tensor {name} is only in the {'original' if name in before else 'exported'} file"
    for name in sorted(before.keys() & after.keys()):
        a, b = before[name], after[name]
        if a.tensor_type != b.tensor_type or list(a.shape) != list(b.shape):
            yield (f"tensor {name}: {b.tensor_type.name} {list(b.shape)}, "
                   f"expected {a.tensor_type.name} {list(a.shape)}")
        elif a.data.tobytes() != b.data.tobytes():
            yield f"tensor {name}: other bytes"


def same_order(before, after):
    """Whether scores put the tokens that are joined from others into the same order."""
    before, after = np.array(before), np.array(after)
    joined = np.flatnonzero(after > after.min())
    joined = joined[np.argsort(-after[joined])]
    return len(before) == len(after) and bool(np.all(np.diff(before[joined]) < 0))


def same_types(before, after):
    """The unknown token may count as a control token."""
    kinds = gguf.TokenType
    return len(before) == len(after) and all(
        a == b or {a, b} == {kinds.CONTROL, kinds.UNKNOWN} for a, b in zip(before, after))


SAME = {"tokenizer.ggml.scores": same_order, "tokenizer.ggml.token_type": same_types}
# BERT's, and false in others' files.
UNUSED = {"tokenizer.ggml.add_sep_token"}


def differing_keys(original, exported):
    """Of keys of the architecture and the tokenizer; the others describe the file."""
    architecture = original.fields["general.architecture"].contents()
    for name, field in original.fields.items():
        if not name.startswith((f"{architecture}.", "tokenizer.", "general.architecture")):
            continue
        same = SAME.get(name, lambda before, after: before == after)
        if name in UNUSED and not field.contents():
            continue
        if name not in exported.fields:
            yield f"key {name} is missing"
        elif not same(field.contents(), exported.fields[name].contents()):
            yield f"key {name} has another value"


def differing_results(original, exported, work):
    files = []
    for name, model in (("original", original), ("exported", exported)):
        out = work / f"{name}.logits"
        llama_cpp.log_probabilities(model, TEXT, CONTEXT, out)
        files.append(out.read_bytes())
    if files[0] != files[1]:
        yield "llama.cpp computes something else from the exported file"


def check(tools, name):
    """The differences; None where the model is not there."""
    folder = llama_cpp.CACHE / name
    original = folder / "original.gguf"
    if not original.is_file() or not (folder / "model.onnx").is_file():
        print(f"skipped: no {original}; tools/fetch-model.sh {name} makes it")
        return None
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        exported = round_trip(tools, folder, original, work)
        readers = gguf.GGUFReader(original), gguf.GGUFReader(exported)
        differences = [*differing_tensors(*readers), *differing_keys(*readers)]
        count = len(readers[0].tensors)
        if llama_cpp.find_program("llama-perplexity"):
            differences += differing_results(original, exported, work)
            print(f"{name}: llama.cpp compared {CONTEXT // 2 - 1} rows of logits")
        else:
            print(f"{name}: not compared in llama.cpp, which is not built (test/bench)")
    for difference in differences[:10]:
        print(f"FAIL  {name}: {difference}")
    print(f"{name}: {count} tensors, {len(differences)} differences")
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--bin", type=Path, required=True, help="folder of lq's tools")
    options = parser.parse_args()
    results = [check(options.bin, name) for name in options.names]
    if any(results):
        return 1
    return 77 if None in results else 0


if __name__ == "__main__":
    sys.exit(main())
