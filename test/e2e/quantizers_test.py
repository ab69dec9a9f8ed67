#!/usr/bin/env python3
"""Checks that quantizers that look at activations lose less than those that do not, on text
that none was calibrated on, and that choosing formats can be interrupted.

    quantizers_test.py --bin BIN MODEL_FOLDER

The text is the model's own, generated for other seeds to calibrate on and to evaluate.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lq_pipeline import Failure, call, raise_model

PROMPTS = "The|My lord,|In the|And so|She said|When he|There was|O,|What|Upon".split("|")


def generate(options, artifact, folder, name, seeds):
    """A file of text that the model wrote."""
    path = folder / name
    texts = []
    for seed in seeds:
        for prompt in PROMPTS:
            texts.append(call([options.bin / "lq-run", artifact, f"--prompt={prompt}", "-n=200",
                               "--temp=0.9", f"--seed={seed}"]).stdout)
    path.write_text("\n\n".join(texts), encoding="utf-8")
    return path


class Evaluation:
    """KL divergences from the f32 model."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.reference = folder / "f32.lq"
        self.compile(self.reference)
        self.calibration = generate(options, self.reference, folder, "calibrate.txt", range(4))
        self.text = generate(options, self.reference, folder, "evaluate.txt", range(100, 104))

    def compile(self, artifact, *extra):
        call([self.options.bin / "lq-compile", self.options.model, "--target=host", "--quiet",
              "-o", artifact, *extra])

    def divergence(self, how, *extra):
        artifact = self.folder / "quantized.lq"
        self.compile(artifact, f"--quantize={how}", *extra)
        out = call([self.options.bin / "lq-eval", artifact, f"--reference={self.reference}",
                    f"--text={self.text}", "--context=128", "--json"]).stdout
        found = json.loads(out)["comparison"]["kl_divergence"]["mean"]["value"]
        print(f"      {how} {' '.join(extra)}: {found:.5f}".replace(str(self.folder), ""))
        return found

    def calibrated(self, how):
        statistics = self.folder / "model.statistics"
        return self.divergence(how, f"--calibrate={self.calibration}",
                               "--calibration-length=128", f"--statistics={statistics}")


def check_less(what, less, more, part):
    if not less < part * more:
        raise Failure(f"{what}: {less:.5f} is not below {part} of {more:.5f}")


def check_order(evaluation):
    rounded = evaluation.divergence("uint4_g32")
    check_less("importance against none", evaluation.calibrated("uint4_g32"), rounded, 0.95)
    check_less("AWQ against rounding", evaluation.calibrated("awq:4,group=32"), rounded, 0.95)
    check_less("GPTQ against rounding", evaluation.calibrated("gptq:4,group=32,asym"), rounded, 0.75)
    best = min(evaluation.calibrated(f"gptq:{how}") for how in ("iq4_nl", "q4_0", "nf4_f16"))
    check_less("allocation against the best format", evaluation.calibrated("auto:4.5bpw"), best, 1)
    return "quantizers that look at activations lose less"


def check_continued(options, evaluation, folder):
    """A choice of formats that is killed goes on, and ends as one that is not."""
    raised = raise_model(options.bin, options.model, folder)

    def command(name):
        return [str(part) for part in [
            options.bin / "lq-opt", raised, "-o", "/dev/null",
            f"--lq-allocate=recipe={folder / name} bits=4.5 text={evaluation.calibration} "
            f"tokenizer={options.model} samples=32 length=128"]]

    state = folder / "killed.yaml.work" / "state.json"
    process = subprocess.Popen(command("killed.yaml"), stderr=subprocess.DEVNULL)
    while process.poll() is None and not state.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if (folder / "killed.yaml").exists():
        raise Failure("the run ended before it could be killed")
    finished = json.loads(state.read_text())["finished"]
    call(command("killed.yaml"))
    call(command("whole.yaml"))
    if (folder / "killed.yaml").read_bytes() != (folder / "whole.yaml").read_bytes():
        raise Failure("a continued run chose other formats")
    return f"a run that was killed after {finished} blocks was continued"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("model", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        evaluation = Evaluation(options, folder)
        try:
            print("ok   ", check_order(evaluation), flush=True)
            print("ok   ", check_continued(options, evaluation, folder), flush=True)
        except Failure as failure:
            print("FAIL ", failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
