//===- RowsTest.cpp - kernels that work on rows ---------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "test/unit/kernels/Formats.h"
#include <gtest/gtest.h>

using namespace lq;
using namespace lq::cpu;
using namespace lq::cpu::test;

namespace {

class RowsTest : public LevelTest {};

/// Makes the emitter of one kernel out of emit(module, "kernel", spec, level).
template <typename Spec>
std::unique_ptr<Kernel>
compile(mlir::func::FuncOp (*emit)(mlir::ModuleOp, llvm::StringRef,
                                   const Spec &, const CpuLevel &),
        const Spec &spec, const CpuLevel &level) {
  return std::make_unique<Kernel>(
      [&](mlir::ModuleOp module, const CpuLevel &level) {
        return emit(module, "kernel", spec, level);
      },
      level);
}

/// What an lq.quantize_rows kernel writes of a few rows.
struct QuantizedOutputs {
  Array<int8_t> codes;
  Array<float> scales;
  Array<int32_t> sums;

  QuantizedOutputs(int64_t rows, int64_t columns, int64_t group)
      : codes({rows, columns}), scales({rows, columns / group}),
        sums({rows, 2 * columns / group}) {}

  void call(Kernel &kernel, std::vector<Argument> inputs) {
    inputs.insert(inputs.end(), {codes, scales, sums});
    kernel(inputs, 3);
  }
  void expectEqual(const QuantizedOutputs &expected) const {
    for (int64_t i = 0; i < codes.count(); ++i)
      ASSERT_EQ(codes[i], expected.codes[i]) << i;
    for (int64_t i = 0; i < scales.count(); ++i)
      ASSERT_EQ(scales[i], expected.scales[i]) << i;
    for (int64_t i = 0; i < sums.count(); ++i)
      ASSERT_EQ(sums[i], expected.sums[i]) << i;
  }
};

TEST_P(RowsTest, QuantizeRows) {
  for (int64_t group : {16, 32, 128})
    for (int64_t rows : {1, 5}) {
      int64_t columns = 3 * group;
      auto kernel =
          compile(emitQuantizeRows,
                  {columns, group, rows == 1 ? 1 : kDynamic, 64}, level());
      Array<float> x = normal({rows, columns});
      for (int64_t i = 0; i < group; ++i)
        x[i] = 0; // a group of zeros
      x[group + 3] = -100;
      Array<int8_t> codes({rows, columns});
      Array<float> scales({rows, 3});
      Array<int32_t> sums({rows, 6});
      (*kernel)({x, codes, scales, sums}, 2);
      for (int64_t g = 0; g < 3 * rows; ++g) {
        float largest = 0;
        int32_t sum = 0;
        for (int64_t i = g * group; i < (g + 1) * group; ++i)
          largest = std::max(largest, std::fabs(x[i]));
        EXPECT_FLOAT_EQ(scales[g], largest / 127);
        for (int64_t i = g * group; i < (g + 1) * group; ++i) {
          ASSERT_GE(codes[i], -127);
          // Nearest, but for the rounding of x / scale itself.
          ASSERT_LE(std::fabs(x[i] - double(codes[i]) * scales[g]),
                    scales[g] * (0.5 + 1e-5));
          sum += codes[i];
        }
        EXPECT_EQ(sums[2 * g] + sums[2 * g + 1], sum);
        int32_t half = 0;
        for (int64_t i = g * group; i < g * group + group / 2; ++i)
          half += codes[i];
        EXPECT_EQ(sums[2 * g], half);
      }
    }
}

/// An order gives what the inputs in that order give.
TEST_P(RowsTest, QuantizeRowsInOrder) {
  int64_t rows = 3, columns = 96, group = 32;
  Array<float> x = normal({rows, columns}), ordered({rows, columns});
  Array<int32_t> order({columns});
  for (int64_t k = 0; k < columns; ++k)
    order[k] = static_cast<int32_t>((k * 37 + 5) % columns);
  for (int64_t i = 0; i < x.count(); ++i)
    ordered[i] = x[i / columns * columns + order[i % columns]];
  QuantizedOutputs got(rows, columns, group), expected = {rows, columns, group};
  got.call(
      *compile(emitQuantizeRows, {columns, group, kDynamic, 64, true}, level()),
      {x, order});
  expected.call(
      *compile(emitQuantizeRows, {columns, group, kDynamic, 64}, level()),
      {ordered});
  got.expectEqual(expected);

  Array<float> permuted({rows, columns});
  auto permute = compile(emitPermute, {columns, kDynamic}, level());
  (*permute)({x, order, permuted}, 2);
  for (int64_t i = 0; i < permuted.count(); ++i)
    ASSERT_EQ(permuted[i], ordered[i]) << i;
}

/// A norm in the kernel that quantizes gives what it gives before it.
TEST_P(RowsTest, QuantizeNorms) {
  int64_t rows = 5, columns = 96, group = 32;
  for (bool centred : {false, true}) {
    NormSpec norm{columns, kDynamic, 64, 1e-5f, centred, centred};
    Array<float> x = normal({rows, columns}), gamma = normal({columns}),
                 beta = normal({columns}), normed({rows, columns});
    std::vector<Argument> inputs = {x, gamma};
    if (centred)
      inputs.push_back(beta);
    std::vector<Argument> arguments = inputs;
    arguments.push_back(normed);
    (*compile(emitNorm, norm, level()))(arguments, 2);
    QuantizedOutputs expected(rows, columns, group),
        got = {rows, columns, group};
    QuantizeRowsSpec spec{columns, group, kDynamic, 64};
    expected.call(*compile(emitQuantizeRows, spec, level()), {normed});
    spec.norm = norm;
    got.call(*compile(emitQuantizeRows, spec, level()), inputs);
    got.expectEqual(expected);
  }
}

/// So does a function of elements: x * y + 0.5.
TEST_P(RowsTest, QuantizeFunctions) {
  int64_t rows = 5, columns = 96, group = 32;
  Array<float> x = normal({rows, columns}), y = normal({rows, columns}),
               result({rows, columns});
  for (int64_t i = 0; i < x.count(); ++i) {
    float product = x[i] * y[i];
    result[i] = product + 0.5f;
  }
  QuantizedOutputs expected(rows, columns, group), got = {rows, columns, group};
  QuantizeRowsSpec spec{columns, group, kDynamic, 64};
  expected.call(*compile(emitQuantizeRows, spec, level()), {result});
  auto emit = [&](mlir::ModuleOp module, const CpuLevel &level) {
    mlir::OpBuilder b(module.getContext());
    mlir::Location loc = module.getLoc();
    mlir::Type f32 = b.getF32Type();
    auto function = mlir::func::FuncOp::create(
        loc, "function", b.getFunctionType({f32, f32}, {f32}));
    mlir::Block *body = function.addEntryBlock();
    b.setInsertionPointToStart(body);
    mlir::Value half =
        mlir::arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0.5));
    mlir::Value product = mlir::arith::MulFOp::create(
        b, loc, body->getArgument(0), body->getArgument(1));
    mlir::Value sum = mlir::arith::AddFOp::create(b, loc, product, half);
    mlir::func::ReturnOp::create(b, loc, sum);
    EXPECT_TRUE(isElementFunction({body, 2}));
    spec.function = {body, 2};
    auto kernel = emitQuantizeRows(module, "kernel", spec, level);
    function.erase();
    return kernel;
  };
  Kernel kernel(emit, level());
  got.call(kernel, {x, y});
  got.expectEqual(expected);
}

TEST_P(RowsTest, Norms) {
  for (int64_t columns : {1, 7, 64, 100, 576})
    for (bool centred : {false, true}) {
      int64_t rows = 3;
      NormSpec spec{columns, kDynamic, 64, 1e-5f, centred, centred};
      auto kernel = compile(emitNorm, spec, level());
      Array<float> x = normal({rows, columns}), gamma = normal({columns}),
                   beta = normal({columns}), out({rows, columns});
      for (int64_t i = 0; i < x.count(); ++i)
        x[i] += 3; // a mean that matters
      std::vector<Argument> arguments = {x, gamma};
      if (centred)
        arguments.push_back(beta);
      arguments.push_back(out);
      (*kernel)(arguments, 2);
      for (int64_t row = 0; row < rows; ++row) {
        double mean = 0, square = 0;
        for (int64_t i = 0; i < columns; ++i)
          mean += double(x[row * columns + i]) / columns;
        if (!centred)
          mean = 0;
        for (int64_t i = 0; i < columns; ++i)
          square += std::pow(x[row * columns + i] - mean, 2) / columns;
        for (int64_t i = 0; i < columns; ++i) {
          double expected = (x[row * columns + i] - mean) /
                            std::sqrt(square + 1e-5) * gamma[i];
          if (centred)
            expected += beta[i];
          ASSERT_NEAR(out[row * columns + i], expected,
                      2e-6 * (std::fabs(expected) + 3))
              << columns << " columns, centred " << centred;
        }
      }
    }
}

TEST_P(RowsTest, Rope) {
  for (bool interleaved : {false, true})
    for (int64_t pairs : {4, 11, 16, 32}) {
      int64_t batch = 2, rows = 3, heads = 2, headSize = 2 * pairs + 5,
              past = 4;
      RopeSpec spec{batch, kDynamic, heads,      headSize,
                    pairs, kDynamic, interleaved};
      auto kernel = compile(emitRope, spec, level());
      Array<float> x = normal({batch, rows, heads, headSize}),
                   cos = normal({past + rows, pairs}),
                   sin = normal({past + rows, pairs}),
                   out({batch, rows, heads, headSize});
      (*kernel)({x, cos, sin, past, out}, 3);
      for (int64_t row = 0; row < batch * rows * heads; ++row) {
        const float *in = x.data() + row * headSize;
        const float *result = out.data() + row * headSize;
        int64_t position = past + row / heads % rows;
        for (int64_t i = 0; i < pairs; ++i) {
          int64_t a = interleaved ? 2 * i : i,
                  b = interleaved ? a + 1 : i + pairs;
          double c = cos[position * pairs + i], s = sin[position * pairs + i];
          ASSERT_NEAR(result[a], in[a] * c - in[b] * s, 2e-6);
          ASSERT_NEAR(result[b], in[b] * c + in[a] * s, 2e-6);
        }
        for (int64_t i = 2 * pairs; i < headSize; ++i)
          ASSERT_EQ(result[i], in[i]);
      }
    }
}

TEST_P(RowsTest, Embedding) {
  int64_t vocabulary = 37, columns = 768;
  std::vector<FormatDescription> formats = variedFormats();
  formats.insert(formats.end(), {integers(4, 8, 32), integers(8, 128, 32),
                                 elements(Scalar::F32), elements(Scalar::F16),
                                 elements(Scalar::BF16)});
  for (const FormatDescription &format : formats) {
    Matrix table(format, vocabulary, columns, random);
    std::vector<float> expected(vocabulary * columns);
    dequantize(format, table.planes, expected);
    auto kernel =
        compile(emitEmbedding,
                {format, true, vocabulary, columns, kDynamic, 64, 64}, level());
    // Ids beyond the table read its nearest row.
    std::vector<int64_t> given = {0, 36, 15, 16, -1, 37, INT64_MAX, INT64_MIN},
                         read = {0, 36, 15, 16, 0, 36, 36, 0};
    Array<int64_t> ids({int64_t(given.size())});
    std::copy(given.begin(), given.end(), ids.data());
    Array<float> out({ids.count(), columns});
    (*kernel)({ids, table.tiles, out}, 2);
    for (int64_t i = 0; i < out.count(); ++i) {
      int64_t row = read[i / columns], column = i % columns;
      float weight = expected[row * columns + column];
      // A scale times a level, and an offset, are rounded each.
      double bound = 0;
      if (format.hasCodes()) {
        auto [run, group] = findGroup(format, columns, column);
        float offset = offsetAt(format, table.planes, row, group);
        bound = 0x1p-22 * (std::fabs(weight - offset) + std::fabs(offset)) +
                levelBound(run.format) *
                    std::fabs(scaleAt(format, table.planes, row, group));
      }
      ASSERT_NEAR(out[i], weight, bound);
    }
  }
}

TEST_P(RowsTest, DenseEmbedding) {
  int64_t vocabulary = 5, columns = 43;
  auto kernel = compile(
      emitEmbedding,
      {elements(Scalar::F32), false, vocabulary, columns, 3, 3, 32}, level());
  Array<float> values = normal({vocabulary, columns}), out({3, columns});
  Array<char> table({vocabulary * columns * 4});
  std::memcpy(table.data(), values.data(), table.count());
  Array<int32_t> ids({3});
  for (int64_t i = 0; i < 3; ++i)
    ids[i] = static_cast<int32_t>(2 * i);
  (*kernel)({ids, table, out});
  for (int64_t i = 0; i < out.count(); ++i)
    ASSERT_EQ(out[i], values[ids[i / columns] * columns + i % columns]);
}

LQ_FOR_EVERY_LEVEL(RowsTest);

} // namespace
