//===- GgufMetadata.h - what a GGUF file says of its model ------*- C++ -*-===//

#ifndef LQ_PASSES_CHECKPOINT_GGUFMETADATA_H
#define LQ_PASSES_CHECKPOINT_GGUFMETADATA_H

#include "runtime/Gguf.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace lq::checkpoint {

/// What exporting tensors needs to know of a model.
struct GgufModel {
  /// ggml's name of the architecture: "llama", "qwen2".
  std::string architecture;
  int64_t heads = 0, keyHeads = 0;
  /// Rows of queries and keys are stored in the order of interleaved rotary
  /// embeddings.
  bool interleaved = false;
  /// Positions that layers with a window see; 0 where no layer has one.
  int64_t window = 0;
  /// Factors of the rotary frequencies, one a pair of a head; empty: none.
  std::vector<float> ropeFactors;
};

/// Sets the keys that llama.cpp needs to build the model whose config.json is
/// `config`, which `where` names in messages. Fails for models that llama.cpp
/// could not run the same way.
llvm::Expected<GgufModel> writeModelMetadata(const llvm::json::Object &config,
                                             llvm::StringRef where,
                                             GgufWriter &writer);

/// Sets the keys of the tokenizer in `folder`, with tokens up to `vocabulary`.
llvm::Error writeTokenizerKeys(llvm::StringRef folder, int64_t vocabulary,
                               GgufWriter &writer);

} // namespace lq::checkpoint

#endif // LQ_PASSES_CHECKPOINT_GGUFMETADATA_H
