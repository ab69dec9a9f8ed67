//===- LinearTest.cpp - linear kernels against double precision -----------===//

#include "dialects/lq/LqAttributes.h"
#include "lowering/kernels/TileReader.h"
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

  Activations(int64_t rows, int64_t columns, Random &random)
      : x({rows, columns}), scales({rows, columns / tileColumns}),
        codes({rows, columns}), sums({rows, 2 * (columns / tileColumns)}) {
    for (int64_t i = 0; i < x.count(); ++i)
      x[i] = random.normal();
    for (int64_t i = 0; i < scales.count(); ++i)
      scales[i] = std::fabs(random.normal());
    for (int64_t i = 0; i < codes.count(); ++i) {
      // Extremes now and then: sums of products must not saturate.
      codes[i] = static_cast<int8_t>(random.integer(0, 5)
                                         ? random.integer(-127, 127)
                                         : (random.integer(0, 1) ? 127 : -127));
      if (columns % tileColumns == 0)
        sums[i / (tileColumns / 2)] += codes[i];
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

/// The level of each code as kernels take it, and that it is the format's.
std::vector<double> kernelLevels(const FormatDescription &format) {
  if (!format.hasCodes())
    return {};
  ByteLevels bytes = getByteLevels(format);
  std::vector<double> levels;
  for (int code = 0; code < 1 << format.bits; ++code) {
    int byte = bytes.table.empty() ? code : bytes.table[code];
    levels.push_back(double(byte - bytes.zero) * bytes.unit);
    EXPECT_NEAR(levels[code], format.levelOf(static_cast<uint8_t>(code)),
                levelBound(format));
  }
  return levels;
}

/// The columns and levels of a run.
struct RunLevels {
  FormatRun run;
  std::vector<double> levels;
};
std::vector<RunLevels> runLevels(const FormatDescription &format,
                                 int64_t columns) {
  std::vector<RunLevels> result;
  for (const FormatRun &run : format.splitColumns(columns))
    result.push_back({run, kernelLevels(run.format)});
  return result;
}

/// The product of a row of activations and one of a matrix: the terms of scales
/// and offsets of each half of a column block by themselves, as kernels add
/// them.
Reference multiply(const Matrix &w, llvm::ArrayRef<RunLevels> runs,
                   const Activations &a, int64_t m, int64_t n,
                   int64_t columns) {
  Reference sum;
  if (!w.format.hasCodes()) {
    for (int64_t k = 0; k < columns; ++k)
      sum.add(double(w.planes.values[n * columns + k]) * a.x[m * columns + k]);
    return sum;
  }
  constexpr int64_t half = tileColumns / 2;
  for (int64_t first = 0; first < columns; first += half) {
    while (first >= runs.front().run.firstColumn + runs.front().run.columns)
      runs = runs.drop_front();
    const auto &[run, levels] = runs.front();
    double dot = 0;
    int64_t total = 0;
    for (int64_t k = first; k < first + half; ++k) {
      dot += levels[w.planes.codes[n * columns + k]] * a.codes[m * columns + k];
      total += a.codes[m * columns + k];
    }
    int64_t group =
        run.firstGroup + (first - run.firstColumn) / run.groupColumns();
    double scale = a.scales[(m * columns + first) / tileColumns];
    sum.add(dot * scaleAt(w.format, w.planes, n, group) * scale);
    if (w.format.offset.exists())
      sum.add(double(total) * offsetAt(w.format, w.planes, n, group) * scale);
  }
  return sum;
}

struct Case {
  FormatDescription format;
  int64_t outputs, inputs;
  bool bias, residual;
};

class LinearTest : public LevelTest {
protected:
  /// Runs a kernel made for `rows` (or any number) on M rows and compares.
  void check(Kernel &kernel, const Case &c, const Matrix &w, int64_t rows,
             int64_t threads) {
    Activations a(rows, c.inputs, random);
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
    std::vector<RunLevels> levels = runLevels(w.format, c.inputs);
    double terms = double(c.inputs) / (c.format.hasCodes() ? 4 : 1);
    double bound = (terms + 6) * 0x1p-24;
    for (int64_t m = 0; m < rows; ++m)
      for (int64_t n = 0; n < c.outputs; ++n) {
        Reference expected = multiply(w, levels, a, m, n, c.inputs);
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

  std::unique_ptr<Kernel> compile(const Case &c, int64_t rows,
                                  int64_t maxRows) {
    LinearSpec spec{c.format, c.outputs, c.inputs,  rows,
                    maxRows,  c.bias,    c.residual};
    return std::make_unique<Kernel>(
        [&](mlir::ModuleOp module, const CpuLevel &level) {
          return emitLinear(module, "linear", spec, level);
        },
        level(), scratchBytes(spec, level()));
  }

  void check(const Case &c) {
    Matrix w(c.format, c.outputs, c.inputs, random);
    auto decode = compile(c, 1, 1);
    for (int64_t threads : {1, 2, 3})
      check(*decode, c, w, 1, threads);
    auto prefill = compile(c, kDynamic, 512);
    std::vector<int64_t> rows = {1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 64, 100};
    if (isEmulated())
      rows = {1, 3, 6, 17};
    for (int64_t count : rows)
      check(*prefill, c, w, count, count % 3 + 1);
  }

  /// Only numbers of rows that are known, which takes little to compile.
  void checkFewRows(const Case &c) {
    Matrix w(c.format, c.outputs, c.inputs, random);
    for (int64_t rows : {1, 2})
      check(*compile(c, rows, rows), c, w, rows, rows);
  }
};

TEST_P(LinearTest, EveryFormat) {
  mlir::MLIRContext context;
  context.loadDialect<LqDialect>();
  for (FormatAttrInterface format : listFormats(context)) {
    SCOPED_TRACE(format.getFormatName().str());
    FormatDescription description = format.getDescription();
    int64_t columns =
        3 * std::max({description.group, description.superGroup, tileColumns});
    ASSERT_EQ(checkTiles(description, columns), "");
    Case c{description, 40, columns, false, false};
    isEmulated() ? checkFewRows(c) : check(c);
  }
}

TEST_P(LinearTest, FourBits) {
  // Whole row blocks, of an odd number: two are multiplied together.
  check({integers(4, 8, 32), 48, 64, false, false});
  check({integers(4, 8, 32), 96, 64, false, false});
  check({integers(4, 8, 32), 37, 160, true, true});
}

TEST_P(LinearTest, EightBits) {
  check({integers(8, 128, 32), 96, 64, false, false});
  check({integers(8, 128, 32), 37, 160, true, true});
}

TEST_P(LinearTest, EveryPartOfADescription) {
  for (const FormatDescription &format : variedFormats()) {
    SCOPED_TRACE(format.bits);
    check({format, 20, format.superGroup ? 768 : 160, true, true});
  }
}

TEST_P(LinearTest, ManyColumnsAndRows) {
  // More columns than are unpacked at once, which cut a group of them, and more
  // rows than a panel of activations.
  GroupNumber f16 = directNumber(Scalar::F16);
  for (const FormatDescription &format :
       {integers(4, 8, 96, f16, f16), integers(3, 0, 1024, f16, f16),
        integers(8, 0, FormatDescription::wholeRow, f16, zeroPointNumber(8)),
        integers(3, 4, 16, productNumber(Scalar::F16, 6, 32), f16)}) {
    SCOPED_TRACE(format.group);
    Case c{format, 20, 4352, false, true};
    Matrix w(c.format, c.outputs, c.inputs, random);
    auto kernel = compile(c, kDynamic, 512);
    for (int64_t rows :
         isEmulated() ? std::vector<int64_t>{5} : std::vector<int64_t>{5, 301})
      check(*kernel, c, w, rows, 2);
  }
}

TEST_P(LinearTest, FewRowsOfAnyNumber) {
  Case c{integers(4, 0, 64, directNumber(Scalar::F32), zeroPointNumber(4)), 37,
         160, true, true};
  Matrix w(c.format, c.outputs, c.inputs, random);
  for (int64_t most : {2, 7}) {
    auto kernel = compile(c, kDynamic, most);
    for (int64_t rows = 1; rows <= most; ++rows)
      check(*kernel, c, w, rows, 2);
  }
}

TEST(FoldLevels, WhereProductsFitAByte) {
  GroupNumber f16 = directNumber(Scalar::F16);
  auto folded = foldLevels(integers(2, 0, 16, productNumber(Scalar::F16, 4)));
  ASSERT_TRUE(folded); // 0 .. 3 * 15
  EXPECT_EQ(folded->zero, 0);
  EXPECT_EQ(folded->bits, 6u);
  folded = foldLevels(integers(3, 4, 16, productNumber(Scalar::F16, 6, 32)));
  ASSERT_TRUE(folded); // -4 * 31 .. -4 * -32
  EXPECT_EQ(folded->zero, 124);
  EXPECT_EQ(folded->bits, 8u);
  EXPECT_FALSE(foldLevels(integers(4, 0, 32, productNumber(Scalar::F16, 6))));
  EXPECT_FALSE(foldLevels(integers(2, 0, 16, f16)));
}

TEST_P(LinearTest, Elements) {
  for (Scalar scalar : {Scalar::F32, Scalar::F16, Scalar::BF16}) {
    check({elements(scalar), 37, 71, true, true});
    if (isEmulated())
      continue;
    check({elements(scalar), 96, 64, false, false});
    check({elements(scalar), 5, 3, false, false});
  }
}

LQ_FOR_EVERY_LEVEL(LinearTest);

} // namespace
