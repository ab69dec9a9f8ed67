//===- RoundingError.h - what rounding to a format costs --------*- C++ -*-===//

#ifndef LQ_PASSES_ALLOCATE_ROUNDINGERROR_H
#define LQ_PASSES_ALLOCATE_ROUNDINGERROR_H

#include "dialects/lq/Format.h"
#include "mlir/IR/MLIRContext.h"
#include "passes/quantize/WeightSource.h"

namespace lq {

/// A dense matrix [rows, columns] and how much the squared error of each of its
/// columns counts; empty: all alike.
struct MatrixSource {
  const WeightSource *source;
  int64_t rows, columns;
  llvm::ArrayRef<float> importance;
};

/// The values [rows, columns] that a matrix has after it was rounded to nearest.
/// On all processors.
std::vector<float> roundMatrix(mlir::MLIRContext *context,
                               const FormatDescription &format,
                               const MatrixSource &matrix);

/// The weighted sum of squared errors of rounding, taken from at most `sampled`
/// rows all over the matrix. Infinite if a value came out infinite.
double measureRoundingError(const FormatDescription &format,
                            const MatrixSource &matrix, int64_t sampled);

} // namespace lq

#endif // LQ_PASSES_ALLOCATE_ROUNDINGERROR_H
