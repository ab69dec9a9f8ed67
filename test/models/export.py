#!/usr/bin/env python3
"""Writes the graph fixtures: tiny models with random weights as real exporters write
them, graphs/<name>/model.onnx. README.md there lists exporters and versions.

    python export.py [--only TEXT] [--out graphs] EXPORTER...

EXPORTER is one of
  dynamo        torch.onnx.export(dynamo=True)
  dynamo23      the same with opset_version=23: Attention, RMSNormalization, ...
  torchscript   torch.onnx.export(dynamo=False)
  transformers  transformers.exporters.OnnxExporter (transformers 5)
  optimum       optimum.exporters.onnx.main_export (needs transformers 4)
The versions that wrote the committed files are in requirements-export.txt and
requirements-optimum.txt; one environment cannot hold both.
"""

import argparse
import copy
import tempfile
import warnings
from functools import partial
from pathlib import Path

import onnx
import torch
import transformers as tf

# Sizes that differ from one another, so that a mixed-up dimension shows.
HIDDEN, INNER, VOCABULARY, LAYERS, HEADS, GROUPS, CONTEXT = 32, 96, 100, 2, 4, 2, 64
BATCH, SEQUENCE, PAST = 2, 5, 3


def llama(**options):
    return tf.LlamaForCausalLM, tf.LlamaConfig(
        **{
            "hidden_size": HIDDEN,
            "intermediate_size": INNER,
            "vocab_size": VOCABULARY,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": GROUPS,
            "max_position_embeddings": CONTEXT,
            "tie_word_embeddings": True,
            **options,
        }
    )


def llama3_rope():
    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": CONTEXT,
    }
    if tf.__version__.startswith("4."):
        rope = {"rope_scaling": scaling, "rope_theta": 500000.0}
    else:
        rope = {"rope_parameters": {**scaling, "rope_theta": 500000.0}}
    return llama(max_position_embeddings=8 * CONTEXT, **rope)


def qwen2():
    return tf.Qwen2ForCausalLM, tf.Qwen2Config(
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        vocab_size=VOCABULARY,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=GROUPS,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
    )


def qwen3():
    return tf.Qwen3ForCausalLM, tf.Qwen3Config(
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        vocab_size=VOCABULARY,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=GROUPS,
        head_dim=16,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
    )


def mistral():
    """As since version 0.2, without a window."""
    return tf.MistralForCausalLM, tf.MistralConfig(
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        vocab_size=VOCABULARY,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=GROUPS,
        max_position_embeddings=CONTEXT,
        sliding_window=None,
    )


def gemma3():
    """The first layer sees a window of 8 positions, the second all."""
    return tf.Gemma3ForCausalLM, tf.Gemma3TextConfig(
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        vocab_size=VOCABULARY,
        num_hidden_layers=LAYERS,
        layer_types=["sliding_attention", "full_attention"],
        num_attention_heads=HEADS,
        num_key_value_heads=GROUPS,
        head_dim=16,
        query_pre_attn_scalar=16,
        sliding_window=8,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
    )


def gpt2():
    return tf.GPT2LMHeadModel, tf.GPT2Config(
        n_embd=HIDDEN,
        n_inner=INNER,
        vocab_size=VOCABULARY,
        n_layer=LAYERS,
        n_head=HEADS,
        n_positions=CONTEXT,
        bos_token_id=0,
        eos_token_id=0,
    )


def gpt_neox():
    return tf.GPTNeoXForCausalLM, tf.GPTNeoXConfig(
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        vocab_size=VOCABULARY,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=CONTEXT,
        rotary_pct=0.5,
        bos_token_id=0,
        eos_token_id=0,
    )


def gptj():
    return tf.GPTJForCausalLM, tf.GPTJConfig(
        n_embd=HIDDEN,
        n_inner=INNER,
        vocab_size=VOCABULARY,
        n_layer=LAYERS,
        n_head=HEADS,
        n_positions=CONTEXT,
        rotary_dim=4,
        bos_token_id=0,
        eos_token_id=0,
    )


def bert():
    return tf.BertModel, tf.BertConfig(
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        vocab_size=VOCABULARY,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=CONTEXT,
    )


MODELS = {
    "llama": llama,
    "llama-mha-untied": lambda: llama(
        num_key_value_heads=HEADS, tie_word_embeddings=False
    ),
    "llama-bias": lambda: llama(attention_bias=True, mlp_bias=True),
    "llama3-rope": llama3_rope,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "mistral": mistral,
    "gemma3": gemma3,
    "gpt2": gpt2,
    "gpt-neox": gpt_neox,
    "gptj": gptj,
    "bert": bert,
}
ENCODERS = {"bert"}


def make_model(name, attention="sdpa"):
    kind, config = MODELS[name]()
    torch.manual_seed(0)
    config._attn_implementation = attention if name != "gptj" else "eager"
    model = kind(config).eval()
    # Initial biases are 0 and norms 1: values that a wrong graph would not show.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
            else:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


class Decoder(torch.nn.Module):
    """A causal model over flat tensors: what users write around torch.onnx.export."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, position_ids, past):
        cache = tf.DynamicCache()
        for layer, (key, value) in enumerate(past):
            cache.update(key, value, layer)
        result = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
        )
        present = [(l.keys, l.values) for l in result.past_key_values.layers]
        return result.logits, present


class Prefill(torch.nn.Module):
    """A causal model without a cache: token ids to logits."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask=None):
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, use_cache=False
        ).logits


class Encoder(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
        ).last_hidden_state


def decoder_case(model):
    config = model.config
    groups = getattr(config, "num_key_value_heads", None) or HEADS
    shape = (BATCH, groups, PAST, HIDDEN // HEADS)
    inputs = {
        "input_ids": torch.randint(0, VOCABULARY, (BATCH, SEQUENCE)),
        "attention_mask": torch.ones(BATCH, PAST + SEQUENCE, dtype=torch.long),
        "position_ids": torch.arange(PAST, PAST + SEQUENCE).repeat(BATCH, 1),
        "past": [(torch.randn(shape), torch.randn(shape)) for _ in range(LAYERS)],
    }
    kinds = [(i, kind) for i in range(LAYERS) for kind in ("key", "value")]
    token = {0: "batch", 1: "sequence"}
    past = {0: "batch", 2: "past"}
    axes = {
        "input_ids": token,
        "attention_mask": {0: "batch", 1: "past_and_sequence"},
        "position_ids": token,
        "past": [(past, past)] * LAYERS,
    }
    names = ["input_ids", "attention_mask", "position_ids"]
    names += [f"past_key_values.{i}.{kind}" for i, kind in kinds]
    outputs = ["logits"] + [f"present.{i}.{kind}" for i, kind in kinds]
    return Decoder(model), inputs, axes, names, outputs


def prefill_case(model, names=("input_ids", "attention_mask")):
    inputs = {
        "input_ids": torch.randint(0, VOCABULARY, (BATCH, SEQUENCE)),
        "attention_mask": torch.ones(BATCH, SEQUENCE, dtype=torch.long),
    }
    axes = {name: {0: "batch", 1: "sequence"} for name in names}
    inputs = {name: inputs[name] for name in names}
    return Prefill(model), inputs, axes, list(names), ["logits"]


def ids_case(model):
    """Without a mask transformers looks for packed sequences in the position ids."""
    return prefill_case(model, ["input_ids"])


def encoder_case(model):
    token = {0: "batch", 1: "sequence"}
    names = ["input_ids", "attention_mask", "token_type_ids"]
    inputs = {
        "input_ids": torch.randint(0, VOCABULARY, (BATCH, SEQUENCE)),
        "attention_mask": torch.ones(BATCH, SEQUENCE, dtype=torch.long),
        "token_type_ids": torch.zeros(BATCH, SEQUENCE, dtype=torch.long),
    }
    axes = {name: token for name in names}
    return Encoder(model), inputs, axes, names, ["last_hidden_state"]


def flat_axes(axes, names, outputs):
    """The nested dynamic shapes as TorchScript's dynamic_axes, outputs included."""
    flat = []
    for value in axes.values():
        flat += (
            [a for pair in value for a in pair] if isinstance(value, list) else [value]
        )
    result = dict(zip(names, flat))
    for name in outputs:
        present = name.startswith("present")
        result[name] = {0: "batch", 2 if present else 1: "sequence"}
        if present:
            result[name][2] = "past_and_sequence"
    return result


def export_torch(exporter, name, case, path):
    module, inputs, axes, names, outputs = case(make_model(name))
    common = {
        "input_names": names,
        "output_names": outputs,
        "opset_version": 23 if exporter == "dynamo23" else None,
    }
    if exporter == "torchscript":
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            path,
            dynamo=False,
            dynamic_axes=flat_axes(axes, names, outputs),
            **common,
        )
    else:
        torch.onnx.export(
            module,
            (),
            path,
            kwargs=inputs,
            dynamo=True,
            dynamic_shapes=axes,
            external_data=False,
            verbose=False,
            **common,
        )


def export_transformers(name, cached, path):
    from transformers.exporters.exporter_onnx import OnnxConfig, OnnxExporter

    model = make_model(name)
    inputs = {"input_ids": torch.randint(0, VOCABULARY, (BATCH, SEQUENCE))}
    length = SEQUENCE + (PAST if cached else 0)
    inputs["attention_mask"] = torch.ones(BATCH, length, dtype=torch.long)
    if cached:
        ids = torch.randint(0, VOCABULARY, (BATCH, PAST))
        with torch.no_grad():
            inputs["past_key_values"] = model(ids, use_cache=True).past_key_values
    exported = OnnxExporter().export(
        copy.deepcopy(model), inputs, config=OnnxConfig(dynamic=True)
    )
    import onnx_ir

    onnx_ir.save(exported.program, path)


def export_optimum(name, path):
    from optimum.exporters.onnx import main_export

    with tempfile.TemporaryDirectory() as folder:
        checkpoint, out = Path(folder, "checkpoint"), Path(folder, "out")
        make_model(name).save_pretrained(checkpoint)
        encoder = name in ENCODERS
        task = "feature-extraction" if encoder else "text-generation-with-past"
        main_export(str(checkpoint), output=out, task=task, library_name="transformers")
        path.write_bytes((out / "model.onnx").read_bytes())


# Metadata that names the exporting machine's files, or is most of a tiny file's size.
DROPPED_METADATA = {
    "namespace",
    "pkg.torch.onnx.stack_trace",
    "pkg.torch.onnx.class_hierarchy",
    "pkg.torch.onnx.fx_node",
}


def drop_metadata(path):
    model = onnx.load(path)
    for node in model.graph.node:
        kept = [p for p in node.metadata_props if p.key not in DROPPED_METADATA]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    onnx.save(model, path)
    return model


def plan(exporter):
    """(fixture name, function of the path that writes it) of one exporter."""
    for name in MODELS:
        encoder = name in ENCODERS
        if exporter == "optimum":
            yield f"{name}-optimum", partial(export_optimum, name)
        elif exporter == "transformers":
            for suffix, cached in (
                [("", False)] if encoder else [("", False), ("-past", True)]
            ):
                write = partial(export_transformers, name, cached)
                yield f"{name}-transformers{suffix}", write
        else:
            cases = {"": encoder_case if encoder else prefill_case}
            if not encoder:
                cases["-past"] = decoder_case
            if (name, exporter) == ("llama", "dynamo"):
                cases["-ids"] = ids_case
            for suffix, case in cases.items():
                write = partial(export_torch, exporter, name, case)
                yield f"{name}-{exporter}{suffix}", write


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("exporters", nargs="+", metavar="EXPORTER")
    parser.add_argument("--only", default="", help="fixtures whose name has this text")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "graphs")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    failures = 0
    for exporter in args.exporters:
        for name, write in plan(exporter):
            if args.only not in name:
                continue
            path = args.out / name / "model.onnx"
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                torch.manual_seed(1)
                write(path)
                model = drop_metadata(path)
                print(
                    f"{name}: {len(model.graph.node)} nodes, {path.stat().st_size} bytes",
                    flush=True,
                )
            except Exception as error:  # noqa: BLE001  the other fixtures still count
                failures += 1
                kind = type(error).__name__
                print(f"{name}: FAILED {kind}: {str(error)[:300]}", flush=True)
    raise SystemExit(failures != 0)


if __name__ == "__main__":
    main()
