#!/usr/bin/env python3
"""Measures what methods of quantizing do to a model, and prints one table (Markdown).

    quality.py --lq build/release --text wiki.test.raw [--calibrate text] [--only REGEX]

The model is a folder of tools/fetch-model.sh, by default smollm2-dithered. Each method
makes an artifact, lq-eval compares it with the f32 model over the same chunks of text.
Finished rows are kept in the work folder: an interrupted run goes on where it stopped, and
--again=REGEX measures rows anew, as is needed when the compiler has changed. --update=FILE
puts the table between the marks of a Markdown file, and a picture beside it.

"bits" are the bits of all weights of the artifact, as stored, over the number of the f32
model's weights: where a method stores a weight twice, it counts twice. "time" and "memory" are those
of the program that quantizes, from its start to its end: of lq-compile with the reading
of the model and the generation of code, and the most memory that is resident, mapped
files included; of llama-quantize alone, whose files lq-compile then reads. Calibrating is done
once for all methods that need it, and is not part of their time.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import picture

CACHE = Path(
    os.environ.get("LQ_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "lq")
)
MARKS = ("<!-- table -->\n", "<!-- end of table -->\n")


@dataclass(frozen=True)
class Method:
    family: str
    #: What --quantize takes, or a type of llama-quantize.
    spec: str
    #: Other options; names in braces stand for what Work.values() has.
    options: tuple = ()
    peer: bool = False

    @property
    def name(self):
        return f"{self.family}: {self.spec}"


ROUNDING = ("rounding", "q8_0 q6_k q5_1 q5_0 q4_1 q4_0 iq4_nl nf4 mxfp4 uint4_g32 uint4_g128 "
            "int4_g32 int4_g128 uint3_g32 uint3_g128 int3_g32 uint2_g32")
MIXES = ("rounding, mixes", "q5_k_m q4_k_m iq4_xs_mix q3_k_l q3_k_m q3_k_s q2_k_mix")
ROTATED = ("rotated, rounding", "iq4_nl nf4 uint4_g32 uint4_g128 int4_g32 int4_g128 uint3_g32 "
           "uint3_g128")
PEER = ("llama-quantize", "Q8_0 Q6_K Q5_K_M Q4_K_M IQ4_XS Q4_0 Q3_K_M Q2_K")

IMPORTANCE = ("importance", "iq4_nl uint4_g128 uint3_g128 q4_k_m iq4_xs_mix q3_k_m q2_k_mix")
GPTQ = ("GPTQ", "gptq:4,group=32 gptq:4,group=128,asym gptq:3,group=128,asym gptq:iq4_nl "
        "gptq:q4_k_m")
ROTATED_GPTQ = ("rotated, GPTQ", "gptq:4,group=32 gptq:4,group=128,asym gptq:3,group=128,asym "
                "gptq:iq4_nl")
AWQ = ("AWQ", "awq:4,group=128 awq:3,group=128")
EXL2 = ("EXL2", "exl2:4bpw")
AUTO = ("auto", "auto:3.5bpw auto:4.5bpw auto:5.5bpw")
PEER_IMPORTANCE = ("llama-quantize, importance", "Q4_K_M IQ4_XS Q3_K_M Q2_K")

STATISTICS = ("--statistics={statistics}",)
#: Statistics of a model that is changed before it is quantized.
CALIBRATE = ("--calibrate={calibrate}", "--calibration-samples={samples}")

METHODS = [
    *[Method(ROUNDING[0], spec) for spec in ROUNDING[1].split()],
    *[Method(ROTATED[0], spec, ("--rotate",)) for spec in ROTATED[1].split()],
    *[Method(MIXES[0], spec) for spec in MIXES[1].split()],
    *[Method(IMPORTANCE[0], spec, STATISTICS) for spec in IMPORTANCE[1].split()],
    *[Method(GPTQ[0], spec, STATISTICS) for spec in GPTQ[1].split()],
    *[Method(ROTATED_GPTQ[0], spec, ("--rotate", *CALIBRATE)) for spec in ROTATED_GPTQ[1].split()],
    *[Method(AWQ[0], spec, STATISTICS) for spec in AWQ[1].split()],
    *[Method("AWQ, GPTQ", f"gptq:{bits},group=128,asym", (f"--weights={{scaled{bits}}}", *CALIBRATE))
      for bits in (4, 3)],
    *[Method(EXL2[0], spec, STATISTICS) for spec in EXL2[1].split()],
    *[Method(AUTO[0], spec, (*STATISTICS, "--calibrate={calibrate}"))
      for spec in AUTO[1].split()],
    *[Method(PEER_IMPORTANCE[0], spec, ("--imatrix", "{imatrix}"), peer=True)
      for spec in PEER_IMPORTANCE[1].split()],
    *[Method(PEER[0], spec, peer=True) for spec in PEER[1].split()],
]


def log(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Failure(Exception):
    pass


@dataclass(frozen=True)
class Run:
    """What a program printed, and what it took."""

    out: str
    seconds: float
    #: Seconds of all processors.
    processor: float
    #: Most bytes that were resident.
    memory: int


def run(command, **how):
    """A Run, of a program that succeeds; `how` is for Popen."""
    command = [str(part) for part in command]
    start = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(command, stdout=out, stderr=errors, **how)
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except KeyboardInterrupt:
            child.kill()
            raise
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - start
        texts = []
        for stream in (out, errors):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    if child.returncode != 0:
        raise Failure(f"{' '.join(command)}\n{(texts[1] or texts[0]).strip()[-800:]}")
    return Run(texts[0], seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


class Work:
    """The folder of what is made, and the rows that are finished."""

    def __init__(self, options):
        self.options = options
        self.bin = options.lq / "bin"
        # What rows depend on beside their method.
        setting = [str(options.model.resolve()), file_hash(options.text), options.chunks,
                   options.context, options.samples]
        setting.append(file_hash(options.calibrate) if options.calibrate else None)
        name = hashlib.sha256(json.dumps(setting).encode()).hexdigest()[:12]
        self.folder = options.work / name
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, name):
        return self.folder / name

    def row_path(self, method):
        key = json.dumps(asdict(method), sort_keys=True).encode()
        return self.path(f"row-{hashlib.sha256(key).hexdigest()[:16]}.json")

    def finished(self, method):
        path = self.row_path(method)
        return json.loads(path.read_text()) if path.exists() else None

    def finish(self, method, row):
        write_whole(self.row_path(method), json.dumps(row))

    def values(self):
        """What names in the options of methods stand for."""
        return {"calibrate": self.options.calibrate,
                "samples": self.options.samples,
                "statistics": self.path("model.statistics"),
                "imatrix": self.path("imatrix.gguf"),
                "scaled4": self.path("scaled4.gguf"),
                "scaled3": self.path("scaled3.gguf")}

    def evaluate(self, artifact, *extra):
        options = self.options
        found = run([self.bin / "lq-eval", artifact, f"--text={options.text}", "--json",
                     f"--chunks={options.chunks}", f"--context={options.context}", *extra])
        return json.loads(found.out)


def file_hash(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write_whole(path, text):
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)


def compile_model(work, artifact, *extra):
    command = [work.bin / "lq-compile", work.options.model, "-o", artifact, "--target=host",
               f"--context={work.options.context}", "--quiet", *extra]
    return run(command)


def make_reference(work):
    """The logits of the f32 model, and its own row."""
    logits, row = work.path("f32.logits"), work.path("f32.json")
    if not (logits.exists() and row.exists()):
        log("f32")
        artifact = work.path("f32.lq")
        made = compile_model(work, artifact, "--kv=f32")
        found = work.evaluate(artifact, f"--save-logits={logits}")
        artifact.unlink()
        write_whole(row, json.dumps(finished_row(made, found)))
    return logits, json.loads(row.read_text())


def finished_row(made, found):
    return {"seconds": made.seconds, "processor": made.processor, "memory": made.memory,
            "eval": found}


def raise_model(work):
    """The module that passes take, made once."""
    imported, raised = work.path("imported.mlir"), work.path("raised.mlir")
    if not raised.exists():
        run([work.bin / "lq-translate", "--import-onnx", work.options.model, "-o", imported])
        run([work.bin / "lq-opt", imported, "--onnx-inline-functions", "--onnx-fold-constant-if",
             f"--lq-raise=archive={work.path('raise.weights')}", "--canonicalize", "--cse",
             "--symbol-dce", "-o", raised])
    return raised


def calibrate(work):
    """Makes the statistics and the importance matrix of the model, once."""
    values = work.values()
    if values["imatrix"].exists():
        return
    log("calibrate")
    made = run([
        work.bin / "lq-opt", raise_model(work), "-o", "/dev/null",
        f"--lq-calibrate=text={values['calibrate']} tokenizer={work.options.model} "
        f"samples={work.options.samples} "
        f"output={values['statistics']} imatrix={values['imatrix']}"])
    log(f"calibrating took {made.seconds:.0f} s and {made.memory / 1e6:.0f} MB")


def scale(work, bits):
    """Makes the f32 weights as AWQ scales them for formats of so many bits, once."""
    values = work.values()
    scaled = values[f"scaled{bits}"]
    if scaled.exists():
        return
    log(f"scale for {bits} bits")
    with tempfile.TemporaryDirectory(dir=work.folder) as folder:
        run([work.bin / "lq-opt", raise_model(work), "-o", "/dev/null",
             f"--lq-awq=format=uint{bits}_g128 clip=false statistics={values['statistics']} "
             f"archive={folder}/scaled.weights",
             f"--lq-export-gguf=model={work.options.model} to={scaled}"])


def needs_calibration(method):
    return any("{" in part for part in method.options)


def quantize_by_peer(work, method, artifact):
    quantized = artifact.with_suffix(".gguf")
    options = [part.format(**work.values()) for part in method.options]
    made = run([
        work.options.llama / "llama-quantize", *options, work.options.model / "original.gguf",
        quantized, method.spec, os.cpu_count()])
    compile_model(work, artifact, f"--weights={quantized}")
    return made


def quantize(work, method, artifact):
    if method.peer:
        return quantize_by_peer(work, method, artifact)
    options = [part.format(**work.values()) for part in method.options]
    return compile_model(work, artifact, f"--quantize={method.spec}", *options)


def lacking(method, options):
    """Why a method cannot be measured here, or nothing."""
    if needs_calibration(method) and not options.calibrate:
        return "needs --calibrate"
    if method.peer and not (options.llama / "llama-quantize").exists():
        return "llama-quantize is not built; see test/bench/build_peer.sh"
    return None


def measure(work, method, logits):
    if needs_calibration(method):
        calibrate(work)
    for bits in (4, 3):
        if any(f"{{scaled{bits}}}" in part for part in method.options):
            scale(work, bits)
    with tempfile.TemporaryDirectory(dir=work.folder) as folder:
        artifact = Path(folder, "model.lq")
        made = quantize(work, method, artifact)
        found = work.evaluate(artifact, f"--reference-logits={logits}")
    return finished_row(made, found)


def bits(row, reference):
    return 8 * row["eval"]["weight_bytes"] / reference["eval"]["weights"]


def row_text(method, row, reference):
    found = row["eval"]
    comparison = found.get("comparison")
    perplexity = found["perplexity"]
    cells = [method.family if method else "f32", f"`{method.spec}`" if method else "",
             f"{bits(row, reference):.2f}",
             f"{perplexity['value']:.2f} &pm; {perplexity['standard_error']:.2f}"]
    if comparison:
        divergence = comparison["kl_divergence"]
        cells += [f"{divergence['mean']['value']:.4f} &pm; "
                  f"{divergence['mean']['standard_error']:.4f}",
                  f"{divergence['p99']:.3f}",
                  f"{100 * comparison['top1_agreement']['value']:.1f}"]
    else:
        cells += ["0", "0", "100"]
    cells += [f"{row['seconds']:.0f}", f"{row['memory'] / 1e6:.0f}"]
    return "| " + " | ".join(cells) + " |\n"


def table_text(reference, rows):
    head = ["method", "format", "bits", "perplexity", "KL divergence", "its 99 %",
            "same likeliest token, %", "time, s", "memory, MB"]
    out = "| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|\n"
    out += row_text(None, reference, reference)
    return out + "".join(row_text(method, row, reference) for method, row in rows)


def draw(path, reference, rows):
    lines = {}
    for method, row in rows:
        divergence = row["eval"]["comparison"]["kl_divergence"]["mean"]["value"]
        point = (bits(row, reference), divergence)
        lines.setdefault(method.family, []).append((*point, method.spec))
    write_whole(path, picture.draw(lines, "bits per weight", "KL divergence from f32"))


def update(path, table, reference, rows):
    text = path.read_text(encoding="utf-8")
    before, mark, rest = text.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not mark or not end:
        raise Failure(f"{path} has no {MARKS[0].strip()} ... {MARKS[1].strip()}")
    write_whole(path, before + mark + "\n" + table + "\n" + end + after)
    draw(path.with_suffix(".svg"), reference, rows)


def measure_all(work):
    options = work.options
    logits, reference = make_reference(work)
    rows, failures = [], 0
    for method in METHODS:
        if not re.search(options.only, method.name):
            continue
        row = work.finished(method)
        if not row or (options.again and re.search(options.again, method.name)):
            reason = lacking(method, options)
            log(f"{method.name}: {'left out, ' + reason if reason else 'measured'}")
            if reason:
                continue
            try:
                row = measure(work, method, logits)
            except Failure as failure:
                failures += 1
                log(f"{method.name} failed: {failure}")
                continue
            work.finish(method, row)
        rows.append((method, row))
    return reference, rows, failures


def option_parser(description):
    """Takes what Work needs."""
    parser = argparse.ArgumentParser(description=description.split("\n\n")[0])
    parser.add_argument("--lq", type=Path, required=True, help="lq's build folder")
    parser.add_argument("--text", type=Path, required=True, help="text to evaluate on")
    parser.add_argument("--model", type=Path, default=CACHE / "smollm2-dithered",
                        help="ONNX folder with the f32 model, also as original.gguf")
    parser.add_argument("--calibrate", type=Path, help="text to calibrate on")
    parser.add_argument("--samples", type=int, default=128,
                        help="samples of 512 tokens of it (default %(default)s)")
    parser.add_argument("--llama", type=Path, default=CACHE / "llama.cpp" / "native",
                        help="folder of llama.cpp's programs")
    parser.add_argument("--chunks", type=int, default=40)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--work", type=Path, default=CACHE / "quality")
    return parser


def print_table(parser, options, compare):
    """Prints what `compare` makes of a Work: the one thing that the script of `parser` does."""
    check_model(options)
    if not options.calibrate:
        parser.error("--calibrate is required")
    try:
        print(compare(Work(options)), end="")
    except Failure as failure:
        sys.exit(f"{parser.prog}: {failure}")


def check_model(options):
    if not (options.model / "model.onnx").exists():
        sys.exit(f"no model in {options.model}; tools/fetch-model.sh smollm2-dithered makes it")


def main():
    parser = option_parser(__doc__)
    parser.add_argument("--only", default="", metavar="REGEX", help="methods to measure")
    parser.add_argument("--again", metavar="REGEX", help="methods to measure anew")
    parser.add_argument("--update", type=Path, metavar="FILE",
                        help="Markdown file to put the table into; the picture goes beside it")
    options = parser.parse_args()
    check_model(options)
    try:
        reference, rows, failures = measure_all(Work(options))
        table = table_text(reference, rows)
        print(table, end="")
        if options.update:
            update(options.update, table, reference, rows)
    except Failure as failure:
        sys.exit(f"quality.py: {failure}")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
