//===- ScaledWeights.h - weights that are scaled ----------------*- C++ -*-===//

#ifndef LQ_PASSES_AWQ_SCALEDWEIGHTS_H
#define LQ_PASSES_AWQ_SCALEDWEIGHTS_H

#include "dialects/common/WeightFile.h"
#include "passes/awq/InputScaling.h"
#include "passes/quantize/Progress.h"
#include "passes/quantize/WeightUses.h"
#include "llvm/ADT/MapVector.h"

namespace lq {

/// What a use of a weight w[n, k], or of a vector w[n], reads in its place:
/// w[n, k] columns[k] / rows[n]. Where empty, all are 1.
struct WeightScale {
  std::vector<float> columns, rows;

  bool operator==(const WeightScale &) const = default;
};

/// All elements of a dense weight as f32. A diagnostic if the file cannot be read
/// or an element is not finite.
mlir::FailureOr<std::vector<float>> readWeight(WeightOp weight,
                                               WeightFiles &files);

/// Changes what uses of weights read, and writes that to an archive.
class ScaledWeights {
public:
  /// Divides the input's scale, one number a column, out of what makes it, and
  /// multiplies the columns of what reads it.
  void scale(const ScalableInput &input, llvm::ArrayRef<float> scale);

  /// Says that a use of a weight is written even if it is not scaled.
  void touch(mlir::OpOperand &use) { (void)scales[&use]; }

  /// May change the elements that are about to be written, after they were scaled.
  using Edit = llvm::function_ref<mlir::LogicalResult(
      WeightOp weight, const WeightScale &scale, std::vector<float> &values)>;

  /// Writes what has been scaled or touched to the archive as f32, and points the
  /// uses there: a weight moves if all its uses have the same scale, else those
  /// that have one get a weight of their own. Neither IR nor archive change if that
  /// fails.
  mlir::LogicalResult write(mlir::ModuleOp module, llvm::StringRef archive,
                            WeightFiles &files, Progress &progress, Edit edit);

private:
  struct Change {
    WeightUses *weight;
    llvm::SmallVector<mlir::OpOperand *> uses;
    const WeightScale *scale;
    WeightAddress address = {};
  };
  std::vector<Change> collectChanges(std::vector<WeightUses> &weights);

  llvm::MapVector<mlir::OpOperand *, WeightScale> scales;
};

} // namespace lq

#endif // LQ_PASSES_AWQ_SCALEDWEIGHTS_H
