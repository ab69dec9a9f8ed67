//===- ClipSearch.h - cutting off the largest weights -----------*- C++ -*-===//

#ifndef LQ_PASSES_AWQ_CLIPSEARCH_H
#define LQ_PASSES_AWQ_CLIPSEARCH_H

#include "passes/awq/ScaleSearch.h"

namespace lq {

/// Whether the numbers of the format's groups follow from their largest weights
/// alone, so that smaller ones may give less error.
bool mayClip(const FormatDescription &format);

/// Clamps the weights of each group of columns in each row to +- a part of their
/// largest magnitude: of 1, 0.95, ..., 0.55 that with the least error of the
/// group's products, d H d^T with d what clamping and rounding change and H
/// [columns, columns] the sum of x x^T. AWQ's reference measures the same over the
/// samples themselves. The weights are those of inputs x / scale (empty: x).
/// Returns how many groups were clamped.
int64_t clipWeights(SearchMatrix &matrix, llvm::ArrayRef<float> scale,
                    llvm::ArrayRef<float> sumXX, ParallelFor parallelFor);

} // namespace lq

#endif // LQ_PASSES_AWQ_CLIPSEARCH_H
