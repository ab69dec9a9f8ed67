//===- WeightPlaces.h - what each weight does in a model --------*- C++ -*-===//
//
// Found from the operations alone, not from names: what feeds attention, what
// follows it, what follows an activation function, and how many attentions come
// after.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_QUANTIZE_WEIGHTPLACES_H
#define LQ_PASSES_QUANTIZE_WEIGHTPLACES_H

#include "dialects/lq/formats/Mix.h"
#include "passes/quantize/WeightUses.h"

namespace lq {

/// The places of the weights of a module, raised and not packed.
class WeightPlaces {
public:
  explicit WeightPlaces(mlir::ModuleOp module);

  /// The place of a weight by its uses; of several the first that has a role.
  WeightPlace placeOf(const WeightUses &uses) const;

private:
  llvm::DenseMap<mlir::Operation *, WeightPlace> linears;
};

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_WEIGHTPLACES_H
