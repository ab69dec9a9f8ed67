//===- QuantizationConfig.h - how a checkpoint was quantized ----*- C++ -*-===//

#ifndef LQ_PASSES_CHECKPOINT_QUANTIZATIONCONFIG_H
#define LQ_PASSES_CHECKPOINT_QUANTIZATIONCONFIG_H

#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>

namespace lq::checkpoint {

/// How the words of a quantized matrix are laid out.
enum class PackingMethod { None, Gptq, Awq, CompressedTensors, Exl2 };

/// What a checkpoint's config.json (or quantize_config.json) says.
struct QuantizationConfig {
  PackingMethod method = PackingMethod::None;
  /// Bits of a code; 0: it does not say.
  int64_t bits = 0;
  /// Columns of a group; 0: whole rows.
  int64_t group = 0;
  /// Whether bits and group are those of every matrix; else they are what most
  /// have, and the tensors say what each has.
  bool isUniform = true;
  /// GPTQ: the file holds zero points less one ("gptq", not "gptq_v2").
  bool zeroPointsLessOne = false;
  /// "model_type" of the model: "llama", "gpt2"; empty if unknown.
  std::string modelType;
  bool tiedEmbeddings = false;
};

/// Whether the norms of models of this "model_type" multiply by 1 + weight:
/// Hugging Face's checkpoints have the weight, graphs and GGUF files the sum.
bool storesNormsLessOne(llvm::StringRef modelType);

/// Reads the configuration of the checkpoint in `folder`; one without any is a
/// checkpoint of dense weights.
llvm::Expected<QuantizationConfig> readConfig(llvm::StringRef folder);

} // namespace lq::checkpoint

#endif // LQ_PASSES_CHECKPOINT_QUANTIZATIONCONFIG_H
