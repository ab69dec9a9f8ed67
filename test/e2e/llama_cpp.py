"""llama.cpp as a reference for GGUF files: its log probabilities and its tokens.

The programs are those that test/bench builds, in the folder $LQ_LLAMA_CPP or
$LQ_CACHE/llama.cpp/native or bin (default ~/.cache/lq)."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

CACHE = Path(
    os.environ.get("LQ_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "lq")
)


def find_program(name):
    """The path of one of llama.cpp's programs; None if it was not built."""
    home = CACHE / "llama.cpp"
    chosen = os.environ.get("LQ_LLAMA_CPP")
    for folder in [Path(chosen)] if chosen else [home / "native", home / "bin"]:
        if (folder / name).is_file():
            return folder / name
    return None


@dataclass
class LogProbabilities:
    """Of the second half of a window of tokens: row i is what token first + i + 1 is
    predicted by. Numbers more than 16 below the largest are cut off."""

    tokens: np.ndarray
    first: int
    rows: np.ndarray
    #: Largest error of the rows' numbers in the file.
    rounding: float


def read_log_probabilities(path):
    """The file of llama-perplexity's --save-all-logits, of one window."""
    with open(path, "rb") as file:
        if file.read(8) != b"_logits_":
            raise ValueError(f"{path} holds no log probabilities")
        context, vocabulary, windows = np.fromfile(file, np.int32, 3)
        if windows != 1:
            raise ValueError(f"{path} holds {windows} windows")
        tokens = np.fromfile(file, np.int32, context)
        first = context // 2
        # Two f32, scale and least number, and 16 bits a token, an even number.
        width = (vocabulary + 1) // 2 * 2
        stored = np.fromfile(file, np.uint16).reshape(context - 1 - first, 4 + width)
    scale, least = np.ascontiguousarray(stored[:, :4]).view(np.float32).T
    rows = stored[:, 4 : 4 + vocabulary] * scale[:, None] + least[:, None]
    return LogProbabilities(tokens, int(first), rows, float(scale.max()) / 2)


def log_probabilities(model, text, context, out):
    """Evaluates the first `context` tokens of the file `text`, with an f32 cache; the
    text must have twice as many. Leaves llama-perplexity's file at `out`."""
    command = [find_program("llama-perplexity"), "-m", model, "-f", text, "-c", context,
               "-b", context, "-ub", context, "--chunks", 1, "-t", 2, "--no-warmup", "-ctk", "f32",
               "-ctv", "f32", "-fa", "off", "--save-all-logits", out]
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0 or not Path(out).is_file():
        raise RuntimeError(f"llama-perplexity failed: {(result.stderr or result.stdout)[-600:]}")
    found = read_log_probabilities(out)
    fields = gguf.GGUFReader(model).fields
    adds_bos = fields.get("tokenizer.ggml.add_bos_token")
    if adds_bos and adds_bos.contents():
        # It is evaluated in the place of the first token of each window.
        found.tokens[0] = fields["tokenizer.ggml.bos_token_id"].contents()
    return found


def write_dequantized(source, out):
    """The same model with every tensor in f32."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(out, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        element = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), field.types[0], sub_type=element)
    for tensor in reader.tensors:
        dense = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, np.ascontiguousarray(dense, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
