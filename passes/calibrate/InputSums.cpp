//===- InputSums.cpp - sums over the inputs of linears --------------------===//

#include "passes/calibrate/InputSums.h"

#include "mlir/IR/Threading.h"
#include "llvm/ADT/STLExtras.h"

#include <cblas.h>
#include <cmath>

using namespace mlir;
using namespace lq;

/// Rows of the matrix of products that a thread computes at a time.
static constexpr int64_t panelRows = 256;

InputSums::InputSums(int64_t columns, bool hasProducts)
    : width(columns), products(hasProducts ? columns * columns : 0),
      absolute(columns), square(columns) {}

void InputSums::addMeans(llvm::ArrayRef<float> x) {
  for (size_t row = 0; row < x.size(); row += width)
    for (int64_t k = 0; k < width; ++k) {
      double value = x[row + k];
      absolute[k] += std::fabs(value);
      square[k] += value * value;
    }
  tokens += static_cast<int64_t>(x.size()) / width;
}

/// Adds to rows [first, first + rows) of the products, up to the diagonal.
void InputSums::addProducts(llvm::ArrayRef<float> x, int64_t first,
                            int64_t rows) {
  auto count = static_cast<int>(static_cast<int64_t>(x.size()) / width);
  auto stride = static_cast<int>(width);
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, static_cast<int>(rows),
              static_cast<int>(first + rows), count, 1, x.data() + first,
              stride, x.data(), stride, 1, products.data() + first * width,
              stride);
}

InputStatistics InputSums::finish(const std::string &name) {
  for (int64_t i = 0; i < width && !products.empty(); ++i)
    for (int64_t j = 0; j < i; ++j)
      products[j * width + i] = products[i * width + j];
  finishedAbsolute.assign(absolute.begin(), absolute.end());
  finishedSquare.assign(square.begin(), square.end());
  return {name, width, tokens, products, finishedAbsolute, finishedSquare};
}

std::optional<size_t>
lq::addInputs(MLIRContext *context, llvm::MutableArrayRef<InputSums *> sums,
              llvm::ArrayRef<llvm::ArrayRef<float>> inputs) {
  std::vector<char> finite(inputs.size());
  parallelFor(context, 0, inputs.size(), [&](size_t i) {
    finite[i] =
        llvm::all_of(inputs[i], [](float v) { return std::isfinite(v); });
  });
  if (auto bad = llvm::find(finite, 0); bad != finite.end())
    return bad - finite.begin();
  // A thread does one of these at a time, and BLAS does not share it out again.
  openblas_set_num_threads(1);
  struct Task {
    size_t input;
    int64_t first, rows;
  };
  std::vector<Task> tasks;
  for (auto [i, sum] : llvm::enumerate(sums)) {
    int64_t end = sum->products.empty() ? 0 : sum->width;
    for (; end > 0; end -= panelRows) {
      int64_t first = std::max<int64_t>(0, end - panelRows);
      tasks.push_back({i, first, end - first});
    }
    tasks.push_back({i, 0, 0});
  }
  // The largest pieces of work come first.
  llvm::sort(tasks, [](const Task &a, const Task &b) {
    return std::tuple(b.rows * (b.first + b.rows), a.input, a.first) <
           std::tuple(a.rows * (a.first + a.rows), b.input, b.first);
  });
  parallelFor(context, 0, tasks.size(), [&](size_t i) {
    auto [input, first, rows] = tasks[i];
    if (rows == 0)
      sums[input]->addMeans(inputs[input]);
    else
      sums[input]->addProducts(inputs[input], first, rows);
  });
  return std::nullopt;
}
