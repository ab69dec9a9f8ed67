#!/usr/bin/env python3
"""Trains the sample model: a Llama-architecture model of about 1M parameters.

The text is given as plain files; public-domain English is expected, e.g.

    ./sample_text.sh > kjv.txt
    python train_sample.py tinyshakespeare.txt kjv.txt --out sample-hf

Writes a transformers checkpoint with its tokenizer; export_folder.py turns that into
the ONNX folder. The result depends on the texts, the options, the seed and the torch
version only.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"
# One token in HELD_OUT_EVERY chunks of HELD_OUT_CHUNK tokens is never trained on.
HELD_OUT_CHUNK = 2048
HELD_OUT_EVERY = 100


def train_tokenizer(texts, vocabulary):
    """Byte-level BPE: every text is representable, no unknown token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END_OF_TEXT, eos_token=END_OF_TEXT
    )


def encode(tokenizer, texts):
    """All texts as one token stream [n], split into (training, held out)."""
    ids = []
    for text in texts:
        ids.append(tokenizer.eos_token_id)
        # Parts keep the tokenizer's memory small; a line break is a safe place to cut.
        for part in text.split("\n\n"):
            ids.extend(tokenizer(part + "\n\n")["input_ids"])
    stream = torch.tensor(ids)
    chunks = stream[: len(stream) // HELD_OUT_CHUNK * HELD_OUT_CHUNK].view(
        -1, HELD_OUT_CHUNK
    )
    held = torch.arange(len(chunks)) % HELD_OUT_EVERY == HELD_OUT_EVERY // 2
    return chunks[~held].flatten(), chunks[held]


def make_model(tokenizer, context):
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        rope_theta=10000.0,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def make_optimizers(model, rate):
    """Muon for the matrices of the layers, AdamW for embeddings and norms."""
    layers = [p for n, p in model.named_parameters() if p.ndim == 2 and "layers" in n]
    others = [
        p for n, p in model.named_parameters() if p.ndim != 2 or "layers" not in n
    ]
    return [
        torch.optim.Muon(
            layers, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate_factor(step, steps):
    """Warm-up over 2% of the steps, then linear decay to 0 over the last half."""
    return min(1.0, (step + 1) / (0.02 * steps), 2.0 * (steps - step) / steps)


@torch.no_grad()
def held_out_loss(model, held_out, context):
    rows = held_out.view(-1, context)
    losses = [model(row[None], labels=row[None]).loss for row in rows]
    return torch.stack(losses).mean().item()


def train(model, stream, held_out, args):
    optimizers = make_optimizers(model, args.rate)
    random = np.random.default_rng(args.seed)
    started = time.time()
    for step in range(args.steps):
        # Short rows first: the same number of tokens at a lower cost of attention.
        length = args.context // 4 if step < 0.7 * args.steps else args.context
        rows = args.tokens // length
        starts = random.integers(0, len(stream) - length, rows)
        batch = torch.stack([stream[s : s + length] for s in starts])
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = args.rate * rate_factor(step, args.steps)
        loss = model(batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if step % 50 == 0 or step == args.steps - 1:
            print(
                f"step {step} loss {loss.item():.3f} {time.time() - started:.0f} s",
                flush=True,
            )
    loss = held_out_loss(model, held_out, args.context)
    print(f"held-out loss {loss:.3f}, perplexity {math.exp(loss):.2f} per token")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("texts", nargs="+", type=Path, help="UTF-8 text files")
    parser.add_argument("--out", required=True, type=Path, help="checkpoint folder")
    parser.add_argument("--vocabulary", type=int, default=2048)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--tokens", type=int, default=4096, help="tokens a step")
    parser.add_argument("--rate", type=float, default=6e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    texts = [path.read_text(encoding="utf-8") for path in args.texts]
    tokenizer = train_tokenizer(texts, args.vocabulary)
    stream, held_out = encode(tokenizer, texts)
    tokenizer.model_max_length = args.context
    model = make_model(tokenizer, args.context)
    print(
        f"{model.num_parameters()} parameters, {len(stream)} training tokens",
        flush=True,
    )
    train(model, stream, held_out, args)
    model.eval()
    model.generation_config.do_sample = False
    model.save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)


if __name__ == "__main__":
    main()
