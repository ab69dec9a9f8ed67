//===- Artifact.h - write an artifact ---------------------------*- C++ -*-===//
//
// An artifact is a GGUF container: weights and code objects as byte tensors, a
// manifest that says what they are, the tokenizer in the standard keys
// (docs/artifact.md).
//
//===----------------------------------------------------------------------===//

#ifndef LQ_LOWERING_ARTIFACT_ARTIFACT_H
#define LQ_LOWERING_ARTIFACT_ARTIFACT_H

#include "dialects/common/WeightFile.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace lq {

struct TokenizerModel;

/// An entry point of a code object.
struct EntryCode {
  std::string name;
  /// Rows (tokens) of a call.
  int64_t leastRows, mostRows;
  int64_t arenaBytes, scratchBytes;
};

/// Machine code for one target: an ELF shared object that exports
/// lq_entry_<name> for each entry (runtime/Abi.h).
struct TargetCode {
  std::string target;
  /// Features that a machine must have, by LLVM's names.
  std::vector<std::string> features;
  llvm::SmallVector<char, 0> bytes;
  std::vector<EntryCode> entries;
  /// What every entry reads and writes (exec::inputsAttr, outputsAttr).
  mlir::ArrayAttr inputs, outputs;
  /// Positions that a cache's size is a multiple of.
  int64_t positionMultiple = 1;
};

struct ArtifactInfo {
  std::string name;
  std::string producer;
  /// Null for models that are not fed with text.
  const TokenizerModel *tokenizer = nullptr;
};

/// Writes the packed model with its code to `path`, whole or not at all.
/// `code` has the best target first; weights are read through `files`.
llvm::Error writeArtifact(mlir::ModuleOp packed, WeightFiles &files,
                          llvm::ArrayRef<TargetCode> code,
                          const ArtifactInfo &options, llvm::StringRef path);

} // namespace lq

#endif // LQ_LOWERING_ARTIFACT_ARTIFACT_H
