//===- GridSearch.h - scales of ranges that are cut -------------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_GRIDSEARCH_H
#define LQ_PASSES_QUANTIZE_GRIDSEARCH_H

#include "dialects/lq/Format.h"

namespace lq {

/// The ranges that are tried: 1 - i / steps of what the weights take, for i <
/// steps * cut.
struct RangeGrid {
  int steps = 100;
  float cut = 0.8f;
  /// What an error counts: its magnitude to this power.
  float norm = 2.4f;
};

/// As roundToNearest, but by the rule of the format for the weights cut to that part
/// of their group's range which leaves the least sum of importance * |error|^norm.
/// For formats that have a rule for groups, not ones that are searched.
void roundByGrid(const FormatDescription &format, llvm::ArrayRef<float> weights,
                 Planes &planes, llvm::ArrayRef<float> importance,
                 const RangeGrid &grid);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_GRIDSEARCH_H
