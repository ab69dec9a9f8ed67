//===- InputSumsTest.cpp - sums over the inputs of linears ----------------===//

#include "passes/calibrate/InputSums.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace lq;

namespace {

using Floats = std::vector<float>;

Floats randomRows(int64_t tokens, int64_t columns, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Floats rows(tokens * columns);
  for (size_t i = 0; i < rows.size(); ++i)
    // Columns of different sizes, and a mean that is not zero.
    rows[i] = (normal(random) + 0.5f) * static_cast<float>(1 + i % columns % 7);
  return rows;
}

/// x^T x, sums of |x| and of x^2, one product after another in double.
struct Reference {
  std::vector<double> xx, abs, square;

  Reference(int64_t columns)
      : xx(columns * columns), abs(columns), square(columns) {}
  void add(const Floats &rows) {
    size_t columns = abs.size();
    for (size_t t = 0; t < rows.size(); t += columns)
      for (size_t i = 0; i < columns; ++i) {
        double x = rows[t + i];
        abs[i] += std::fabs(x);
        square[i] += x * x;
        for (size_t j = 0; j < columns; ++j)
          xx[i * columns + j] += x * rows[t + j];
      }
  }
};

void expectNear(llvm::ArrayRef<float> actual,
                const std::vector<double> &expected, double bound) {
  ASSERT_EQ(actual.size(), expected.size());
  double largest = 0;
  for (double value : expected)
    largest = std::max(largest, std::fabs(value));
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(actual[i], expected[i], bound * largest) << i;
}

class InputSumsTest : public testing::Test {
protected:
  mlir::MLIRContext context;
};

TEST_F(InputSumsTest, AreThoseOfAllTokens) {
  // More rows of products than a thread takes at once, and fewer.
  constexpr int64_t wide = 300, narrow = 5;
  InputSums a(wide, true), b(narrow, true);
  Reference ra(wide), rb(narrow);
  for (unsigned sample = 0; sample < 5; ++sample) {
    Floats xa = randomRows(33, wide, sample),
           xb = randomRows(33, narrow, 100 + sample);
    InputSums *sums[] = {&a, &b};
    llvm::ArrayRef<float> inputs[] = {xa, xb};
    ASSERT_FALSE(addInputs(&context, sums, inputs));
    ra.add(xa);
    rb.add(xb);
  }
  InputStatistics fa = a.finish("a"), fb = b.finish("b");
  EXPECT_EQ(fa.name, "a");
  EXPECT_EQ(fa.tokens, 165);
  EXPECT_EQ(fa.columns, wide);
  expectNear(fa.sumXX, ra.xx, 1e-6);
  expectNear(fa.sumAbs, ra.abs, 1e-7);
  expectNear(fa.sumSquare, ra.square, 1e-7);
  expectNear(fb.sumXX, rb.xx, 1e-6);
}

TEST_F(InputSumsTest, StayPreciseOverManyTokens) {
  constexpr int64_t columns = 3;
  InputSums sums(columns, true);
  Reference reference(columns);
  Floats x = randomRows(512, columns, 1);
  for (int sample = 0; sample < 512; ++sample) {
    InputSums *all[] = {&sums};
    llvm::ArrayRef<float> inputs[] = {x};
    ASSERT_FALSE(addInputs(&context, all, inputs));
    reference.add(x);
  }
  expectNear(sums.finish("x").sumXX, reference.xx, 2e-5);
}

TEST_F(InputSumsTest, DoNotDependOnThreads) {
  constexpr int64_t columns = 700;
  Floats x = randomRows(40, columns, 1);
  auto products = [&](bool threads) {
    context.disableMultithreading(!threads);
    InputSums sums(columns, true);
    InputSums *all[] = {&sums};
    llvm::ArrayRef<float> inputs[] = {x};
    EXPECT_FALSE(addInputs(&context, all, inputs));
    return sums.finish("x").sumXX.vec();
  };
  EXPECT_EQ(products(true), products(false));
}

TEST_F(InputSumsTest, LeaveProductsOut) {
  InputSums sums(4, false);
  Floats x = randomRows(3, 4, 1);
  Reference reference(4);
  reference.add(x);
  InputSums *all[] = {&sums};
  llvm::ArrayRef<float> inputs[] = {x};
  ASSERT_FALSE(addInputs(&context, all, inputs));
  InputStatistics finished = sums.finish("x");
  EXPECT_TRUE(finished.sumXX.empty());
  expectNear(finished.sumAbs, reference.abs, 1e-6);
}

TEST_F(InputSumsTest, RefuseWhatIsNotFinite) {
  InputSums a(4, true), b(2, true);
  Floats xa = randomRows(3, 4, 1), xb = randomRows(3, 2, 2);
  InputSums *all[] = {&a, &b};
  for (float bad : {std::numeric_limits<float>::infinity(),
                    std::numeric_limits<float>::quiet_NaN()}) {
    xb[5] = bad;
    llvm::ArrayRef<float> inputs[] = {xa, xb};
    EXPECT_EQ(addInputs(&context, all, inputs), 1u);
  }
  EXPECT_EQ(a.finish("a").tokens, 0);
}

} // namespace
