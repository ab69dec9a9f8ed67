"""lessens.py LOG FACTOR: checks that lq-awq's error after scaling is less than FACTOR
times the one before."""

import re
import sys

log, factor = sys.argv[1:]
before, after = map(float, re.search(
    r", ([0-9.e+-]+) before, ([0-9.e+-]+) after", open(log).read()).groups())
assert 0 < after < float(factor) * before, f"{before} before, {after} after"
