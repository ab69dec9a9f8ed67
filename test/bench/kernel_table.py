#!/usr/bin/env python3
"""Prints a table (Markdown) of how near every format's kernels come to the machine's
limits, by LqKernelBench.

    kernel_table.py build/release/test/bench/kernels/LqKernelBench [--level x86-64-avx512vnni]
        [--shape tinyllama-1.1b.up] [--threads 1]

A row is a weight format: decoding one row (M = 1) as encoded bytes read a second, over
what a loop that only reads gets in the same run; 512 rows as int8 operations a second,
over what a loop that only multiplies gets.
"""

import argparse
import json
import subprocess


def measure(options, rows):
    """Counters by format."""
    pattern = f"^{options.level}/[^/]*/{options.shape}/M:{rows}/threads:{options.threads}/"
    result = subprocess.run(
        [options.program, f"--benchmark_filter={pattern}", "--benchmark_format=json"],
        capture_output=True, text=True, check=True)
    return {b["name"].split("/")[1]: b for b in json.loads(result.stdout)["benchmarks"]}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--level", default="x86-64-avx512vnni")
    parser.add_argument("--shape", default="tinyllama-1.1b.up")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    decode, prefill = measure(options, 1), measure(options, 512)
    print("| format | M = 1: GB/s | of reading | M = 512: GOP/s | of multiplying |")
    print("|---|---|---|---|---|")
    for name, one in decode.items():
        many = prefill[name]
        print(f"| {name} | {one['GB/s']:.1f} | {one['of_read']:.2f} "
              f"| {many['GOP/s']:.0f} | {many['of_peak']:.2f} |")


if __name__ == "__main__":
    main()
