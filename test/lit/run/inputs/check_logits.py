"""Checks the logits that lq-run writes against what FakeGenerative.c computes."""

import sys

import numpy as np

folder = sys.argv[1]


def expected(tokens):
    sums = np.cumsum(np.array(tokens) * np.arange(1, len(tokens) + 1))
    v = np.arange(61)
    return ((v * 7 + sums[:, None]) % 1009 + v / 4).astype(np.float32)


np.testing.assert_array_equal(
    np.load(folder + "/all.npy")[0], expected(np.load(folder + "/ids.npy")[0])
)
with open(folder + "/ids.txt") as file:
    generated = [int(token) for token in file.read().split(",")]
steps = np.load(folder + "/steps.npy")
tokens = [7, 7, 7] + generated
assert len(generated) == 18 and steps.shape == (20, 61), steps.shape
np.testing.assert_array_equal(steps, expected(tokens[:-1]))
assert generated == list(np.argmax(steps[2:], axis=1))
