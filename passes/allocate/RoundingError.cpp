//===- RoundingError.cpp - what rounding to a format costs ----------------===//

#include "passes/allocate/RoundingError.h"

#include "mlir/IR/Threading.h"
#include "passes/quantize/ContextThreads.h"
#include "passes/quantize/RoundToNearest.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace lq;

/// Rows that are read and rounded together.
static constexpr int64_t slabRows = 64;

/// Rounds rows [.., columns] in place.
static void roundRows(const FormatDescription &format, int64_t columns,
                      ArrayRef<float> sharedFactors, ArrayRef<float> importance,
                      std::vector<float> &rows) {
  Planes planes;
  planes.resize(format, static_cast<int64_t>(rows.size()) / columns, columns);
  setSharedFactors(sharedFactors, planes);
  roundToNearest(format, rows, planes, importance);
  dequantize(format, planes, rows);
}

static std::vector<float> readRows(const MatrixSource &matrix, int64_t first,
                                   int64_t rows) {
  std::vector<float> values(rows * matrix.columns);
  matrix.source->readRows(first, values);
  return values;
}

std::vector<float> lq::roundMatrix(MLIRContext *context,
                                   const FormatDescription &format,
                                   const MatrixSource &matrix) {
  std::vector<float> factors = findSharedFactors(
      format, matrix.rows, matrix.columns,
      [&](int64_t first, int64_t rows) {
        return readRows(matrix, first, rows);
      },
      ContextThreads{context});
  std::vector<float> values(matrix.rows * matrix.columns);
  parallelFor(
      context, 0, llvm::divideCeil(matrix.rows, slabRows), [&](size_t slab) {
        int64_t first = static_cast<int64_t>(slab) * slabRows;
        std::vector<float> rows =
            readRows(matrix, first, std::min(slabRows, matrix.rows - first));
        roundRows(format, matrix.columns, factors, matrix.importance, rows);
        llvm::copy(rows, values.begin() + first * matrix.columns);
      });
  return values;
}

double lq::measureRoundingError(const FormatDescription &format,
                                const MatrixSource &matrix, int64_t sampled) {
  int64_t count = std::min(sampled, matrix.rows), columns = matrix.columns;
  std::vector<float> rows(count * columns);
  for (int64_t i = 0; i < count; ++i)
    matrix.source->readRows(i * matrix.rows / count,
                            MutableArrayRef(rows).slice(i * columns, columns));
  std::vector<float> rounded = rows;
  std::vector<float> factors;
  if (format.scale.isShared()) {
    factors.resize(format.superGroupCount(columns));
    raiseSharedFactors(format, rows, columns, factors);
  }
  roundRows(format, columns, factors, matrix.importance, rounded);
  double error = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    double difference = static_cast<double>(rounded[i]) - rows[i];
    error += difference * difference *
             (matrix.importance.empty() ? 1.0 : matrix.importance[i % columns]);
  }
  error *= static_cast<double>(matrix.rows) / static_cast<double>(count);
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}
