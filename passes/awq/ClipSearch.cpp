//===- ClipSearch.cpp - cutting off the largest weights -------------------===//

#include "passes/awq/ClipSearch.h"

#include <cblas.h>
#include <cmath>
#include <limits>
#include <numeric>

using namespace lq;

/// The parts of the largest magnitude that are tried: 1 - step / 20.
static constexpr int steps = 10;
/// Rows that a thread takes at once.
static constexpr int64_t slabRows = 32;

bool lq::mayClip(const FormatDescription &format) {
  return format.hasCodes() && format.scaleRule != ScaleRule::Search &&
         format.scaleRule != ScaleRule::None;
}

namespace {

/// Columns that share a scale.
struct Group {
  int64_t first, columns;
};

/// The search for one matrix.
class Clipper {
public:
  Clipper(SearchMatrix &matrix, llvm::ArrayRef<float> scale,
          llvm::ArrayRef<float> sumXX, ParallelFor parallelFor)
      : matrix(matrix), scale(scale), sumXX(sumXX), parallelFor(parallelFor) {
    for (const FormatRun &run : matrix.format.splitColumns(matrix.columns))
      for (int64_t k = 0; k < run.columns; k += run.groupColumns())
        groups.push_back({run.firstColumn + k,
                          std::min(run.groupColumns(), run.columns - k)});
    best.assign(matrix.rows * groups.size(),
                {std::numeric_limits<float>::infinity(), 0});
  }

  int64_t run();

private:
  struct Best {
    float error;
    int step;
  };
  SearchMatrix
  clamped(llvm::function_ref<int(int64_t row, int64_t group)> step) const;
  void measure(int step);

  SearchMatrix &matrix;
  llvm::ArrayRef<float> scale, sumXX;
  ParallelFor parallelFor;
  std::vector<Group> groups;
  /// By row and group.
  std::vector<Best> best;
};

} // namespace

SearchMatrix Clipper::clamped(
    llvm::function_ref<int(int64_t row, int64_t group)> step) const {
  SearchMatrix result = matrix;
  for (int64_t row = 0; row < matrix.rows; ++row)
    for (size_t g = 0; g < groups.size(); ++g) {
      auto weights =
          llvm::MutableArrayRef(result.weights)
              .slice(row * matrix.columns + groups[g].first, groups[g].columns);
      float limit = 0;
      for (float weight : weights)
        limit = std::max(limit, std::fabs(weight));
      limit *= 1 - static_cast<float>(step(row, g)) / (2 * steps);
      for (float &weight : weights)
        weight = std::clamp(weight, -limit, limit);
    }
  return result;
}

/// Measures each group of each row with all clamped by this step.
void Clipper::measure(int step) {
  std::vector<float> change =
      roundTrip(clamped([&](int64_t, int64_t) { return step; }), parallelFor);
  int64_t columns = matrix.columns;
  for (size_t i = 0; i < change.size(); ++i) {
    change[i] -= matrix.weights[i];
    if (!scale.empty())
      change[i] /= scale[i % columns];
  }
  parallelFor((matrix.rows + slabRows - 1) / slabRows, [&](int64_t slab) {
    int64_t begin = slab * slabRows;
    int64_t rows = std::min(slabRows, matrix.rows - begin);
    for (size_t g = 0; g < groups.size(); ++g) {
      auto [first, width] = groups[g];
      const float *d = &change[begin * columns + first];
      std::vector<float> product(rows * width);
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, width, width,
                  1, d, columns, &sumXX[first * columns + first], columns, 0,
                  product.data(), width);
      for (int64_t row = 0; row < rows; ++row, d += columns) {
        float error =
            std::inner_product(d, d + width, &product[row * width], 0.0f);
        Best &found = best[(begin + row) * groups.size() + g];
        if (error < found.error)
          found = {error, step};
      }
    }
  });
}

int64_t Clipper::run() {
  for (int step = 0; step < steps; ++step)
    measure(step);
  SearchMatrix result = clamped([&](int64_t row, int64_t group) {
    return best[row * groups.size() + group].step;
  });
  matrix.weights = std::move(result.weights);
  return llvm::count_if(best, [](const Best &found) { return found.step > 0; });
}

int64_t lq::clipWeights(SearchMatrix &matrix, llvm::ArrayRef<float> scale,
                        llvm::ArrayRef<float> sumXX, ParallelFor parallelFor) {
  return Clipper(matrix, scale, sumXX, parallelFor).run();
}
