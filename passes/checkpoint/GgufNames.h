//===- GgufNames.h - names of tensors in GGUF files -------------*- C++ -*-===//

#ifndef LQ_PASSES_CHECKPOINT_GGUFNAMES_H
#define LQ_PASSES_CHECKPOINT_GGUFNAMES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace lq::checkpoint {

/// The name in a GGUF file of ggml's `architecture` of the tensor that Hugging
/// Face's libraries call `name`: "model.layers.3.mlp.up_proj.weight" ->
/// "blk.3.ffn_up.weight". Empty if there is none.
std::string toGgufName(llvm::StringRef name, llvm::StringRef architecture);

/// The first such name that there is for a weight of these roles (Roles.h), else
/// for its own name; empty if there is none.
std::string findGgufName(llvm::StringRef own, llvm::ArrayRef<std::string> roles,
                         llvm::StringRef architecture);

} // namespace lq::checkpoint

#endif // LQ_PASSES_CHECKPOINT_GGUFNAMES_H
