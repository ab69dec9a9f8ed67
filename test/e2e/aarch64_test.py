#!/usr/bin/env python3
"""Runs a decoder's code for AArch64 under an emulator, against this machine's.

    aarch64_test.py --bin BIN --emulator qemu-aarch64 --libraries FOLDER --server FILE MODEL

One artifact is compiled for both. lq-run gives the logits of a prompt and a few
greedy steps; then the entry points for AArch64 are called with the same tokens,
by the call server of the kernel tests (test/unit/kernels/CallServer.cpp).
"""

import argparse
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np

PROMPT, STEPS = 9, 3
CONTEXT = 16
LEVELS = ("aarch64-dotprod", "aarch64-i8mm")
# Of the logits' root mean square. The order of sums differs between levels, and
# with it now and then an activation's rounding to int8.
BOUNDS = {"f32": 1e-5, "q4_k_m": 1e-2}
LOAD, CALL = 1, 2
NUMBER, BARRIER, TEAM = -1, -2, -3


class Emulator:
    """The client's side of test/unit/kernels/CallProtocol.h."""

    def __init__(self, options):
        command = [options.emulator, "-cpu", "max", "-L", options.libraries, options.server]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0, "the call server failed"
        self.process.stdout.close()

    def send(self, *words):
        for word in words:
            if isinstance(word, bytes):
                self.process.stdin.write(word)
            else:
                self.process.stdin.write(struct.pack("<q", word))

    def receive(self, count):
        self.process.stdin.flush()
        data = self.process.stdout.read(count)
        assert len(data) == count, "the emulated code crashed"
        return data

    def load(self, path, symbol):
        self.send(LOAD)
        for text in (str(path).encode(), symbol.encode()):
            self.send(len(text), text)
        return struct.unpack("<q", self.receive(8))[0]

    def call(self, function, buffers, threads):
        """Calls function(first buffer, thread, threads) in a team; returns the buffers.
        A buffer is its bytes, or a list of words (target, addend)."""
        self.send(CALL, function, 1, len(buffers))
        sizes = []
        for buffer in buffers:
            words = buffer if isinstance(buffer, list) else []
            data = bytes(8 * len(words)) if isinstance(buffer, list) else buffer
            sizes.append(len(data))
            self.send(len(data), data, len(words))
            for i, word in enumerate(words):
                self.send(8 * i, *word)
        self.send(threads, 3)
        for thread in range(threads):
            self.send(0, 0, NUMBER, thread, NUMBER, threads)
        return [self.receive(size) for size in sizes]


class Decoder:
    """A generative artifact's entry points for one target, as runtime/Session.cpp
    calls them."""

    def __init__(self, artifact, target, emulator, folder, threads):
        reader = gguf.GGUFReader(artifact)
        self.tensors = {tensor.name: tensor.data.tobytes() for tensor in reader.tensors}
        self.manifest = json.loads(reader.fields["lq.manifest"].contents())
        self.code = next(code for code in self.manifest["code"] if code["target"] == target)
        self.emulator, self.threads = emulator, threads
        library = folder / f"{target}.so"
        library.write_bytes(self.tensors[self.code["tensor"]])
        self.functions = {entry["name"]: emulator.load(library, "lq_entry_" + entry["name"])
                          for entry in self.code["entries"]}
        self.past = 0
        self.states = [bytes(state["bytes_per_position"] * CONTEXT)
                       for state in self.manifest["states"]]

    def step(self, name, tokens):
        """The logits of all tokens: [tokens, vocabulary]."""
        entry = next(entry for entry in self.code["entries"] if entry["name"] == name)
        count, vocabulary = len(tokens), self.manifest["vocabulary"]
        extents = {"sequence": count, "past": self.past, "logits": count}
        weights = [self.tensors[weight["tensor"]] for weight in self.manifest["weights"]]
        memory = [np.asarray(tokens, np.int64).tobytes(), bytes(4 * count * vocabulary)]
        memory += weights + self.states
        memory.append(bytes(entry["arena_bytes"]))
        memory.append(bytes(entry["scratch_bytes"] * self.threads))
        memory.append(struct.pack(f"<{len(extents)}q", *(
            extents[extent["name"]] for extent in self.manifest["extents"])))
        # The call, its three lists of pointers, then what they point to.
        first = 4
        lists, place = [], first
        for length in (2, len(weights), len(self.states)):
            lists.append([(place + i, 0) for i in range(length)])
            place += length
        call = [(1, 0), (2, 0), (3, 0), (place, 0), (place + 1, 0), (place + 2, 0),
                (BARRIER, 0), (TEAM, 0)]
        after = self.emulator.call(self.functions[name], [call, *lists, *memory], self.threads)
        states = first + 2 + len(weights)
        self.states = after[states:states + len(self.states)]
        self.past += count
        return np.frombuffer(after[first + 1], np.float32).reshape(count, vocabulary)


def check(options, model_format, folder):
    artifact, out = folder / f"{model_format}.lq", folder / "logits.npy"
    subprocess.run(
        [options.bin / "lq-compile", options.model, f"--quantize={model_format}", "--quiet",
         "--target=host," + ",".join(LEVELS), "-o", artifact], check=True)
    prompt = list(range(100, 100 + 7 * PROMPT, 7))
    result = subprocess.run(
        [options.bin / "lq-run", artifact, "--ids", ",".join(map(str, prompt)), "-n", str(STEPS + 1),
         "--logits", out, "--ignore-eos", "--print-ids"], check=True, capture_output=True, text=True)
    expected = np.load(out)[:PROMPT + STEPS]
    greedy = [int(word) for word in result.stdout.split(",")]
    scale = np.sqrt(np.mean(np.square(expected)))
    for threads, level in enumerate(LEVELS, start=1):
        emulator = Emulator(options)
        decoder = Decoder(artifact, level, emulator, folder, threads)
        logits = [decoder.step("prefill", prompt)]
        logits += [decoder.step("decode", [token]) for token in greedy[:STEPS]]
        emulator.close()
        error = np.sqrt(np.mean(np.square(np.concatenate(logits) - expected))) / scale
        print(f"{model_format}, {level}, {threads} threads: error {error:.2e}", flush=True)
        if not error <= BOUNDS[model_format]:
            sys.exit(f"expected an error of at most {BOUNDS[model_format]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--emulator", required=True)
    parser.add_argument("--libraries", required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("model", type=Path)
    options = parser.parse_args()
    if not options.emulator or not options.server:
        print("skipped: qemu-aarch64 or aarch64-linux-gnu-g++ was not found when the tests were "
              "configured")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        for model_format in BOUNDS:
            check(options, model_format, Path(folder))


if __name__ == "__main__":
    main()
