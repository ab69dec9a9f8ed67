//===- LinearTest.cpp - linear kernels against double precision -----------===//

#include "dialects/lq/LqAttributes.h"
#include "test/unit/kernels/Formats.h"
#include <gtest/gtest.h>

using namespace lq;
using namespace lq::cpu;
using namespace lq::cpu::test;

namespace {

struct Activations {
  Array<float> x, scales;
  Array<int8_t> codes;
  Array<int32_t> sums;

  Activations(int64_t rows, int64_t columns, int64_t group, Random &random)
      : x({rows, columns}), scales({rows, columns / group}),
        codes({rows, columns}), sums({rows, columns / group}) {
    for (int64_t i = 0; i < x.count(); ++i)
      x[i] = random.normal();
    for (int64_t i = 0; i < scales.count(); ++i)
      scales[i] = std::fabs(random.normal());
    for (int64_t i = 0; i < codes.count(); ++i) {
      // Extremes now and then: sums of products must not saturate.
      codes[i] = static_cast<int8_t>(random.integer(0, 5)
                                         ? random.integer(-127, 127)
                                         : (random.integer(0, 1) ? 127 : -127));
      sums[i / group] += codes[i];
    }
  }
};

/// The value of a sum, and the sum of its terms' magnitudes.
struct Reference {
  double value = 0, magnitude = 0;
  void add(double term) {
    value += term;
    magnitude += std::fabs(term);
  }
};

Reference multiply(const Matrix &w, const Activations &a, int64_t m, int64_t n,
                   int64_t columns) {
  Reference sum;
  int64_t group = w.format.group;
  if (!w.format.hasCodes()) {
    for (int64_t k = 0; k < columns; ++k)
      sum.add(double(w.planes.values[n * columns + k]) * a.x[m * columns + k]);
    return sum;
  }
  for (int64_t g = 0; g < columns / group; ++g) {
    int64_t dot = 0;
    for (int64_t k = g * group; k < (g + 1) * group; ++k)
      dot += (w.planes.codes[n * columns + k] - w.format.zero) *
             a.codes[m * columns + k];
    sum.add(double(dot) * w.planes.scales[n * columns / group + g] *
            a.scales[m * columns / group + g]);
  }
  return sum;
}

struct Case {
  FormatDescription format;
  int64_t outputs, inputs;
  bool bias, residual;
};

class LinearTest : public ::testing::Test {
protected:
  Random random;

  /// Runs a kernel made for `rows` (or any number) on M rows and compares.
  void check(Kernel &kernel, const Case &c, const Matrix &w, int64_t rows,
             int64_t threads) {
    Activations a(rows, c.inputs, c.format.group, random);
    Array<float> bias({c.outputs}), residual({rows, c.outputs});
    Array<float> out({rows, c.outputs});
    for (int64_t i = 0; i < bias.count(); ++i)
      bias[i] = random.normal();
    for (int64_t i = 0; i < residual.count(); ++i)
      residual[i] = random.normal();
    std::vector<Argument> arguments;
    if (c.format.hasCodes())
      arguments = {a.codes, a.scales, a.sums, w.tiles};
    else
      arguments = {a.x, w.tiles};
    if (c.bias)
      arguments.push_back(bias);
    if (c.residual)
      arguments.push_back(residual);
    arguments.push_back(out);
    kernel(arguments, threads);

    // Every rounding of a sum of n terms is below half a unit in the last place
    // of the sum of their magnitudes.
    double terms =
        double(c.inputs) / (c.format.hasCodes() ? c.format.group : 1);
    double bound = (terms + 6) * 0x1p-24;
    for (int64_t m = 0; m < rows; ++m)
      for (int64_t n = 0; n < c.outputs; ++n) {
        Reference expected = multiply(w, a, m, n, c.inputs);
        if (c.bias)
          expected.add(bias[n]);
        if (c.residual)
          expected.add(residual[m * c.outputs + n]);
        ASSERT_NEAR(out[m * c.outputs + n], expected.value,
                    bound * expected.magnitude + 1e-30)
            << "row " << m << " of " << rows << ", output " << n << " of "
            << c.outputs << ", " << c.inputs << " inputs, " << c.format.bits
            << " bits, " << threads << " threads";
      }
  }

  void checkAll(const Case &c, const CpuLevel &level) {
    SCOPED_TRACE(level.name);
    Matrix w(c.format, c.outputs, c.inputs, random);
    auto compile = [&](int64_t rows, int64_t maxRows) {
      LinearSpec spec{c.format, c.outputs, c.inputs,  rows,
                      maxRows,  c.bias,    c.residual};
      return std::make_unique<Kernel>(
          [&](mlir::ModuleOp module, const CpuLevel &level) {
            return emitLinear(module, "linear", spec, level);
          },
          level, scratchBytes(spec, level));
    };
    auto decode = compile(1, 1);
    for (int64_t threads : {1, 2, 3})
      check(*decode, c, w, 1, threads);
    auto prefill = compile(kDynamic, 512);
    for (int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 64, 100})
      check(*prefill, c, w, rows, rows % 3 + 1);
  }

  void checkLevels(const Case &c) {
    for (const CpuLevel *level : availableLevels())
      checkAll(c, *level);
  }
};

TEST_F(LinearTest, EveryFormat) {
  mlir::MLIRContext context;
  context.loadDialect<LqDialect>();
  for (FormatAttrInterface format : listFormats(context)) {
    SCOPED_TRACE(format.getFormatName().str());
    FormatDescription description = format.getDescription();
    ASSERT_TRUE(canTile(description));
    checkLevels({description, 40, 3 * std::max<int64_t>(description.group, 32),
                 false, false});
  }
}

TEST_F(LinearTest, FourBits) {
  checkLevels({integers(4, 8, 32), 96, 64, false, false});
  checkLevels({integers(4, 8, 32), 37, 160, true, true});
}

TEST_F(LinearTest, EightBits) {
  checkLevels({integers(8, 128, 32), 96, 64, false, false});
  checkLevels({integers(8, 128, 32), 37, 160, true, true});
}

TEST_F(LinearTest, OtherGroupsZerosAndScales) {
  checkLevels({integers(4, 7, 64, Scalar::F32), 20, 128, false, false});
  checkLevels({integers(4, 0, 16, Scalar::BF16), 20, 48, false, false});
  checkLevels({integers(8, 0, 128), 20, 256, false, false});
  checkLevels({integers(8, 131, 40), 20, 80, true, false});
  checkLevels({integers(4, 15, 24), 33, 72, false, true});
}

TEST_F(LinearTest, Elements) {
  for (Scalar scalar : {Scalar::F32, Scalar::F16, Scalar::BF16}) {
    checkLevels({elements(scalar), 96, 64, false, false});
    checkLevels({elements(scalar), 37, 71, true, true});
    checkLevels({elements(scalar), 5, 3, false, false});
  }
}

} // namespace
