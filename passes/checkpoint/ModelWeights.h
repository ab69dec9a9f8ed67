//===- ModelWeights.h - the weights that exporters write --------*- C++ -*-===//

#ifndef LQ_PASSES_CHECKPOINT_MODELWEIGHTS_H
#define LQ_PASSES_CHECKPOINT_MODELWEIGHTS_H

#include "passes/checkpoint/Roles.h"
#include "passes/quantize/WeightUses.h"

namespace lq::checkpoint {

/// A weight of a module and what a file of other software calls it.
struct NamedWeight {
  WeightOp weight;
  /// Empty if the software has no name for it.
  std::string name;
  /// Whether it is the linear that gives the logits.
  bool isHead = false;
  /// Of a linear whose input is permuted, the order: column j of the weight is
  /// the model's column order[j].
  WeightOp order = {};
};

/// Gives the name of a weight from its own and those of its role, which may be
/// none.
using NameOf = llvm::function_ref<std::string(
    llvm::StringRef own, llvm::ArrayRef<std::string> roles)>;

/// The weights that linears and embeddings read, and all others that have a
/// role, once for each name; a head that is tied is left out, since it is the
/// table.
std::vector<NamedWeight> nameWeights(mlir::ModuleOp module, NameOf nameOf);

} // namespace lq::checkpoint

#endif // LQ_PASSES_CHECKPOINT_MODELWEIGHTS_H
