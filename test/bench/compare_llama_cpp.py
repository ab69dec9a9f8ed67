#!/usr/bin/env python3
"""Measures lq against llama.cpp on the same weights and prints one table (Markdown).

    compare_llama_cpp.py MODEL_FOLDER q8_0=smollm2-q8_0.lq q4_0=smollm2-q4_0.lq

MODEL_FOLDER is the ONNX folder that the artifacts were compiled from; each artifact is
given with the type that llama.cpp's file gets (every matrix in it, see onnx_to_gguf.py).
The programs take turns (A B A B), so that both see the same machine; a row is the
median of --repeat turns, its ratio lq's rate over llama.cpp's, or llama.cpp's time
over lq's: above 1 lq is faster.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from onnx_to_gguf import convert

PROMPTS, GENERATED = (512, 32), 128
FIRST_TOKEN_PROMPT = "The sea is"
CACHE = Path(
    os.environ.get("LQ_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "lq")
)


def run(command):
    result = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise SystemExit(f"{command[0]} failed: {result.stderr.strip()[-500:]}")
    return result.stdout


def wall_time(command):
    """Seconds of a whole process: load, prompt, one token, exit."""
    started = time.perf_counter()
    run(command)
    return time.perf_counter() - started


def find_program(folder, name):
    """Installed, or in a build folder."""
    for path in (folder / name, folder / "bin" / name, folder / "tools" / name / name):
        if path.is_file():
            return path
    raise SystemExit(f"no {name} in {folder}")


class LlamaCpp:
    def __init__(self, programs, model):
        self.bench = find_program(programs, "llama-bench")
        self.run = find_program(programs, "llama-completion")
        self.model = model

    def rates(self, threads):
        """Tokens per second by test name."""
        tests = json.loads(
            run(
                [self.bench, "-m", self.model, "-t", threads]
                + ["-p", ",".join(map(str, PROMPTS)), "-n", GENERATED]
                + ["-r", 1, "-o", "json"]
            )
        )
        return {
            f"pp{t['n_prompt']}" if t["n_prompt"] else f"tg{t['n_gen']}": t["avg_ts"]
            for t in tests
        }

    def first_token(self, threads):
        return wall_time(
            [self.run, "-m", self.model, "-t", threads]
            + ["-p", FIRST_TOKEN_PROMPT, "-n", 1, "-c", 2048, "--temp", 0]
            + ["-no-cnv", "--no-warmup"]
        )


class Lq:
    def __init__(self, programs, model):
        self.bench = find_program(programs, "lq-bench")
        self.run = find_program(programs, "lq-run")
        self.model = model

    def rates(self, threads):
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.json")
            run(
                [self.bench, self.model, f"--threads={threads}", f"--json={report}"]
                + [f"--prompt={','.join(map(str, PROMPTS))}", f"--n={GENERATED}"]
                + ["--repeat=1"]
            )
            result = json.loads(report.read_text(encoding="utf-8"))
        rates = {f"pp{p['tokens']}": p["tokens_per_second"] for p in result["prefill"]}
        for decode in result["decode"]:
            rates[f"tg{decode['tokens']}"] = decode["tokens_per_second"]
        return rates

    def first_token(self, threads):
        return wall_time(
            [self.run, self.model, f"--threads={threads}", "--temp=0", "--n=1"]
            + [f"--prompt={FIRST_TOKEN_PROMPT}"]
        )


def measure(sides, threads, repeat):
    """{test: {side: [values]}}; "first token" in seconds, the others in tokens/s."""
    results = {}
    for _ in range(repeat):
        for name, side in sides.items():
            values = {**side.rates(threads), "first token": side.first_token(threads)}
            for test, value in values.items():
                results.setdefault(test, {}).setdefault(name, []).append(value)
    return results


def spread(values):
    """Half of the range, in percent of the median."""
    return 50 * (max(values) - min(values)) / statistics.median(values)


def rows(kind, threads, results):
    for test, sides in results.items():
        if len(sides) < 2:
            continue
        lq, peer = (statistics.median(sides[s]) for s in ("lq", "llama.cpp"))
        worst = max(spread(values) for values in sides.values())
        if test == "first token":
            ours, theirs, ratio = (
                f"{1e3 * lq:.0f} ms",
                f"{1e3 * peer:.0f} ms",
                peer / lq,
            )
        else:
            ours, theirs, ratio = f"{lq:.1f}", f"{peer:.1f}", lq / peer
        yield f"| {kind} | {threads} | {test} | {ours} | {theirs} | {ratio:.2f} | {worst:.0f}% |"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("artifacts", nargs="+", metavar="TYPE=FILE")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument(
        "--lq", type=Path, required=True, help="build or install folder of lq"
    )
    parser.add_argument(
        "--llama-cpp",
        type=Path,
        default=CACHE / "llama.cpp" / "bin",
        help="folder of llama-bench (default: %(default)s, see build_llama_cpp.sh)",
    )
    parser.add_argument("--work", type=Path, default=CACHE / "gguf")
    args = parser.parse_args()

    args.work.mkdir(parents=True, exist_ok=True)
    print("| weights | threads | test | lq | llama.cpp | ratio | spread |")
    print("|---|---|---|---|---|---|---|")
    for pair in args.artifacts:
        kind, _, artifact = pair.partition("=")
        gguf = args.work / f"{args.folder.resolve().name}-{kind}.gguf"
        if not gguf.exists():
            convert(args.folder, gguf, kind)
        sides = {
            "lq": Lq(args.lq, Path(artifact)),
            "llama.cpp": LlamaCpp(args.llama_cpp, gguf),
        }
        for threads in map(int, args.threads.split(",")):
            for row in rows(kind, threads, measure(sides, threads, args.repeat)):
                print(row, flush=True)


if __name__ == "__main__":
    main()
