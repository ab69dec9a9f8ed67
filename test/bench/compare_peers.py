#!/usr/bin/env python3
"""Measures lq against llama.cpp and ik_llama.cpp on the same weights and prints one
table (Markdown).

    compare_peers.py MODEL_FOLDER --lq build/release [--types q4_0,q4_k_m] [--level avx2]

MODEL_FOLDER is an ONNX folder of a model that lq can export as GGUF. For each type it
is compiled once, to an artifact and to a GGUF file of the same quantized weights; both
stay in the work folder and are not made again. build_peer.sh builds the peers; one that is
not there is left out. ik_llama.cpp is run as it is ("ik") and with the weights repacked when
it loads ("ik, repacked").

The programs take turns (A B C A B C), so that all see the same machine. Each runs a test
twice a turn, and the fastest of all turns counts: what else happens on a machine only
takes time. "ratio" is lq's rate over that of the best peer; above 1 lq is faster.
"spread" is the larger of lq's and this peer's, between the fastest and the slowest turn.
Types that no peer has are compared with the peers' type that is nearest in size, whose
name stands beside the figure.

"MB" are the weights that decoding reads for a token, as lq lays them out. The last two
columns are GB/s of them in decoding and GOP/s of int8 (two operations a product, attention
left out) in prefill, and the part that these are of the machine's limits: of a loop that
only reads and of one that only multiplies, which LqKernelBench measures at the start.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

SHARED_TYPES = (
    "q4_0 q4_1 q5_0 q5_1 q8_0 q2_k_mix q3_k_m q4_k_s q4_k_m q5_k_m q6_k iq4_nl "
    "iq4_xs_mix mxfp4 f16"
).split()
OWN_TYPES = "int4_g128 uint4_g128 int3_g128 uint2_g64 nf4_f16".split()
TESTS = ("pp512", "pp32", "tg128")
# lq's name of a level, by that of the variant that build_peer.sh makes.
LEVELS = {"native": "x86-64-avx512vnni", "avx2": "x86-64-avx2"}
CACHE = Path(
    os.environ.get("LQ_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "lq")
)
HEADER = ["type", "threads", "test", "lq", "llama.cpp", "ik", "ik, repacked"]
HEADER += ["ratio", "spread", "MB", "GB/s or GOP/s", "of limit"]


def log(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def run(command):
    result = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"{command[0]} failed: {result.stderr.strip()[-300:]}")
    return result.stdout


def find_program(folder, *names):
    """The first of the names that is a file of the folder."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise SystemExit(f"no {names[0]} in {folder}")


@dataclass
class Model:
    """One type's files, and what a token costs."""

    type_name: str
    artifact: Path
    gguf: Path
    has_codes: bool
    decode_bytes: int  # of the weights that a token needs
    layer_products: int  # multiplications a token, without the head's

    @staticmethod
    def describe(lq, type_name, artifact, gguf):
        inspect = find_program(lq, "bin/lq-inspect", "lq-inspect")
        weights = json.loads(run([inspect, artifact, "--json"]))["weights"]
        matrices = [w for w in weights if len(w["shape"]) == 2 and "rope" not in w["name"]]
        vocabulary = matrices[0]["shape"][0]
        table = matrices[0]["bytes"]
        tied = sum(w["shape"][0] == vocabulary for w in matrices) == 1
        return Model(
            type_name,
            artifact,
            gguf,
            "#lq" in matrices[1]["encoding"] and "float" not in matrices[1]["encoding"],
            sum(w["bytes"] for w in matrices) - (0 if tied else table),
            sum(
                w["shape"][0] * w["shape"][1]
                for w in matrices
                if w["shape"][0] != vocabulary
            ),
        )


class Lq:
    name = "lq"

    def __init__(self, folder, level):
        self.bench = find_program(folder, "bin/lq-bench", "lq-bench")
        self.level = level

    def rates(self, model, threads, prompts, generated):
        """Tokens per second by test."""
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.json")
            run(
                [self.bench, model.artifact, f"--threads={threads}", f"--json={report}"]
                + [f"--prompt={','.join(map(str, prompts or [1]))}", f"--n={generated}"]
                + [f"--target={self.level}", "--repeat=2", "--no-verify"]
            )
            result = json.loads(report.read_text(encoding="utf-8"))
        tests = {f"pp{t['tokens']}": t for t in result["prefill"]}
        tests |= {f"tg{t['tokens']}": t for t in result["decode"]}
        return {
            name: test["tokens"] / test["seconds"]["fastest"]
            for name, test in tests.items()
        }


class LlamaBench:
    def __init__(self, name, bench, options):
        self.name = name
        self.bench = bench
        self.options = options

    def rates(self, model, threads, prompts, generated):
        report = run(
            [self.bench, "-m", model.gguf, "-t", threads, "-n", generated]
            + ["-p", ",".join(map(str, prompts)), "-r", 2, "-o", "json"]
            + self.options
        )
        # ik_llama.cpp warns in the middle of it.
        tests = json.loads(re.sub("^WARNING: .*$", "", report, flags=re.M))
        return {
            f"pp{t['n_prompt']}" if t["n_prompt"] else f"tg{t['n_gen']}": max(
                t["samples_ts"]
            )
            for t in tests
        }


def make_peers(variant, cache):
    peers = [
        ("llama.cpp", "llama.cpp", ["--no-warmup"]),
        ("ik", "ik_llama.cpp", ["-w", 0]),
        ("ik, repacked", "ik_llama.cpp", ["-w", 0, "-rtr", 1]),
    ]
    found = []
    for name, folder, options in peers:
        program = cache / folder / variant / "llama-bench"
        if program.is_file():
            found.append(LlamaBench(name, program, options))
        else:
            log(f"{name} is left out: no {program}, see build_peer.sh")
    return found


def compile_model(args, type_name):
    """Makes the files of a type unless they are there."""
    stem = args.work / f"{args.folder.resolve().name}-{type_name}"
    artifact, gguf = stem.with_name(stem.name + ".lq"), stem.with_name(stem.name + ".gguf")
    shared = type_name not in OWN_TYPES
    if not artifact.exists() or (shared and not gguf.exists()):
        log(f"compile {artifact}")
        compiler = find_program(args.lq, "bin/lq-compile", "lq-compile")
        run(
            [compiler, args.folder, f"--quantize={type_name}", "--quiet", "-o", artifact]
            + [f"--target={','.join(LEVELS.values())}"]
            + ([f"--export-gguf={gguf}"] if shared else [])
        )
    return Model.describe(args.lq, type_name, artifact, gguf if shared else None)


def measure_limits(args):
    """{threads: (bytes read, int8 operations)} a second, at most."""
    bench = find_program(args.lq, "test/bench/kernels/LqKernelBench", "LqKernelBench")
    pattern = f"^{LEVELS[args.level]}/q4_0/tinyllama-1.1b.up/M:1/threads:"
    report = run(
        [bench, f"--benchmark_filter={pattern}({'|'.join(map(str, args.threads))})/"]
        + ["--benchmark_format=json"]
    )
    return {
        int(re.search(r"threads:(\d+)", b["name"])[1]): (1e9 * b["read"], 1e9 * b["peak"])
        for b in json.loads(report)["benchmarks"]
    }


def measure(args, sides, model, threads):
    """{test: {side: [tokens per second, a turn each]}}."""
    prompts = [int(t[2:]) for t in args.tests if t.startswith("pp")]
    generated = next((int(t[2:]) for t in args.tests if t.startswith("tg")), 0)
    results = {}
    for turn in range(args.repeat):
        for side in sides:
            log(f"{model.type_name}, {threads} threads, turn {turn + 1}: {side.name}")
            try:
                rates = side.rates(model, threads, prompts, generated)
            except RuntimeError as error:
                # A peer may lack a type; then its column has a dash.
                if side.name == "lq":
                    raise
                log(error)
                continue
            for test, rate in rates.items():
                results.setdefault(test, {}).setdefault(side.name, []).append(rate)
    return results


def spread(values):
    return (max(values) - min(values)) / max(values)


@dataclass
class Cell:
    """A line of the table."""

    model: Model
    threads: int
    test: str
    rates: dict  # turns by side

    def best(self):
        """The best peer's name and rate, or None."""
        peers = {name: max(r) for name, r in self.rates.items() if name != "lq"}
        return max(peers.items(), key=lambda peer: peer[1]) if peers else None

    def line(self, limits, reference):
        """`reference`: the cell whose peers count; this one where it has any."""
        ours = max(self.rates["lq"])
        peers = ["-" if side not in self.rates else f"{max(self.rates[side]):.1f}"
                 for side in HEADER[4:7]]  # fmt: skip
        ratio, worst = "-", spread(self.rates["lq"])
        if reference:
            name, theirs = reference.best()
            ratio = f"{ours / theirs:.2f}"
            worst = max(worst, spread(reference.rates[name]))
            if reference is not self:
                peers[HEADER.index(name) - 4] = f"{theirs:.1f} ({reference.model.type_name})"
        read, peak = limits[self.threads]
        if self.test.startswith("tg"):
            speed, limit = ours * self.model.decode_bytes, read
        else:
            speed, limit = ours * 2 * self.model.layer_products, peak
        part = f"{speed / limit:.2f}"
        if not self.model.has_codes and not self.test.startswith("tg"):
            part = "-"  # int8 is not what multiplies dense weights
        values = [self.model.type_name, self.threads, self.test, f"{ours:.1f}", *peers, ratio]
        values += [f"{worst:.0%}", f"{self.model.decode_bytes / 1e6:.0f}"]
        return "| " + " | ".join(map(str, [*values, f"{speed / 1e9:.0f}", part])) + " |"


def find_reference(cell, cells):
    """The cell of the same test with peers, of the model nearest in size."""
    candidates = [
        c
        for c in cells
        if c.threads == cell.threads and c.test == cell.test and c.best()
    ]
    return min(
        candidates,
        key=lambda c: abs(c.model.decode_bytes - cell.model.decode_bytes),
        default=None,
    )


def summarize(cells):
    """The geometric mean of the ratios by test, to stderr."""
    for test in TESTS:
        ratios = {
            f"{c.model.type_name}, {c.threads} threads": max(c.rates["lq"]) / c.best()[1]
            for c in cells
            if c.test == test and c.best()
        }
        if ratios:
            least = min(ratios, key=ratios.get)
            log(f"{test}: geometric mean of ratios "
                f"{statistics.geometric_mean(ratios.values()):.2f}, least "
                f"{ratios[least]:.2f} ({least})")  # fmt: skip


def parse_arguments():
    def names(text):
        return [name for name in text.split(",") if name]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--lq", type=Path, required=True, help="build or install folder of lq"
    )
    parser.add_argument("--types", type=names, default=SHARED_TYPES + OWN_TYPES)
    parser.add_argument("--tests", type=names, default=TESTS)
    parser.add_argument(
        "--threads", type=lambda text: list(map(int, names(text))), default=[1, 2]
    )
    parser.add_argument("--level", choices=LEVELS, default="native")
    parser.add_argument("--repeat", type=int, default=3, help="turns (default 3)")
    parser.add_argument("--work", type=Path, default=CACHE / "peers")
    parser.add_argument(
        "--peers", type=Path, default=CACHE, help="where build_peer.sh left the peers"
    )
    return parser.parse_args()


def main():
    args = parse_arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    lq, peers = Lq(args.lq, LEVELS[args.level]), make_peers(args.level, args.peers)
    limits = measure_limits(args)
    for threads, (read, peak) in limits.items():
        print(f"limits, {threads} threads: {read / 1e9:.1f} GB/s, {peak / 1e9:.0f} GOP/s")
    print("\n| " + " | ".join(HEADER) + " |\n|" + "---|" * len(HEADER))
    cells = []
    for type_name in sorted(args.types, key=lambda name: name in OWN_TYPES):
        model = compile_model(args, type_name)
        for threads in args.threads:
            results = measure(args, [lq, *peers] if model.gguf else [lq], model, threads)
            for test in args.tests:
                cell = Cell(model, threads, test, results[test])
                cells.append(cell)
                reference = cell if cell.best() else find_reference(cell, cells)
                print(cell.line(limits, reference), flush=True)
    summarize(cells)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as failure:
        raise SystemExit(failure) from None
