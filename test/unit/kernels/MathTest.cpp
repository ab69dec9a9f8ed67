//===- MathTest.cpp - the polynomials behind math functions ---------------===//

#include "mlir/Dialect/Math/IR/Math.h"
#include "lowering/cpu/kernels/KernelBuilder.h"
#include "test/unit/kernels/Harness.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace lq;
using namespace lq::cpu;
using namespace lq::cpu::test;

namespace {

/// A kernel that applies an operation to x, giving out; sizes are a multiple
/// of the lanes.
template <typename Op>
mlir::func::FuncOp emitMap(mlir::ModuleOp module, const CpuLevel &level) {
  auto *context = module.getContext();
  mlir::Type type =
      mlir::MemRefType::get({kDynamic}, mlir::Float32Type::get(context));
  KernelBuilder k(module, "map", level, {type}, {type});
  k.forLoop(k.index(0), k.size(k.argument(0), 0), k.lanes(), [&](Val i) {
    Val x = k.load(k.argument(0), {i}, k.lanes());
    Val y(k.builder(), Op::create(k.builder(), mlir::Value(x)));
    k.store(y, k.argument(1), {i});
  });
  return k.finish();
}

class MathTest : public LevelTest {
protected:
  /// The largest distance from the exact value, in units in its last place.
  template <typename Op>
  double findError(double (*exact)(double), float first, float last) {
    int64_t count = isEmulated() ? 1 << 14 : 1 << 18;
    Array<float> x({count}), y({count});
    for (int64_t i = 0; i < count; ++i)
      x[i] =
          static_cast<float>(first + (double(last) - first) * i / (count - 1));
    Kernel kernel(emitMap<Op>, level());
    kernel({x, y});
    double worst = 0;
    for (int64_t i = 0; i < count; ++i) {
      double expected = exact(x[i]);
      float rounded = std::fabs(static_cast<float>(expected));
      double unit = std::nextafter(rounded, INFINITY) - rounded;
      worst = std::max(worst, std::fabs(y[i] - expected) / unit);
    }
    return worst;
  }
};

TEST_P(MathTest, ExpIsAccurate) {
  EXPECT_LT(findError<mlir::math::ExpOp>(std::exp, -86.5f, 88.5f), 1.2);
  EXPECT_LT(findError<mlir::math::ExpOp>(std::exp, -1.0f, 1.0f), 1.2);
}

TEST_P(MathTest, ExpAtTheEnds) {
  Array<float> x({16}), y({16});
  x[0] = -INFINITY, x[1] = INFINITY, x[2] = NAN, x[3] = -1000, x[4] = 1000;
  x[5] = 88.722f, x[6] = -0.0f;
  Kernel kernel(emitMap<mlir::math::ExpOp>, level());
  kernel({x, y});
  EXPECT_EQ(y[0], 0);
  EXPECT_EQ(y[1], INFINITY);
  EXPECT_TRUE(std::isnan(y[2]));
  EXPECT_EQ(y[3], 0);
  EXPECT_EQ(y[4], INFINITY);
  EXPECT_NEAR(y[5], std::exp(88.722f), 1e33);
  EXPECT_EQ(y[6], 1);
}

TEST_P(MathTest, FunctionsOfActivationsAreAccurate) {
  EXPECT_LT(findError<mlir::math::TanhOp>(std::tanh, -9.0f, 9.0f), 8);
  EXPECT_LT(findError<mlir::math::ErfOp>(std::erf, -4.0f, 4.0f), 8);
  EXPECT_LT(findError<mlir::math::LogOp>(std::log, 1e-3f, 1e3f), 4);
}

LQ_FOR_EVERY_LEVEL(MathTest);

} // namespace
