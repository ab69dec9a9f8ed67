#!/usr/bin/env python3
"""Exports a transformers checkpoint with optimum to a folder that lq-compile takes:
model.onnx (f32, with past key values for decoders) and the configuration and
tokenizer files."""

import argparse
from pathlib import Path

import onnx
from optimum.exporters.onnx import main_export

# Larger models keep their weights in model.onnx_data, as exporters do past 2 GB.
INLINE_LIMIT = 64 << 20


def externalize(path):
    """Moves the weights of an ONNX file into one file beside it."""
    model = onnx.load(path)
    path.unlink()
    onnx.save(
        model,
        path,
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=path.name + "_data",
        size_threshold=1024,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.replace("\n", " "))
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--task", default="text-generation-with-past")
    parser.add_argument(
        "--library",
        default="transformers",
        choices=["transformers", "sentence_transformers"],
        help="sentence_transformers adds the pooling to the graph",
    )
    args = parser.parse_args()
    main_export(
        str(args.checkpoint),
        output=args.out,
        task=args.task,
        library_name=args.library,
        local_files_only=True,
    )
    model = args.out / "model.onnx"
    if model.stat().st_size > INLINE_LIMIT:
        externalize(model)
    for path in args.out.iterdir():
        path.chmod(0o644)


if __name__ == "__main__":
    main()
