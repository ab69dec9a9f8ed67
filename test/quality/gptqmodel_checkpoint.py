#!/usr/bin/env python3
"""Quantizes a checkpoint by GPTQModel, on the CPU, in f32.

    gptqmodel_checkpoint.py CHECKPOINT TOKENS.json OUT '{"bits": 4, "group_size": 128}'

TOKENS.json is a list of lists of token ids to calibrate on, the last argument what
QuantizeConfig takes."""

import json
import os
import sys

os.environ["CUDA_VISIBLE_DEVICES"] = ""
# The threads that load a model are 2 of these: with the default, half the cores, it fails
# on a machine that has 2.
os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")

import torch
from gptqmodel import GPTQModel, QuantizeConfig


def main():
    checkpoint, tokens, out, config = sys.argv[1:]
    with open(tokens, encoding="utf-8") as file:
        samples = json.load(file)
    model = GPTQModel.load(checkpoint, QuantizeConfig(device="cpu", **json.loads(config)),
                           dtype=torch.float32)
    model.quantize([{"input_ids": ids, "attention_mask": [1] * len(ids)} for ids in samples],
                   batch_size=1)
    model.save(out)


if __name__ == "__main__":
    main()
