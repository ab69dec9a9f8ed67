#!/usr/bin/env python3
"""Turns a Llama-architecture GGUF file with a byte-level BPE vocabulary into a
transformers checkpoint (f32).

transformers dequantizes the weights; the tokenizer is built here from the file's
metadata, because transformers' converter loses the pre-tokenizer that
tokenizer.ggml.pre names and swaps the special tokens.
"""

import argparse
from pathlib import Path

import torch
from gguf import GGUFReader, TokenType
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast


def gpt2_splitter():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


# tokenizer.ggml.pre -> the pre-tokenizer of the model's own tokenizer.json.
PRE_TOKENIZERS = {
    "gpt-2": gpt2_splitter,
    "smollm": lambda: pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), gpt2_splitter()]
    ),
}


def make_tokenizer(reader):
    def field(name, default=None):
        entry = reader.get_field(name)
        return default if entry is None else entry.contents()

    kind, pre = field("tokenizer.ggml.model"), field("tokenizer.ggml.pre", "gpt-2")
    if kind != "gpt2" or pre not in PRE_TOKENIZERS:
        raise SystemExit(
            f"tokenizer {kind!r} with pre-tokenizer {pre!r} is not supported, "
            f"expected 'gpt2' with one of {sorted(PRE_TOKENIZERS)}"
        )
    tokens = field("tokenizer.ggml.tokens")
    merges = [tuple(m.split(" ")) for m in field("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[pre]()
    tokenizer.decoder = decoders.ByteLevel()
    types = field("tokenizer.ggml.token_type")
    special = [t for t, kind in zip(tokens, types) if kind == TokenType.CONTROL]
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in special])

    def name(key):
        index = field(f"tokenizer.ggml.{key}_token_id")
        return None if index is None else tokens[index]

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=name("bos"),
        eos_token=name("eos"),
        unk_token=name("unknown"),
        pad_token=name("padding"),
        chat_template=field("tokenizer.chat_template"),
        model_max_length=field("llama.context_length"),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("gguf", type=Path)
    parser.add_argument("out", type=Path, help="checkpoint folder to write")
    args = parser.parse_args()
    make_tokenizer(GGUFReader(args.gguf)).save_pretrained(args.out)
    model = AutoModelForCausalLM.from_pretrained(
        args.gguf.parent, gguf_file=args.gguf.name, torch_dtype=torch.float32
    )
    model.generation_config.do_sample = False
    model.save_pretrained(args.out)


if __name__ == "__main__":
    main()
