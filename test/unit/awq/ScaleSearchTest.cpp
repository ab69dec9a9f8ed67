//===- ScaleSearchTest.cpp - scales that make rounding hurt less ----------===//

#include "passes/awq/ScaleSearch.h"

#include "Reference.h"
#include "gtest/gtest.h"

#include <numeric>

using namespace lq;
using namespace lq::reference;

namespace {

constexpr int64_t rows = 70, columns = 48, group = 16, tokens = 90;

void serially(int64_t count, llvm::function_ref<void(int64_t)> body) {
  for (int64_t i = count; i-- > 0;)
    body(i);
}

SearchMatrix searchMatrix(const Matrix &weights) {
  return {fourBits(group), weights.rows, weights.columns, weights.values};
}

std::vector<double> meansOf(const Matrix &x) {
  std::vector<double> means(x.columns);
  for (size_t i = 0; i < x.values.size(); ++i)
    means[i % x.columns] +=
        std::fabs(x.values[i]) / static_cast<double>(x.rows);
  return means;
}

std::vector<int32_t> eachItsOwn(int64_t count) {
  std::vector<int32_t> classes(count);
  std::iota(classes.begin(), classes.end(), 0);
  return classes;
}

TEST(ScaleSearch, ErrorIsThatOfTheSamples) {
  Matrix weights = randomMatrix(rows, columns, 0.5, 1);
  Matrix x = randomMatrix(tokens, columns, 1, 2);
  std::vector<float> scale(columns);
  for (int64_t k = 0; k < columns; ++k)
    scale[k] = std::exp2(static_cast<float>(k % 7) / 3 - 1);
  SearchMatrix matrix = searchMatrix(weights);
  double error = productError(matrix, roundScaled(matrix, scale, serially),
                              productsOf(x), serially);
  double expected = errorOf(weights, x, group, {scale.begin(), scale.end()});
  EXPECT_NEAR(error, expected, 1e-4 * expected);
}

TEST(ScaleSearch, PowerIsThatOfTheProducts) {
  Matrix weights = randomMatrix(rows, columns, 0.5, 1);
  Matrix x = randomMatrix(tokens, columns, 1, 2);
  double expected = 0;
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t n = 0; n < rows; ++n) {
      double y = 0;
      for (int64_t k = 0; k < columns; ++k)
        y += x.at(t, k) * weights.at(n, k);
      expected += y * y;
    }
  EXPECT_NEAR(productPower(searchMatrix(weights), productsOf(x), serially),
              expected, 1e-5 * expected);
}

TEST(ScaleSearch, MagnitudesAreRelativeToTheGroup) {
  SearchMatrix a{fourBits(2), 2, 4, {1, -2, 0, 0, 4, 1, -3, 3}};
  SearchMatrix b{fourBits(4), 1, 4, {1, 2, 3, -4}};
  std::vector<double> means = relativeMagnitudes({a, b});
  std::vector<double> expected{(0.5 + 1 + 0.25) / 3, (1 + 0.25 + 0.5) / 3,
                               (0 + 1 + 0.75) / 3, (0 + 1 + 1.0) / 3};
  for (size_t k = 0; k < expected.size(); ++k)
    EXPECT_NEAR(means[k], expected[k], 1e-12);
}

TEST(ScaleSearch, ScalesAreTheReferences) {
  std::vector<double> inputs{0.5, 3, 0, 1e-3}, weights{0.3, 0.9, 0.5, 0};
  ScaleFamily family(inputs, weights, eachItsOwn(4), 4);
  for (int ratio = 0; ratio < ScaleFamily::ratios; ++ratio) {
    std::vector<double> expected = scaleOf(inputs, weights, ratio / 20.0);
    std::vector<float> scale = family.scale(ratio);
    for (size_t k = 0; k < expected.size(); ++k)
      EXPECT_NEAR(scale[k], expected[k], 1e-5 * expected[k]) << ratio;
  }
}

TEST(ScaleSearch, ColumnsOfAClassHaveOneScale) {
  std::vector<int32_t> classes{0, 1, 0, -1};
  ScaleFamily family({1, 2, 3, 4}, {0.5, 0.5, 0.7, 0.1}, classes, 2);
  std::vector<float> scale = family.scale(10);
  EXPECT_EQ(scale[0], scale[2]);
  EXPECT_NE(scale[0], scale[1]);
  EXPECT_EQ(scale[3], 1);
  std::vector<double> expected = scaleOf({2, 2}, {0.6, 0.5}, 0.5);
  EXPECT_NEAR(scale[0], expected[0], 1e-6);
  EXPECT_NEAR(scale[1], expected[1], 1e-6);
}

TEST(ScaleSearch, ChoosesWhatThePlainSearchChooses) {
  Matrix weights = randomMatrix(rows, columns, 0.3, 5);
  Matrix x = randomMatrix(tokens, columns, 1.5, 6);
  SearchMatrix matrix = searchMatrix(weights);
  std::vector<double> inputs = meansOf(x),
                      magnitudes = relativeMagnitudes(matrix);
  ScaleFamily family(inputs, magnitudes, eachItsOwn(columns), columns);
  std::vector<float> products = productsOf(x);
  ChosenScale chosen =
      searchScale(family, columns,
                  [&](llvm::ArrayRef<float> scale) -> std::optional<double> {
                    return productError(matrix,
                                        roundScaled(matrix, scale, serially),
                                        products, serially);
                  })
          .value();

  std::vector<double> best(columns, 1);
  double before = errorOf(weights, x, group, best), after = before;
  for (int i = 0; i < 20; ++i) {
    std::vector<double> scale = scaleOf(inputs, magnitudes, i / 20.0);
    double error = errorOf(weights, x, group, scale);
    if (error < after) {
      after = error;
      best = scale;
    }
  }
  EXPECT_LT(after, 0.7 * before) << "the data is no test";
  EXPECT_NEAR(chosen.before, before, 1e-4 * before);
  EXPECT_NEAR(chosen.after, after, 1e-4 * after);
  ASSERT_EQ(chosen.scale.size(), best.size());
  for (size_t k = 0; k < best.size(); ++k)
    EXPECT_NEAR(chosen.scale[k], best[k], 1e-5 * best[k]);
}

TEST(ScaleSearch, LeavesWhatNoScaleImproves) {
  std::vector<double> ones(4, 1);
  std::vector<int32_t> classes = eachItsOwn(4);
  ScaleFamily family(ones, ones, classes, 4);
  ChosenScale chosen =
      searchScale(family, 4, [](llvm::ArrayRef<float>) { return 3.0; }).value();
  EXPECT_TRUE(chosen.scale.empty());
  EXPECT_EQ(chosen.before, 3);
  EXPECT_EQ(chosen.after, 3);
}

TEST(ScaleSearch, FailsWhereAnErrorCannotBeMeasured) {
  std::vector<double> ones(4, 1);
  ScaleFamily family(ones, ones, eachItsOwn(4), 4);
  int calls = 0;
  EXPECT_FALSE(searchScale(family, 4,
                           [&](llvm::ArrayRef<float>) -> std::optional<double> {
                             if (++calls == 3)
                               return std::nullopt;
                             return 1.0;
                           })
                   .has_value());
  EXPECT_EQ(calls, 3);
}

} // namespace
