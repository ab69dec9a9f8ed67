#!/usr/bin/env python3
"""Compares lq's k-quants with llama-quantize's by llama.cpp's own perplexity program, and
prints a table (Markdown).

    test/bench/build_peer.sh llama.cpp
    kquant_reference.py --lq build/release --text wiki.test.raw --calibrate text

Both quantize the same f32 weights with the same importance matrix, that of lq-calibrate; lq's
model is exported to GGUF. llama-perplexity runs each file and compares it with the f32 file's
logits (--kl-divergence). Finished rows are kept in the work folder, as by quality.py, whose
importance matrix is used if the options are the same.
"""

import json
import os
import re
import tempfile
from pathlib import Path

import gguf
import quality

#: lq's names of what llama-quantize calls otherwise.
FORMATS = {"Q4_K_M": "q4_k_m", "Q3_K_M": "q3_k_m", "Q2_K": "q2_k_mix"}
FIGURES = {
    "perplexity": r"Mean PPL\(Q\) +: +(\S+) ± +(\S+)",
    "divergence": r"Mean +KLD: +(\S+) ± +(\S+)",
    "p99": r"99\.0% +KLD: +(\S+)",
    "top": r"Same top p: +(\S+) ± +(\S+) %",
}


def perplexity(work, model, logits, *extra):
    """What llama-perplexity prints."""
    options = work.options
    return quality.run([options.llama / "llama-perplexity", "-m", model, "-f", options.text,
                        "-c", options.context, "-b", options.context, "--chunks", options.chunks,
                        "-t", options.threads, "--kl-divergence-base", logits, *extra]).out


def make_reference(work):
    logits = work.path("llama.logits")
    if not logits.exists():
        quality.log("f32")
        unfinished = work.path("llama.logits.part")
        perplexity(work, work.options.model / "original.gguf", unfinished)
        unfinished.rename(logits)
    return logits


def quantize(work, program, name, model):
    imatrix = work.values()["imatrix"]
    if program == "lq":
        return quality.compile_model(
            work, model.with_suffix(".lq"), f"--quantize={FORMATS[name]}",
            f"--imatrix={imatrix}", f"--export-gguf={model}")
    return quality.run([work.options.llama / "llama-quantize", "--imatrix", imatrix,
                        work.options.model / "original.gguf", model, name, work.options.threads])


def bits_per_weight(model):
    tensors = gguf.GGUFReader(model).tensors
    return 8 * sum(int(t.n_bytes) for t in tensors) / sum(int(t.n_elements) for t in tensors)


def measure(work, program, name):
    logits = make_reference(work)
    with tempfile.TemporaryDirectory(dir=work.folder) as folder:
        model = Path(folder, "model.gguf")
        quantize(work, program, name, model)
        out = perplexity(work, model, logits, "--kl-divergence")
        row = {"bits": bits_per_weight(model)}
    for figure, pattern in FIGURES.items():
        found = re.search(pattern, out)
        if not found:
            raise quality.Failure(f"llama-perplexity did not print {figure}:\n{out[-800:]}")
        row[figure] = found.groups()
    return row


def row_text(program, name, row):
    cells = [f"`{name}`", program, f"{row['bits']:.2f}",
             "{:.2f} &pm; {:.2f}".format(*map(float, row["perplexity"])),
             "{:.4f} &pm; {:.4f}".format(*map(float, row["divergence"])),
             f"{float(row['p99'][0]):.3f}", f"{float(row['top'][0]):.1f}"]
    return "| " + " | ".join(cells) + " |\n"


def compare(work):
    quality.calibrate(work)
    head = ["format", "program", "bits", "perplexity", "KL divergence", "its 99 %",
            "same likeliest token, %"]
    table = "| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|\n"
    for name in FORMATS:
        for program in ("llama-quantize", "lq"):
            path = work.path(f"llama-perplexity-{program}-{name}.json")
            if not path.exists():
                quality.log(f"{name} by {program}")
                quality.write_whole(path, json.dumps(measure(work, program, name)))
            table += row_text(program, name, json.loads(path.read_text()))
    return table


def main():
    parser = quality.option_parser(__doc__)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of llama.cpp")
    options = parser.parse_args()
    if not (options.llama / "llama-perplexity").exists():
        parser.error("llama-perplexity is not built; see test/bench/build_peer.sh")
    quality.print_table(parser, options, compare)


if __name__ == "__main__":
    main()
