"""Writes the inputs for test/lit/run/tensors.test into a folder."""

import sys

import numpy as np

folder = sys.argv[1]
np.save(folder + "/x.npy", np.arange(8, dtype=np.float32).reshape(2, 4))
np.save(folder + "/y.npy", np.array([1, 10, 100, 1000], dtype=np.float32))
np.save(folder + "/ids.npy", (np.arange(20, dtype=np.int64) % 61).reshape(1, 20))
np.save(folder + "/f64.npy", np.zeros((2, 4)))
np.save(folder + "/odd.npy", np.zeros((2, 3), dtype=np.float32))
np.save(folder + "/fortran.npy", np.asfortranarray(np.zeros((2, 4), dtype=np.float32)))
