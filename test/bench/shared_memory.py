#!/usr/bin/env python3
"""Shows that processes share an artifact's weights: runs several at once and prints the
memory of each and of all.

    shared_memory.py --lq build/release/bin MODEL.lq [--processes 4]

Resident memory counts a page in every process that maps it, proportional memory
(PSS) divides it by their number: the sum of the latter is what the machine spends.
"Huge" is what the first process maps of files in pages of 2 MB.
"""

import argparse
import subprocess
import time
from pathlib import Path


def read_rollup(pid):
    """Megabytes by name from /proc/PID/smaps_rollup."""
    values = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, amount, _ = line.split()
        values[name.rstrip(":")] = int(amount) * 1024 / 1e6
    return values


def measure(lq_run, artifact, count):
    command = [lq_run, artifact, "--prompt", "The", "-n", "1500", "--ignore-eos",
               "--threads=1"]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                 for _ in range(count)]
    try:
        time.sleep(1.5 + 0.5 * count)
        return [read_rollup(process.pid) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--lq", type=Path, required=True, help="folder of lq-run")
    parser.add_argument("--processes", type=int, default=4)
    options = parser.parse_args()
    print(f"artifact: {options.artifact.stat().st_size / 1e6:.1f} MB")
    print("| processes | resident, each | proportional, all | huge |")
    print("|---|---|---|---|")
    for count in sorted({1, 2, options.processes}):
        rollups = measure(options.lq / "lq-run", options.artifact, count)
        each = max(rollup["Rss"] for rollup in rollups)
        total = sum(rollup["Pss"] for rollup in rollups)
        huge = rollups[0]["FilePmdMapped"]
        print(f"| {count} | {each:.1f} MB | {total:.1f} MB | {huge:.1f} MB |")


if __name__ == "__main__":
    main()
