//===- WeightChoice.h - which weights are encoded as what -------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_WEIGHTCHOICE_H
#define LQ_PASSES_QUANTIZE_WEIGHTCHOICE_H

#include "dialects/common/WeightFile.h"
#include "dialects/lq/LqAttributes.h"
#include "passes/quantize/Progress.h"
#include "passes/quantize/WeightUses.h"

namespace lq {

/// The options that all passes have that encode weights (EncodingPass in
/// Passes.td).
struct EncodingOptions {
  std::string format, archive;
  std::vector<std::string> include, exclude;
  bool embeddings = true, requantize = false;
  ProgressCallback progress;
};

/// A weight to encode.
struct EncodingJob {
  WeightUses uses;
  /// What it becomes; a pass may choose another before it encodes.
  FormatAttrInterface format;
  /// The encoding that it has now, or null.
  FormatAttrInterface from;
  /// Whether it keeps its codes.
  bool isRecoded = false;

  WeightOp weight() const { return uses.weight; }
  int64_t rows() const { return weight().getTensorType().getDimSize(0); }
  int64_t columns() const { return weight().getTensorType().getDimSize(1); }
};

struct WeightChoice {
  std::vector<EncodingJob> jobs;
  /// How many get a fallback of the format that was wanted.
  int64_t fallbacks = 0;
};

/// The files of the module's weights and of the archive, which weights of an
/// earlier pass may lie in. A diagnostic if they cannot be opened.
mlir::FailureOr<std::unique_ptr<WeightFiles>>
openFilesBeside(mlir::ModuleOp module, llvm::StringRef archive);

/// The matrices that linears multiply by and embeddings look up, floating point
/// or encoded, that match the options.
mlir::FailureOr<std::vector<WeightUses>>
selectWeights(mlir::ModuleOp module, const EncodingOptions &options);

/// Those of selectWeights that have columns for the format or a
/// fallback. Remarks on those that get another format than wanted, and on those
/// that keep the encoding that they have: an error if these are all.
mlir::FailureOr<WeightChoice> chooseWeights(mlir::ModuleOp module,
                                            const EncodingOptions &options);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_WEIGHTCHOICE_H
