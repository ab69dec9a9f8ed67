//===- ScaleMethod.h - ways to find a group's numbers -----------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_SCALEMETHOD_H
#define LQ_PASSES_QUANTIZE_SCALEMETHOD_H

#include "passes/quantize/GridSearch.h"

namespace lq {

enum class ScaleMethod {
  /// By the format's rule, which may be a search.
  Rule,
  /// With the least squared error, where each column's counts by its importance.
  Squares,
  /// By the rule for the best part of each group's range (GridSearch.h).
  Grid,
};

/// As roundToNearest, with numbers found this way. Formats whose rule is a search
/// are searched in any case. `grid` is for the last way.
void roundBy(ScaleMethod method, const RangeGrid &grid,
             const FormatDescription &format, llvm::ArrayRef<float> weights,
             Planes &planes, llvm::ArrayRef<float> importance);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_SCALEMETHOD_H
