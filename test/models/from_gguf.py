#!/usr/bin/env python3
"""Turns a GGUF file with a byte-level BPE vocabulary, or one of SentencePiece with
scores, into a transformers checkpoint (f32).

transformers dequantizes the weights; the tokenizer is built here from the file's
metadata, because transformers' converters lose the pre-tokenizer that
tokenizer.ggml.pre names, swap the special tokens and take scores for a unigram model.
"""

import argparse
from pathlib import Path

import torch
from gguf import GGUFReader, TokenType
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
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


def byte_level(field, vocabulary):
    pre = field("tokenizer.ggml.pre", "gpt-2")
    if pre not in PRE_TOKENIZERS:
        raise SystemExit(
            f"pre-tokenizer {pre!r} is not supported, expected one of "
            f"{sorted(PRE_TOKENIZERS)}"
        )
    merges = [tuple(m.split(" ")) for m in field("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[pre]()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def merges_of(tokens, scores, types):
    """All ways to join two tokens to a third, of the highest score first."""
    normal = {t: i for i, t in enumerate(tokens) if types[i] == TokenType.NORMAL}
    merges = []
    for token in sorted(normal, key=lambda token: -scores[normal[token]]):
        splits = [(token[:i], token[i:]) for i in range(1, len(token))]
        splits = [(a, b) for a, b in splits if a in normal and b in normal]
        merges += sorted(splits, key=lambda pair: (normal[pair[0]], normal[pair[1]]))
    return merges


def sentencepiece(field, vocabulary):
    tokens = field("tokenizer.ggml.tokens")
    merges = merges_of(
        tokens, field("tokenizer.ggml.scores"), field("tokenizer.ggml.token_type")
    )
    unknown = tokens[field("tokenizer.ggml.unknown_token_id")]
    tokenizer = Tokenizer(
        models.BPE(
            vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True
        )
    )
    steps = [normalizers.Replace(" ", "\u2581")]
    if field("tokenizer.ggml.add_space_prefix", True):
        steps.insert(0, normalizers.Prepend("\u2581"))
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return tokenizer


KINDS = {"gpt2": byte_level, "llama": sentencepiece}


def make_tokenizer(reader):
    def field(name, default=None):
        entry = reader.get_field(name)
        return default if entry is None else entry.contents()

    kind = field("tokenizer.ggml.model")
    if kind not in KINDS:
        raise SystemExit(
            f"tokenizer {kind!r} is not supported, expected one of {sorted(KINDS)}"
        )
    tokens = field("tokenizer.ggml.tokens")
    tokenizer = KINDS[kind](field, {t: i for i, t in enumerate(tokens)})
    types = field("tokenizer.ggml.token_type")
    special = [t for t, kind in zip(tokens, types) if kind == TokenType.CONTROL]
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in special])
    own = [t for t, kind in zip(tokens, types) if kind == TokenType.USER_DEFINED]
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in own])

    def name(key):
        index = field(f"tokenizer.ggml.{key}_token_id")
        return None if index is None else tokens[index]

    if field("tokenizer.ggml.add_bos_token", False):
        bos = name("bos")
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A",
            special_tokens=[(bos, field("tokenizer.ggml.bos_token_id"))],
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=name("bos"),
        eos_token=name("eos"),
        unk_token=name("unknown"),
        pad_token=name("padding"),
        chat_template=field("tokenizer.chat_template"),
        model_max_length=field(f"{field('general.architecture')}.context_length"),
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
