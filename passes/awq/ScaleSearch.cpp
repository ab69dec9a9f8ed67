//===- ScaleSearch.cpp - scales that make rounding hurt less --------------===//

#include "passes/awq/ScaleSearch.h"

#include "passes/quantize/RoundToNearest.h"

#include <cmath>
#include <numeric>

using namespace lq;

/// Rows that a thread takes at once.
static constexpr int64_t slabRows = 32;

/// Calls `body(slab, first, rows)` for the slabs of a matrix's rows.
static void forSlabs(
    int64_t rows, ParallelFor parallelFor,
    llvm::function_ref<void(int64_t slab, int64_t first, int64_t rows)> body) {
  parallelFor((rows + slabRows - 1) / slabRows, [&](int64_t slab) {
    int64_t first = slab * slabRows;
    body(slab, first, std::min(slabRows, rows - first));
  });
}

/// The factors that all rows share, where the format has such; else none.
static std::vector<float> sharedFactors(const SearchMatrix &matrix) {
  if (!matrix.format.scale.isShared())
    return {};
  std::vector<float> factors(matrix.format.superGroupCount(matrix.columns));
  raiseSharedFactors(matrix.format, matrix.weights, matrix.columns, factors);
  return factors;
}

std::vector<float> lq::roundTrip(const SearchMatrix &matrix,
                                 ParallelFor parallelFor) {
  std::vector<float> rounded(matrix.weights.size());
  std::vector<float> factors = sharedFactors(matrix);
  forSlabs(matrix.rows, parallelFor, [&](int64_t, int64_t first, int64_t rows) {
    auto values = llvm::ArrayRef(matrix.weights)
                      .slice(first * matrix.columns, rows * matrix.columns);
    Planes planes;
    planes.resize(matrix.format, rows, matrix.columns);
    setSharedFactors(factors, planes);
    roundToNearest(matrix.format, values, planes);
    dequantize(matrix.format, planes,
               llvm::MutableArrayRef(rounded).slice(first * matrix.columns,
                                                    values.size()));
  });
  return rounded;
}

std::vector<float> lq::roundScaled(const SearchMatrix &matrix,
                                   llvm::ArrayRef<float> scale,
                                   ParallelFor parallelFor) {
  SearchMatrix scaled = matrix;
  int64_t columns = matrix.columns;
  for (size_t row = 0; row < scaled.weights.size(); row += columns)
    for (int64_t k = 0; k < columns; ++k)
      scaled.weights[row + k] *= scale[k];
  std::vector<float> rounded = roundTrip(scaled, parallelFor);
  for (size_t row = 0; row < rounded.size(); row += columns)
    for (int64_t k = 0; k < columns; ++k)
      rounded[row + k] /= scale[k];
  return rounded;
}

/// The sum over rows d of d H d^T; `rowsOf` gives rows from `first` on.
static double sumOfForms(
    int64_t rows, int64_t columns, llvm::ArrayRef<float> sumXX,
    ParallelFor parallelFor,
    llvm::function_ref<void(int64_t first, llvm::MutableArrayRef<float> rows)>
        rowsOf) {
  std::vector<double> sums((rows + slabRows - 1) / slabRows);
  forSlabs(rows, parallelFor, [&](int64_t slab, int64_t first, int64_t count) {
    std::vector<float> values(count * columns);
    rowsOf(first, values);
    sums[slab] = squareIn(sumXX.data(), values.data(), count, columns);
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

double lq::productError(const SearchMatrix &matrix,
                        llvm::ArrayRef<float> rounded,
                        llvm::ArrayRef<float> sumXX, ParallelFor parallelFor) {
  return sumOfForms(matrix.rows, matrix.columns, sumXX, parallelFor,
                    [&](int64_t first, llvm::MutableArrayRef<float> rows) {
                      int64_t at = first * matrix.columns;
                      for (size_t i = 0; i < rows.size(); ++i)
                        rows[i] = rounded[at + i] - matrix.weights[at + i];
                    });
}

double lq::productPower(const SearchMatrix &matrix, llvm::ArrayRef<float> sumXX,
                        ParallelFor parallelFor) {
  return sumOfForms(matrix.rows, matrix.columns, sumXX, parallelFor,
                    [&](int64_t first, llvm::MutableArrayRef<float> rows) {
                      std::copy_n(matrix.weights.begin() +
                                      first * matrix.columns,
                                  rows.size(), rows.begin());
                    });
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

/// Adds |w| / the largest of its group for the rows of a matrix.
static void addMagnitudes(const SearchMatrix &matrix,
                          llvm::MutableArrayRef<double> sums) {
  for (const FormatRun &run : matrix.format.splitColumns(matrix.columns)) {
    int64_t end = run.firstColumn + run.columns;
    int64_t group = run.format.hasCodes() ? run.groupColumns() : run.columns;
    for (int64_t row = 0; row < matrix.rows; ++row) {
      const float *w = &matrix.weights[row * matrix.columns];
      for (int64_t first = run.firstColumn; first < end; first += group) {
        int64_t stop = std::min(first + group, end);
        float largest = 0;
        for (int64_t k = first; k < stop; ++k)
          largest = std::max(largest, std::fabs(w[k]));
        for (int64_t k = first; k < stop && largest > 0; ++k)
          sums[k] += static_cast<double>(std::fabs(w[k])) / largest;
      }
    }
  }
}

std::vector<double>
lq::relativeMagnitudes(llvm::ArrayRef<SearchMatrix> matrices) {
  std::vector<double> means(matrices.front().columns);
  int64_t rows = 0;
  for (const SearchMatrix &matrix : matrices) {
    addMagnitudes(matrix, means);
    rows += matrix.rows;
  }
  for (double &mean : means)
    mean /= static_cast<double>(rows);
  return means;
}

/// The mean of the columns of each class.
static std::vector<double> meansOf(llvm::ArrayRef<double> columns,
                                   llvm::ArrayRef<int32_t> classes,
                                   int32_t count) {
  std::vector<double> means(count);
  std::vector<int64_t> members(count);
  for (auto [value, id] : llvm::zip_equal(columns, classes))
    if (id >= 0) {
      means[id] += value;
      ++members[id];
    }
  for (auto [mean, number] : llvm::zip_equal(means, members))
    mean /= static_cast<double>(number);
  return means;
}

ScaleFamily::ScaleFamily(llvm::ArrayRef<double> inputs,
                         llvm::ArrayRef<double> weights,
                         llvm::ArrayRef<int32_t> classes, int32_t classCount)
    : classes(classes), inputs(meansOf(inputs, classes, classCount)),
      weights(meansOf(weights, classes, classCount)) {}

std::vector<float> ScaleFamily::scale(int ratio) const {
  double r = static_cast<double>(ratio) / ratios;
  std::vector<double> own(inputs.size());
  for (size_t i = 0; i < own.size(); ++i)
    // The floor is the reference's: a column without input keeps a scale.
    own[i] = std::max(
        std::pow(inputs[i], r) / (std::pow(weights[i], 1 - r) + 1e-4), 1e-4);
  auto [least, largest] = std::minmax_element(own.begin(), own.end());
  double middle = std::sqrt(*least * *largest);
  std::vector<float> result(classes.size(), 1);
  for (size_t k = 0; k < result.size(); ++k)
    if (classes[k] >= 0)
      result[k] = static_cast<float>(own[classes[k]] / middle);
  return result;
}

std::optional<ChosenScale> lq::searchScale(
    const ScaleFamily &family, int64_t columns,
    llvm::function_ref<std::optional<double>(llvm::ArrayRef<float> scale)>
        errorOf) {
  std::optional<double> before = errorOf(std::vector<float>(columns, 1));
  if (!before)
    return std::nullopt;
  ChosenScale best{{}, *before, *before};
  for (int ratio = 0; ratio < ScaleFamily::ratios; ++ratio) {
    std::vector<float> scale = family.scale(ratio);
    std::optional<double> error = errorOf(scale);
    if (!error)
      return std::nullopt;
    if (*error < best.after) {
      best.after = *error;
      best.scale = std::move(scale);
    }
  }
  return best;
}
