#!/usr/bin/env python3
"""Writes a Llama checkpoint of the layers of TinyLlama-1.1B with random weights, for
benchmarks: speed does not depend on what the weights are.

    random_llama.py checkpoint/ --layers 6 && export_folder.py checkpoint/ model/

The tokenizer is a list of made-up words.
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY = 32000


def write_tokenizer(folder):
    control = ["<unk>", "<s>", "</s>"]
    words = control + [f"w{i}" for i in range(len(control), VOCABULARY)]
    vocabulary = {word: i for i, word in enumerate(words)}
    special = [{"id": i, "content": word, "special": True, "single_word": False, "lstrip": False,
                "rstrip": False, "normalized": False} for i, word in enumerate(control)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                  "use_regex": True}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
        "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "fuse_unk": False,
                  "byte_fallback": False, "vocab": vocabulary, "merges": []},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--layers", type=int, default=22)
    args = parser.parse_args()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=2048, intermediate_size=5632,
        num_hidden_layers=args.layers, num_attention_heads=32, num_key_value_heads=4,
        max_position_embeddings=2048, rms_norm_eps=1e-5, rope_theta=10000.0,
        bos_token_id=1, eos_token_id=2, tie_word_embeddings=False)
    LlamaForCausalLM(config).save_pretrained(args.out)
    write_tokenizer(args.out)


if __name__ == "__main__":
    main()
