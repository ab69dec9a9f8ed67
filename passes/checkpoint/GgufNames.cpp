//===- GgufNames.cpp - names of tensors in GGUF files ---------------------===//
//
// The names are those of gguf-py's constants.py and tensor_mapping.py.
//
//===----------------------------------------------------------------------===//

#include "passes/checkpoint/GgufNames.h"

#include "llvm/ADT/StringExtras.h"

using namespace lq;
using llvm::StringRef;

namespace {
struct NamePair {
  StringRef module, gguf;
};
} // namespace

static constexpr StringRef layerPrefixes[] = {"model.layers.", "transformer.h.",
                                              "model.decoder.layers."};

static constexpr NamePair layerModules[] = {
    {"input_layernorm", "attn_norm"},
    {"ln_1", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.qkv_proj", "attn_qkv"},
    {"attn.c_attn", "attn_qkv"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"self_attn.o_proj", "attn_output"},
    {"attn.c_proj", "attn_output"},
    {"post_attention_layernorm", "ffn_norm"},
    {"ln_2", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.gate_up_proj", "ffn_up"},
    {"mlp.c_fc", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"mlp.c_proj", "ffn_down"},
};

/// Of architectures with a norm after the attention.
static constexpr NamePair gemmaModules[] = {
    {"post_attention_layernorm", "post_attention_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
};

static constexpr NamePair otherModules[] = {
    {"model.embed_tokens", "token_embd"}, {"transformer.wte", "token_embd"},
    {"transformer.wpe", "position_embd"}, {"model.norm", "output_norm"},
    {"transformer.ln_f", "output_norm"},  {"lm_head", "output"},
};

template <size_t n>
static StringRef lookup(const NamePair (&pairs)[n], StringRef module) {
  for (const NamePair &pair : pairs)
    if (pair.module == module)
      return pair.gguf;
  return {};
}

std::string checkpoint::toGgufName(StringRef name, StringRef architecture) {
  auto [module, suffix] = name.rsplit('.');
  if (suffix != "weight" && suffix != "bias")
    return {};
  for (StringRef prefix : layerPrefixes) {
    StringRef rest = module;
    unsigned layer;
    if (!rest.consume_front(prefix) || rest.consumeInteger(10, layer) ||
        !rest.consume_front("."))
      continue;
    StringRef found;
    if (architecture == "gemma3")
      found = lookup(gemmaModules, rest);
    if (found.empty())
      found = lookup(layerModules, rest);
    return found.empty()
               ? std::string()
               : ("blk." + llvm::Twine(layer) + "." + found + "." + suffix)
                     .str();
  }
  StringRef found = lookup(otherModules, module);
  return found.empty() ? std::string() : (found + "." + suffix).str();
}

std::string checkpoint::findGgufName(StringRef own,
                                     llvm::ArrayRef<std::string> roles,
                                     StringRef architecture) {
  for (const std::string &role : roles)
    if (std::string name = toGgufName(role, architecture); !name.empty())
      return name;
  StringRef unwrapped = own;
  unwrapped.consume_front("model.");
  for (StringRef each : {own, unwrapped})
    if (std::string name = toGgufName(each, architecture); !name.empty())
      return name;
  return {};
}
