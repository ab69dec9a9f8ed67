"""Prints how often each operation of interest occurs in the IR on stdin, in one line."""

import collections
import re
import sys

OPS = (
    "lq.(append|attention|embedding|linear|rms_norm|layer_norm|activation|glu|rope|cache)"
    "|linalg.[a-z_]+|tensor.(extract_slice|insert_slice|pad|concat)|onnx.[a-z]+"
)
text = sys.stdin.read()
found = (m.group(1) for m in re.finditer(rf"(?:= |^ *)({OPS})\b", text, re.MULTILINE))
counts = collections.Counter(name for name in found if name != "linalg.yield")
print(" ".join(f"{name}={n}" for name, n in sorted(counts.items())))
