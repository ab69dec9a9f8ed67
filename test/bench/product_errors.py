#!/usr/bin/env python3
"""What quantizing costs products: the error of each method, without running the model.

    product_errors.py [--bin BUILD/bin] MODEL.mlir STATISTICS "PASS OPTIONS"...

MODEL.mlir is a raised model, STATISTICS what lq-calibrate wrote for it, and each last
argument a pass with its options, "lq-gptq format=int4_g128" say; where these need
statistics, they get them. Prints, over all weights that have statistics,

    product   the mean of sum |(q - w) x|^2 / sum |w x|^2 over the inputs x of calibration
    weighted  the mean of sum h (q - w)^2 / sum h w^2, h the sums of squares of x

and how long the pass took. Formats are those that have names, with columns as they lie.
"""
import argparse
import json
import os
import re
import struct
import subprocess
import tempfile
import time

import numpy as np

WEIGHT = re.compile(r'lq\.weight @(\S+) : tensor<(\d+)x(\d+)xf32(, #lq\.[^>]*>)?> '
                    r'from "([^"]*)" at (\d+)( transposed)?')


class Statistics:
    """A file of statistics, mapped."""

    def __init__(self, path):
        with open(path, "rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            self.header = json.loads(file.read(length))
        self.data = np.memmap(path, np.uint8, "r", offset=8 + length)
        inputs = json.loads(self.header["__metadata__"]["lq.statistics.inputs"])
        self.inputs = {weight: each["name"] for each in inputs for weight in each["weights"]}

    def products(self, weight):
        entry = self.header[self.inputs[weight] + ".sum_xx"]
        begin, end = entry["data_offsets"]
        return self.data[begin:end].view(np.float32).reshape(entry["shape"])


class Model:
    """The weights of a .mlir file."""

    def __init__(self, path):
        text = open(path).read()
        folder = re.search(r'lq\.weight_folder = "([^"]*)"', text)
        self.folder = folder[1] if folder else os.path.dirname(os.path.abspath(path))
        self.beside = os.path.dirname(os.path.abspath(path))
        self.weights = {match[1]: match for match in WEIGHT.finditer(text)}

    def path(self, name):
        for folder in (self.folder, self.beside):
            path = os.path.join(folder, self.weights[name][5])
            if os.path.exists(path):
                return path
        raise FileNotFoundError(self.weights[name][5])

    def dense(self, name):
        rows, columns = int(self.weights[name][2]), int(self.weights[name][3])
        values = np.fromfile(self.path(name), np.float32, rows * columns,
                             offset=int(self.weights[name][6]))
        if self.weights[name][7]:
            return values.reshape(columns, rows).T
        return values.reshape(rows, columns)


def decode(tools, folder, model, name, form, size):
    """The numbers that an encoded weight stands for."""
    rows, columns = int(model.weights[name][2]), int(model.weights[name][3])
    storage = np.fromfile(model.path(name), np.uint8, size,
                          offset=int(model.weights[name][6]))
    storage.tofile(f"{folder}/storage")
    subprocess.run([f"{tools}/lq-decode-format", form, str(columns), f"{folder}/storage",
                    f"{folder}/decoded", f"{folder}/again"], check=True)
    return np.fromfile(f"{folder}/decoded", np.float32).reshape(rows, columns)


def sizes(model):
    """Bytes of each encoded weight: up to the next one, which begins at a multiple of 64,
    and by rows."""
    offsets = sorted(int(match[6]) for match in model.weights.values() if match[4])
    found = {}
    for name, match in model.weights.items():
        if match[4]:
            offset = int(match[6])
            end = next((each for each in offsets if each > offset),
                       os.path.getsize(model.path(name)))
            found[name] = (end - offset) // int(match[2]) * int(match[2])
    return found


def measure(args, dense, statistics, method):
    name, _, options = method.partition(" ")
    form = re.search(r"format=(\S+)", options)[1]
    with tempfile.TemporaryDirectory() as folder:
        if name != "lq-quantize-rtn" and "statistics=" not in options:
            options += f" statistics={args.statistics}"
        start = time.monotonic()
        subprocess.run([f"{args.bin}/lq-opt", args.model, "-o", f"{folder}/out.mlir",
                        f"--{name}={options} archive={folder}/out.weights"],
                       check=True, stderr=subprocess.DEVNULL)
        seconds = time.monotonic() - start
        model = Model(f"{folder}/out.mlir")
        errors = []
        for weight, size in sizes(model).items():
            if weight not in statistics.inputs:
                continue
            products = statistics.products(weight)
            w = dense.dense(weight)
            difference = decode(args.bin, folder, model, weight, form, size) - w
            diagonal = np.diag(products)
            errors.append((np.sum(difference @ products * difference) / np.sum(w @ products * w),
                           np.sum(difference**2 * diagonal) / np.sum(w**2 * diagonal)))
    product, weighted = np.mean(errors, 0)
    print(f"{method:56} {len(errors):4} weights  product {product:.5f}"
          f"  weighted {weighted:.5f}  {seconds:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("model")
    parser.add_argument("statistics")
    parser.add_argument("methods", nargs="+")
    args = parser.parse_args()
    dense, statistics = Model(args.model), Statistics(args.statistics)
    for method in args.methods:
        measure(args, dense, statistics, method)


if __name__ == "__main__":
    main()
