"""Writes weights and a file of statistics of their inputs, for the tests of passes
that quantize by them."""
import hashlib
import json
import struct

import numpy as np


def inputs(tokens, columns, seed):
    """Activations that depend on each other, some much larger: [tokens, columns]."""
    random = np.random.default_rng(seed)
    mix = random.standard_normal((columns, columns)) * 0.3 + np.eye(columns)
    sizes = np.where(random.random(columns) < 0.1, 6, 1)
    return (random.standard_normal((tokens, columns)) @ mix * sizes).astype(np.float32)


def sample(weight):
    rows = len(weight)
    digest = hashlib.sha256()
    for i in range(min(rows, 4)):
        digest.update(weight[i * (rows - 1) // 3].astype(np.float32).tobytes())
    return digest.hexdigest()


def write(path, inputs, weights):
    """`inputs`: pairs of activations and the names of the weights that they meet;
    `weights`: arrays by name. The sums may be given instead of activations, as a pair
    of tokens and sum of x x^T."""
    tensors, listed = {}, []
    for x, names in inputs:
        tokens, products = (len(x), x.T @ x) if isinstance(x, np.ndarray) else x
        absolute = np.abs(x).sum(0) if isinstance(x, np.ndarray) else np.diag(products)
        listed.append({"name": names[0], "columns": len(products), "tokens": tokens,
                       "weights": names})
        tensors[names[0] + ".sum_xx"] = products
        tensors[names[0] + ".sum_abs"] = absolute
        tensors[names[0] + ".sum_square"] = np.diag(products)
    known = [{"name": name, "shape": weight.shape, "sample": sample(weight)}
             for name, weight in weights.items()]
    header, data = {"__metadata__": {
        "lq.statistics.version": "1", "lq.statistics.inputs": json.dumps(listed),
        "lq.statistics.weights": json.dumps(known), "lq.statistics.text": "made up"}}, b""
    for name, values in tensors.items():
        raw = np.ascontiguousarray(values, np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": values.shape,
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
