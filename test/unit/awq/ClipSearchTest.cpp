//===- ClipSearchTest.cpp - cutting off the largest weights ---------------===//

#include "passes/awq/ClipSearch.h"

#include "Reference.h"
#include "gtest/gtest.h"

#include <algorithm>

using namespace lq;
using namespace lq::reference;

namespace {

void serially(int64_t count, llvm::function_ref<void(int64_t)> body) {
  for (int64_t i = count; i-- > 0;)
    body(i);
}

/// The plain search for one group of a row: over the samples of x / scale.
std::vector<float> clipGroup(const std::vector<float> &weights, const Matrix &x,
                             int64_t first, const std::vector<float> &scale) {
  float largest = 0;
  for (float weight : weights)
    largest = std::max(largest, std::fabs(weight));
  std::vector<float> best;
  double least = INFINITY;
  for (int step = 0; step < 10; ++step) {
    float limit = largest * (1 - static_cast<float>(step) / 20);
    std::vector<float> clamped;
    for (float weight : weights)
      clamped.push_back(std::clamp(weight, -limit, limit));
    std::vector<double> rounded(clamped.begin(), clamped.end());
    roundGroup(rounded);
    double error = 0;
    for (int64_t t = 0; t < x.rows; ++t) {
      double product = 0;
      for (size_t k = 0; k < weights.size(); ++k)
        product += (rounded[k] - weights[k]) *
                   x.at(t, first + static_cast<int64_t>(k)) / scale[first + k];
      error += product * product;
    }
    if (error < least) {
      least = error;
      best = clamped;
    }
  }
  return best;
}

TEST(ClipSearch, ClampsAsThePlainSearchDoes) {
  constexpr int64_t rows = 12, columns = 64, group = 32, tokens = 50;
  Matrix weights = randomMatrix(rows, columns, 0, 1);
  // Some that stand out.
  for (int64_t row = 0; row < rows; ++row)
    weights.values[row * columns + 7 * row % columns] *= 4;
  Matrix x = randomMatrix(tokens, columns, 1, 2);
  std::vector<float> scale(columns);
  for (int64_t k = 0; k < columns; ++k)
    scale[k] = std::exp2(static_cast<float>(k % 5) / 2 - 1);
  SearchMatrix matrix{fourBits(group), rows, columns, weights.values};
  int64_t clamped = clipWeights(matrix, scale, productsOf(x), serially);

  int64_t expected = 0;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t first = 0; first < columns; first += group) {
      auto begin = weights.values.begin() + row * columns + first;
      std::vector<float> own(begin, begin + group);
      std::vector<float> best = clipGroup(own, x, first, scale);
      expected += best != own;
      for (int64_t k = 0; k < group; ++k)
        EXPECT_EQ(matrix.weights[row * columns + first + k], best[k])
            << row << " " << first;
    }
  EXPECT_EQ(clamped, expected);
  EXPECT_GT(expected, rows / 2) << "the data is no test";
}

TEST(ClipSearch, LeavesFormatsThatSearch) {
  FormatDescription format = fourBits(32);
  EXPECT_TRUE(mayClip(format));
  format.scaleRule = ScaleRule::Search;
  EXPECT_FALSE(mayClip(format));
  EXPECT_FALSE(mayClip(FormatDescription()));
}

} // namespace
