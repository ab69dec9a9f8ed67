#!/usr/bin/env python3
"""The main job as a user types it: main_job_test.py --bin BIN MODEL_FOLDER.

Compiles, generates text, inspects; and that bad input ends in one line of error,
a non-zero status and no half-written file.
"""

import argparse
import platform
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--bin", type=Path, required=True)
parser.add_argument("model", type=Path)
OPTIONS = parser.parse_args(sys.argv[1:])


def run(tool, *arguments, **keywords):
    command = [str(OPTIONS.bin / tool)] + [str(argument) for argument in arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **keywords)


class MainJob(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.temporary.name)
        cls.artifact = cls.folder / "sample.lq"
        result = run("lq-compile", OPTIONS.model, "--quantize=q8_0", "-o", cls.artifact)
        assert result.returncode == 0, result.stderr

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def generate(self, *options):
        result = run("lq-run", self.artifact, "--prompt", "The king", "-n", 40, *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def fails(self, result, *words):
        self.assertNotEqual(result.returncode, 0)
        self.assertGreater(result.returncode, 0, "ended by a signal")
        lines = [line for line in result.stderr.splitlines() if "error" in line]
        self.assertEqual(len(lines), 1, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)

    def test_greedy_text_is_words_and_the_same_each_time(self):
        first, second = self.generate(), self.generate("--threads=1")
        self.assertEqual(first.stdout, second.stdout)
        self.assertGreater(len(first.stdout.split()), 10)
        self.assertIn("tokens/s", first.stderr)

    def test_seed_decides_the_sample(self):
        options = ("--temp=0.9", "--top-k=40", "--top-p=0.95", "--min-p=0.01")
        first = self.generate(*options, "--seed=1").stdout
        self.assertEqual(first, self.generate(*options, "--seed=1").stdout)
        self.assertNotEqual(first, self.generate(*options, "--seed=2").stdout)

    def test_every_level_of_code_runs(self):
        texts = set()
        listing = run("lq-inspect", self.artifact).stdout
        for target in ("x86-64-avx512vnni", "x86-64-avx2"):
            self.assertIn(target, listing)
            result = run("lq-run", self.artifact, "--prompt", "The king", "-n", 8, "--target", target)
            if result.returncode == 0:
                texts.add(result.stdout)
        self.assertTrue(texts)

    def test_compiling_again_gives_the_same_bytes(self):
        again = self.folder / "again.lq"
        result = run("lq-compile", OPTIONS.model, "--quantize=q8_0", "--quiet", "--timing", "-o", again)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(again.read_bytes(), self.artifact.read_bytes())
        for stage in ("import", "QuantizeRtn", "Pack", "code for ", "write"):
            self.assertRegex(result.stderr, rf"(?m)^ +\d+\.\d+ .*{stage}")

    def test_prompt_longer_than_the_context(self):
        result = run("lq-run", self.artifact, "--prompt", "word " * 40, "--ctx", 16)
        self.fails(result, "16")

    def test_flipped_bit(self):
        damaged = self.folder / "damaged.lq"
        data = bytearray(self.artifact.read_bytes())
        # What lies between tensors is zero, and of no meaning.
        data[next(i for i in range(len(data) // 2, len(data)) if data[i])] ^= 4
        damaged.write_bytes(data)
        self.fails(run("lq-run", damaged, "--prompt", "a"), "damaged.lq")

    def test_truncated(self):
        damaged = self.folder / "short.lq"
        damaged.write_bytes(self.artifact.read_bytes()[:100_000])
        self.fails(run("lq-run", damaged, "--prompt", "a"), "short.lq")

    def test_missing_model(self):
        self.fails(run("lq-compile", self.folder / "none", "-o", self.folder / "x.lq", "--quiet"), "none")
        self.assertFalse((self.folder / "x.lq").exists())

    def test_unknown_format_and_target(self):
        self.fails(run("lq-compile", OPTIONS.model, "--quantize=q9", "-o", self.folder / "x.lq"), "q8_0")
        self.fails(run("lq-compile", OPTIONS.model, "--target=z80", "-o", self.folder / "x.lq"),
                   "x86-64", "aarch64-dotprod")

    def test_code_for_another_architecture(self):
        other = "x86-64" if platform.machine() == "aarch64" else "aarch64"
        artifact = self.folder / "other.lq"
        result = run("lq-compile", OPTIONS.model, f"--target={other}", "--quiet", "-o", artifact)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.fails(run("lq-run", artifact, "--prompt", "a"),
                   "no code for this machine", other, "needs another kind of processor")

    def test_truncated_onnx(self):
        model = self.folder / "cut" / "model.onnx"
        model.parent.mkdir()
        model.write_bytes((OPTIONS.model / "model.onnx").read_bytes()[:50_000])
        self.fails(run("lq-compile", model.parent, "-o", self.folder / "x.lq", "--quiet"))
        self.assertFalse((self.folder / "x.lq").exists())

    def test_unwritable_output(self):
        result = run("lq-compile", OPTIONS.model, "--quiet", "-o", self.folder / "no" / "x.lq")
        self.fails(result, "no")

    def test_full_disk(self):
        # A file-size limit stands for a disk that is full.
        result = run("lq-compile", OPTIONS.model, "--quiet", "-o", self.folder / "full.lq",
                     preexec_fn=limit_file_size)
        self.fails(result)
        self.assertFalse((self.folder / "full.lq").exists())
        self.assertEqual(leftovers(self.folder), [])

    def test_interrupted_compile_leaves_what_was_there(self):
        target = self.folder / "kept.lq"
        target.write_text("what was there")
        process = subprocess.Popen(
            [str(OPTIONS.bin / "lq-compile"), str(OPTIONS.model), "-o", str(target)],
            stderr=subprocess.PIPE, text=True)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 128 + signal.SIGINT, errors)
        self.assertIn("interrupted", errors)
        self.assertEqual(target.read_text(), "what was there")
        self.assertEqual(leftovers(self.folder), [])


def leftovers(folder):
    return [path.name for path in folder.iterdir() if ".parts-" in path.name]


def limit_file_size():
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
