"""compare.py weights.bin rtn.bin hqq.bin: both archives hold the weights as q4_1, blocks
of 32: the scale, the least value, and 16 bytes of codes, the lower ones first."""

import sys

import numpy as np


def read(path):
    blocks = np.fromfile(path, np.uint8).reshape(-1, 20)
    scale, least = np.ascontiguousarray(blocks[:, :4]).view(np.float16).astype(np.float32).T
    codes = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], axis=1)
    return codes * scale[:, None] + least[:, None]


weights = np.fromfile(sys.argv[1], np.float32).reshape(-1, 32)
rtn, hqq = (np.sum(np.abs(weights - read(path)) ** 0.7, axis=1) for path in sys.argv[2:])
assert (hqq <= rtn * 1.001).all(), "a group got worse"
better, ratio = np.mean(hqq < rtn * 0.999), hqq.sum() / rtn.sum()
print(f"better groups: {better:.0%}, sum {ratio:.3f}")
assert better > 0.4 and ratio < 0.98
