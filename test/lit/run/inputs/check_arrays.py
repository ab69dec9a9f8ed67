"""Checks what FakeTensors.c computes from the inputs of make_arrays.py."""

import sys

import numpy as np

folder = sys.argv[1]
scaled = 2 * np.load(folder + "/x.npy") * np.load(folder + "/y.npy")
np.testing.assert_array_equal(np.load(folder + "/scaled.npy"), scaled)
np.testing.assert_array_equal(
    np.load(folder + "/total.npy"), scaled.astype(np.float64).sum(axis=1)
)
