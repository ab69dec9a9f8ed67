#!/usr/bin/env python3
"""Compares lq's GPTQ with GPTQModel's, and prints a table (Markdown).

    python3 -m venv gptqmodel
    gptqmodel/bin/pip install -r test/quality/requirements-gptqmodel.txt
    gptq_reference.py --lq build/release --text wiki.test.raw --calibrate text \\
        --python gptqmodel/bin/python

Both get the same f32 weights, the same token ids to calibrate on and the same settings; the
linears of the layers are quantized, the table of embeddings, which is the head too, stays as
it is. Both write a checkpoint, which lq-compile --weights= reads; lq-eval compares the
artifacts with the f32 model. Finished rows are kept in the work folder, as by quality.py.

"seconds" and "processor" are the time and the seconds of all processors, from the start of the
programs to their end: lq-calibrate and lq-gptq here, the whole of GPTQModel there.
"""

import json
import re
import struct
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

import quality

LENGTH = 512
#: Characters. lq-calibrate cuts a file at the first end of a line after 16 bytes a token, and
#: takes a sample of each piece: so a longer line is one sample.
SAMPLE_TEXT = 12000
ROOT = Path(__file__).resolve().parents[2]
#: Of both.
GROUP = 128


@dataclass(frozen=True)
class Setting:
    name: str
    bits: int
    #: Of lq's format, and of lq-gptq.
    format: str
    order: str
    #: What GPTQModel's QuantizeConfig takes.
    config: dict


@dataclass(frozen=True)
class Program:
    name: str
    #: Of lq-gptq; None: GPTQModel.
    options: str | None
    #: Whether a linear's inputs are those in the quantized model.
    sequential: bool = True
    #: What GPTQModel's QuantizeConfig takes as well.
    config: tuple = ()


SETTINGS = [
    Setting("4 bits", 4, "int4_g128", "groups", {"sym": True}),
    Setting("4 bits, zero points", 4, "uint4_g128", "groups", {"sym": False}),
    Setting("4 bits, act order", 4, "int4_g128", "stored", {"sym": True, "desc_act": True}),
]
PROGRAMS = [
    Program("GPTQModel", None),
    Program("GPTQModel, scales searched", None, config=(("mse", 2.4),)),
    Program("lq, scales of the range", "scales=rule"),
    Program("lq", "", sequential=False),
    Program("lq, sequential", ""),
]


def write_samples(work):
    """Texts of a sample each, for lq, and the token ids that it will take of them."""
    texts, ids = work.path("gptq-samples.jsonl"), work.path("gptq-samples.json")
    options = work.options
    if ids.exists():
        return texts, ids
    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    whole = options.calibrate.read_text(encoding="utf-8")
    lines, tokens = [], []
    for start in range(0, len(whole), len(whole) // options.samples):
        text = whole[start : start + SAMPLE_TEXT]
        found = tokenizer.encode(text, add_special_tokens=False).ids
        if len(found) >= LENGTH and len(lines) < options.samples:
            lines.append(json.dumps({"text": text}, ensure_ascii=False) + "\n")
            tokens.append(found[:LENGTH])
    if len(lines) < options.samples:
        raise quality.Failure(f"{options.calibrate} is too short for {options.samples} samples")
    quality.write_whole(texts, "".join(lines))
    quality.write_whole(ids, json.dumps(tokens))
    return texts, ids


def tensors(path, names):
    """Of a safetensors file, f32."""
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
    data = np.memmap(path, np.uint8, "r", offset=8 + length)
    for name in names:
        begin, end = header[name]["data_offsets"]
        yield data[begin:end].view(np.float32).reshape(header[name]["shape"])


def check_tokens(work, ids, checkpoint, statistics):
    """That lq saw these tokens and weights: by what enters the first layer."""
    first = "model.layers.0."
    table, gamma = tensors(checkpoint / "model.safetensors",
                           ["model.embed_tokens.weight", first + "input_layernorm.weight"])
    epsilon = json.loads((checkpoint / "config.json").read_text())["rms_norm_eps"]
    embedded = table[np.concatenate(json.loads(ids.read_text()))].astype(np.float64)
    norms = np.sqrt(np.mean(embedded**2, axis=1, keepdims=True) + epsilon)
    expected = np.sum((embedded / norms * gamma) ** 2, axis=0)
    found, = tensors(statistics, [first + "self_attn.q_proj.weight.sum_square"])
    error = np.max(np.abs(found - expected)) / np.max(expected)
    quality.log(f"sums over the inputs of the first layer differ by {error:.1e}")
    if error > 1e-4:
        raise quality.Failure("lq was calibrated on other tokens than GPTQModel will be")


def make_checkpoint(work):
    """The f32 model as GPTQModel reads it."""
    checkpoint = work.path("gptq-checkpoint")
    if not checkpoint.exists():
        unfinished = work.path("gptq-checkpoint.part")
        quality.run([work.options.export_python, ROOT / "test/models/from_gguf.py",
                     work.options.model / "original.gguf", unfinished])
        unfinished.rename(checkpoint)
    return checkpoint


def recipe(work, setting):
    """Gives the linears of layers their format."""
    path = work.path(f"gptq-{setting.format}.yaml")
    quality.write_whole(path, "weights:\n  - match: 'model\\.layers\\..*_proj\\.weight'\n"
                              f"    format: {setting.format}\n")
    return path


def calibrate(work, texts, setting):
    """A file of statistics, and what making it took; of the f32 model without a setting."""
    name = f"gptq-{setting.format}" if setting else "gptq-f32"
    statistics, took = work.path(f"{name}.statistics"), work.path(f"{name}.json")
    if not took.exists():
        quality.log(f"calibrate, {name}")
        own = f" format={recipe(work, setting)}" if setting else ""
        made = quality.run([
            work.bin / "lq-opt", quality.raise_model(work), "-o", "/dev/null",
            f"--lq-calibrate=text={texts} tokenizer={work.options.model} "
            f"samples={work.options.samples} length={LENGTH} output={statistics}{own}"])
        quality.write_whole(took, json.dumps(asdict(made)))
    return statistics, quality.Run(**json.loads(took.read_text()))


def quantize_by_lq(work, setting, program, folder):
    texts, _ = write_samples(work)
    statistics, first = calibrate(work, texts, setting if program.sequential else None)
    second = quality.run([
        work.bin / "lq-opt", quality.raise_model(work), "-o", "/dev/null",
        f"--lq-gptq=format={recipe(work, setting)} statistics={statistics} order={setting.order} "
        f"archive={folder}/model.weights {program.options}",
        f"--lq-export-checkpoint=library=gptq to={folder}/quantized model={work.options.model}"])
    return replace(second, seconds=first.seconds + second.seconds,
                   processor=first.processor + second.processor,
                   memory=max(first.memory, second.memory))


def quantize_by_gptqmodel(work, setting, program, folder):
    _, ids = write_samples(work)
    return quality.run([
        work.options.python, Path(__file__).with_name("gptqmodel_checkpoint.py"),
        make_checkpoint(work), ids, folder / "quantized",
        json.dumps({"bits": setting.bits, "group_size": GROUP, **setting.config,
                    **dict(program.config)})],
        # It leaves logs where it runs.
        cwd=folder)


def measure(work, setting, program, logits):
    with tempfile.TemporaryDirectory(dir=work.folder) as folder:
        folder = Path(folder)
        if program.options is None:
            made = quantize_by_gptqmodel(work, setting, program, folder)
        else:
            made = quantize_by_lq(work, setting, program, folder)
        artifact = folder / "model.lq"
        quality.compile_model(work, artifact, f"--weights={folder}/quantized")
        found = work.evaluate(artifact, f"--reference-logits={logits}")
    return quality.finished_row(made, found)


def row_text(setting, program, row):
    found, comparison = row["eval"], row["eval"]["comparison"]
    divergence = comparison["kl_divergence"]
    cells = [setting.name, program.name,
             f"{8 * found['weight_bytes'] / found['weights']:.2f}",
             f"{found['perplexity']['value']:.2f}",
             f"{divergence['mean']['value']:.4f} &pm; {divergence['mean']['standard_error']:.4f}",
             f"{divergence['p99']:.3f}", f"{100 * comparison['top1_agreement']['value']:.1f}",
             f"{row['seconds']:.0f}", f"{row['processor']:.0f}"]
    return "| " + " | ".join(cells) + " |\n"


def compare(work):
    logits, _ = quality.make_reference(work)
    texts, ids = write_samples(work)
    statistics, _ = calibrate(work, texts, None)
    check_tokens(work, ids, make_checkpoint(work), statistics)
    head = ["setting", "program", "bits", "perplexity", "KL divergence", "its 99 %",
            "same likeliest token, %", "seconds", "processor"]
    table = "| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|\n"
    for setting in SETTINGS:
        for program in PROGRAMS:
            if not re.search(work.options.only, f"{setting.name}: {program.name}:"):
                continue
            path = work.path(f"gptq-{setting.name}-{program.name}.json".replace(" ", "-"))
            if not path.exists():
                quality.log(f"{setting.name}: {program.name}")
                quality.write_whole(path, json.dumps(measure(work, setting, program, logits)))
            table += row_text(setting, program, json.loads(path.read_text()))
    return table


def main():
    parser = quality.option_parser(__doc__)
    parser.add_argument("--python", type=Path, required=True, help="Python that has gptqmodel")
    parser.add_argument("--export-python", type=Path,
                        default=quality.CACHE / "export-venv" / "bin" / "python",
                        help="Python that has transformers and gguf")
    parser.add_argument("--only", default="", metavar="REGEX", help="rows to measure")
    parser.set_defaults(samples=64)
    options = parser.parse_args()
    options.python, options.work = options.python.absolute(), options.work.absolute()
    quality.print_table(parser, options, compare)


if __name__ == "__main__":
    main()
