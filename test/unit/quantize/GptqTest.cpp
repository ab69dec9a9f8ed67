//===- GptqTest.cpp - codes that make up for each other's errors ----------===//
//
// The oracle is the method as its paper states it, in double precision and without
// blocks or factors: a column is rounded, those left take on the error by the inverse
// of H, and the column is eliminated from the inverse.
//
//===----------------------------------------------------------------------===//

#include "passes/quantize/Gptq.h"
#include "dialects/lq/LqOps.h"
#include "passes/quantize/RoundToNearest.h"
#include "test/unit/formats/TestWeights.h"

#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <thread>

using namespace lq;

namespace {

using Numbers = std::vector<float>;
using Doubles = std::vector<double>;

void serially(int64_t count, llvm::function_ref<void(int64_t)> body) {
  for (int64_t i = count; i-- > 0;)
    body(i);
}

void onThreads(int64_t count, llvm::function_ref<void(int64_t)> body) {
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (int64_t i = t; i < count; i += 3)
        body(i);
    });
  for (std::thread &thread : threads)
    thread.join();
}

/// Inputs [tokens, columns] that depend on each other, some much larger.
struct Inputs {
  int64_t tokens, columns;
  Numbers x;

  Inputs(int64_t tokens, int64_t columns, unsigned seed = 11)
      : tokens(tokens), columns(columns), x(tokens * columns) {
    WeightGenerator random(seed);
    Numbers sizes(columns), common(columns);
    for (float &size : sizes)
      size = random.unit() < 0.05f ? 8.0f : 0.5f + random.unit();
    for (float &each : common)
      each = random.normal();
    for (int64_t t = 0; t < tokens; ++t) {
      float shared = random.normal(), last = 0;
      for (int64_t k = 0; k < columns; ++k) {
        last = 0.6f * last + random.normal();
        x[t * columns + k] = sizes[k] * (last + 0.7f * shared * common[k]);
      }
    }
  }

  /// Sums over tokens of a[t, i] * b[t, j].
  static Numbers sum(const Numbers &a, const Numbers &b, int64_t columns) {
    Doubles sums(columns * columns);
    for (size_t t = 0; t < a.size(); t += columns)
      for (int64_t i = 0; i < columns; ++i)
        for (int64_t j = 0; j < columns; ++j)
          sums[i * columns + j] += static_cast<double>(a[t + i]) * b[t + j];
    return {sums.begin(), sums.end()};
  }
  Numbers hessian() const { return sum(x, x, columns); }
};

Numbers decode(const FormatDescription &format, const Planes &planes) {
  Numbers decoded(planes.rows * planes.columns);
  dequantize(format, planes, decoded);
  return decoded;
}

/// The sum over rows of (a - b) H (a - b)^T.
double errorIn(const Numbers &hessian, const Numbers &a, const Numbers &b,
               int64_t columns) {
  double sum = 0;
  for (size_t row = 0; row < a.size(); row += columns)
    for (int64_t i = 0; i < columns; ++i) {
      double part = 0;
      for (int64_t j = 0; j < columns; ++j)
        part += static_cast<double>(hessian[i * columns + j]) *
                (static_cast<double>(a[row + j]) - b[row + j]);
      sum += part * (static_cast<double>(a[row + i]) - b[row + i]);
    }
  return sum;
}

/// The inverse, by elimination.
Doubles invert(Doubles a, int64_t n) {
  Doubles inverse(n * n);
  for (int64_t i = 0; i < n; ++i)
    inverse[i * n + i] = 1;
  for (int64_t i = 0; i < n; ++i) {
    double pivot = a[i * n + i];
    for (int64_t j = 0; j < n; ++j) {
      a[i * n + j] /= pivot;
      inverse[i * n + j] /= pivot;
    }
    for (int64_t k = 0; k < n; ++k) {
      double factor = a[k * n + i];
      for (int64_t j = 0; j < n && k != i; ++j) {
        a[k * n + j] -= factor * a[i * n + j];
        inverse[k * n + j] -= factor * inverse[i * n + j];
      }
    }
  }
  return inverse;
}

/// The method, a row at a time. The columns of group g are [g size, (g + 1) size).
class Oracle {
public:
  Oracle(const FormatDescription &format, int64_t columns,
         const Numbers &hessian, const GptqOptions &options)
      : format(format), columns(columns), options(options),
        damped(hessian.begin(), hessian.end()), diagonal(columns) {
    double mean = 0;
    for (int64_t i = 0; i < columns; ++i) {
      diagonal[i] = hessian[i * columns + i];
      mean += diagonal[i] / static_cast<double>(columns);
    }
    for (int64_t i = 0; i < columns; ++i)
      damped[i * columns + i] += options.damping * mean;
    unit = format.superGroup ? format.superGroup : format.groupColumns(columns);
  }

  std::vector<int64_t> order() const {
    std::vector<int64_t> order(columns);
    std::iota(order.begin(), order.end(), 0);
    auto mean = [&](int64_t k) {
      int64_t first = k / unit * unit, last = std::min(first + unit, columns);
      return std::accumulate(diagonal.begin() + first, diagonal.begin() + last,
                             0.0) /
             static_cast<double>(last - first);
    };
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      if (options.order == GptqOrder::Groups && mean(a) != mean(b))
        return mean(a) > mean(b);
      if (options.order != GptqOrder::Given && diagonal[a] != diagonal[b])
        return diagonal[a] > diagonal[b];
      return a < b;
    });
    return order;
  }

  /// The codes of a row, by numbers that findUnit finds for a unit's weights.
  std::vector<uint8_t> round(Numbers start) {
    Doubles row(start.begin(), start.end()), inverse = invert(damped, columns);
    std::vector<uint8_t> codes(columns);
    std::map<int64_t, Planes> units;
    for (int64_t k : order()) {
      int64_t first = k / unit * unit, count = std::min(unit, columns - first);
      if (!units.count(first)) {
        const auto *from = row.data() + first;
        Numbers now(from, from + count);
        if (options.staticScales)
          now.assign(start.begin() + first, start.begin() + first + count);
        units[first] = findUnit(now, first);
      }
      auto [code, value] = nearest(units[first], (k - first), row[k]);
      codes[k] = code;
      double error = (row[k] - value) / inverse[k * columns + k];
      Doubles pivot(inverse.begin() + k * columns,
                    inverse.begin() + (k + 1) * columns);
      for (int64_t j = 0; j < columns; ++j)
        row[j] -= error * pivot[j];
      for (int64_t i = 0; i < columns; ++i)
        for (int64_t j = 0; j < columns; ++j)
          inverse[i * columns + j] -= pivot[i] * pivot[j] / pivot[k];
    }
    return codes;
  }

private:
  FormatDescription format;
  int64_t columns, unit;
  GptqOptions options;
  Doubles damped;
  Numbers diagonal;

  Planes findUnit(const Numbers &weights, int64_t first) const {
    Planes planes;
    planes.resize(format, 1, static_cast<int64_t>(weights.size()));
    Numbers importance(diagonal.begin() + first,
                       diagonal.begin() + first + planes.columns);
    FormatDescription searched = format;
    bool squares = options.scales == ScaleMethod::Squares;
    if (squares && format.offset.kind != GroupNumber::Kind::ZeroPoint)
      searched.scaleRule = ScaleRule::Search;
    roundToNearest(searched, weights, planes, importance);
    return planes;
  }

  /// The code whose value is nearest, of all that there are.
  std::pair<uint8_t, double> nearest(Planes planes, int64_t k,
                                     double weight) const {
    std::pair<uint8_t, double> best;
    double least = HUGE_VAL;
    for (int code = 0; code < (1 << format.bits); ++code) {
      std::fill(planes.codes.begin(), planes.codes.end(), code);
      double value = decode(format, planes)[k];
      if (std::fabs(weight - value) < least) {
        least = std::fabs(weight - value);
        best = {static_cast<uint8_t>(code), value};
      }
    }
    return best;
  }
};

class GptqTest : public ::testing::Test {
protected:
  SingleThreadedBlas blas;
  mlir::MLIRContext context;

  FormatDescription describe(llvm::StringRef name) {
    return lookupFormat(context, name).getDescription();
  }

  static Gptq prepare(const FormatDescription &format, const Numbers &hessian,
                      int64_t columns, const GptqOptions &options = {}) {
    return llvm::cantFail(
        Gptq::prepare(format, {hessian, {}, {}}, columns, options, serially));
  }
  static Planes sized(const FormatDescription &format, int64_t rows,
                      const Numbers &weights) {
    Planes planes;
    planes.resize(format, rows, static_cast<int64_t>(weights.size()) / rows);
    return planes;
  }
};

struct Case {
  const char *format;
  GptqOrder order;
  bool staticScales;
  ScaleMethod scales;
};

TEST_F(GptqTest, CodesAreThoseOfTheMethod) {
  constexpr int64_t rows = 6;
  const Case cases[] = {
      {"int4_g32", GptqOrder::Given, false, ScaleMethod::Rule},
      {"int4_g32", GptqOrder::Groups, false, ScaleMethod::Rule},
      {"int4_g32", GptqOrder::Columns, true, ScaleMethod::Rule},
      {"int4_g32", GptqOrder::Given, true, ScaleMethod::Squares},
      {"int3_row", GptqOrder::Given, false, ScaleMethod::Rule},
      {"uint4_g64", GptqOrder::Groups, false, ScaleMethod::Rule},
      {"q4_0", GptqOrder::Groups, false, ScaleMethod::Squares},
      {"q4_1", GptqOrder::Given, false, ScaleMethod::Rule},
      {"q4_k", GptqOrder::Groups, false, ScaleMethod::Rule},
      {"q6_k", GptqOrder::Given, false, ScaleMethod::Rule},
      {"iq4_xs", GptqOrder::Groups, false, ScaleMethod::Rule},
      {"mxfp4", GptqOrder::Columns, true, ScaleMethod::Rule},
  };
  for (const Case &each : cases) {
    SCOPED_TRACE(each.format + (" " + std::to_string(int(each.order))));
    FormatDescription format = describe(each.format);
    int64_t columns = format.superGroup ? 256 : 160;
    GptqOptions options;
    options.order = each.order;
    options.staticScales = each.staticScales;
    options.scales = each.scales;
    // Blocks end within units and between them.
    options.block = 48;
    Numbers hessian = Inputs(3 * columns, columns).hessian();
    Numbers weights =
        WeightGenerator(3).draw(Distribution::Normal, rows * columns);
    Planes planes = sized(format, rows, weights);
    prepare(format, hessian, columns, options).quantize(weights, planes);
    Oracle oracle(format, columns, hessian, options);
    for (int64_t r = 0; r < rows; ++r) {
      auto row = weights.begin() + r * columns;
      EXPECT_EQ(oracle.round(Numbers(row, row + columns)),
                std::vector<uint8_t>(planes.codes.begin() + r * columns,
                                     planes.codes.begin() + (r + 1) * columns))
          << r;
    }
  }
}

TEST_F(GptqTest, ErrorIsFarBelowThatOfRounding) {
  constexpr int64_t rows = 16, columns = 512;
  Numbers hessian = Inputs(2000, columns).hessian();
  Numbers weights =
      WeightGenerator(4).draw(Distribution::Normal, rows * columns);
  for (const char *name :
       {"int4_g32", "int4_g128", "uint3_g64", "q4_0", "q4_k", "q3_k", "q6_k",
        "iq4_xs", "iq4_nl", "mxfp4", "exl2_4_g128", "q8_0"}) {
    SCOPED_TRACE(name);
    FormatDescription format = describe(name);
    Planes rounded = sized(format, rows, weights);
    Planes planes = rounded;
    if (format.scale.isShared()) {
      Numbers factors(format.superGroupCount(columns));
      raiseSharedFactors(format, weights, columns, factors);
      for (Planes *each : {&rounded, &planes})
        for (size_t i = 0; i < each->scale.numbers.size(); ++i)
          each->scale.numbers[i] = factors[i % factors.size()];
    }
    roundToNearest(format, weights, rounded);
    double before = errorIn(hessian, weights, decode(format, rounded), columns);
    GptqOptions options;
    options.damping = 1e-4f;
    double told =
        prepare(format, hessian, columns, options).quantize(weights, planes);
    double after = errorIn(hessian, weights, decode(format, planes), columns);
    EXPECT_LT(after, 0.35 * before);
    EXPECT_GT(after, 0.01 * before);
    // With next to no damping what is told is the error.
    EXPECT_NEAR(told, after, 0.02 * after);
  }
}

TEST_F(GptqTest, ThreadsAndBlocksChangeNothing) {
  constexpr int64_t rows = 8, columns = 640;
  FormatDescription format = describe("int4_g32");
  Numbers hessian = Inputs(1500, columns).hessian();
  Numbers weights =
      WeightGenerator(5).draw(Distribution::HeavyTails, rows * columns);
  Planes one = sized(format, rows, weights), other = one;
  prepare(format, hessian, columns).quantize(weights, one);
  llvm::cantFail(
      Gptq::prepare(format, {hessian, {}, {}}, columns, {}, onThreads))
      .quantize(weights, other);
  EXPECT_EQ(one.codes, other.codes);
  EXPECT_EQ(one.scale, other.scale);
}

TEST_F(GptqTest, AnOrderOfInputsIsThatOfColumns) {
  constexpr int64_t rows = 4, columns = 128;
  FormatDescription format = describe("int4_g32");
  Numbers hessian = Inputs(500, columns).hessian();
  Numbers weights =
      WeightGenerator(6).draw(Distribution::Normal, rows * columns);
  std::vector<int32_t> order(columns);
  for (int32_t j = 0; j < columns; ++j)
    order[j] = (j * 37 + 5) % columns;
  Numbers permuted(columns * columns);
  for (int64_t i = 0; i < columns; ++i)
    for (int64_t j = 0; j < columns; ++j)
      permuted[i * columns + j] = hessian[order[i] * columns + order[j]];
  Planes expected = sized(format, rows, weights), planes = expected;
  prepare(format, permuted, columns).quantize(weights, expected);
  llvm::cantFail(
      Gptq::prepare(format, {hessian, {}, order}, columns, {}, serially))
      .quantize(weights, planes);
  EXPECT_EQ(planes.codes, expected.codes);
}

/// The sum over tokens of |W x~ - Q x|^2.
double errorBetween(const Numbers &weights, const Numbers &decoded,
                    const Inputs &full, const Inputs &seen) {
  double sum = 0;
  int64_t columns = full.columns;
  for (size_t row = 0; row < weights.size(); row += columns)
    for (int64_t t = 0; t < full.tokens; ++t) {
      double error = 0;
      for (int64_t k = 0; k < columns; ++k)
        error +=
            static_cast<double>(weights[row + k]) * full.x[t * columns + k] -
            static_cast<double>(decoded[row + k]) * seen.x[t * columns + k];
      sum += error * error;
    }
  return sum;
}

TEST_F(GptqTest, DifferencesOfInputsAreMadeUpFor) {
  constexpr int64_t rows = 8, columns = 96, tokens = 600;
  FormatDescription format = describe("int4_g32");
  Inputs full(tokens, columns), seen = full;
  WeightGenerator random(9);
  Numbers difference(seen.x.size());
  for (size_t i = 0; i < seen.x.size(); ++i) {
    seen.x[i] *= 1 + 0.15f * random.normal();
    difference[i] = full.x[i] - seen.x[i];
  }
  Numbers hessian = seen.hessian();
  Numbers sum = Inputs::sum(difference, seen.x, columns);
  Numbers weights =
      WeightGenerator(6).draw(Distribution::Normal, rows * columns);
  GptqOptions options;
  double errors[2];
  for (float alpha : {0.0f, 1.0f}) {
    options.alpha = alpha;
    Planes planes = sized(format, rows, weights);
    llvm::cantFail(
        Gptq::prepare(format, {hessian, sum, {}}, columns, options, serially))
        .quantize(weights, planes);
    errors[alpha > 0] =
        errorBetween(weights, decode(format, planes), full, seen);
    Planes without = sized(format, rows, weights);
    prepare(format, hessian, columns, options).quantize(weights, without);
    EXPECT_EQ(without.codes == planes.codes, alpha == 0);
  }
  EXPECT_LT(errors[1], 0.97 * errors[0]);
}

/// GPTAQ's correction by its formula: alpha triu(D U^T, 1) U.
TEST_F(GptqTest, CorrectionIsThatOfTheFormula) {
  constexpr int64_t n = 40;
  Numbers upper(n * n), matrix(n * n);
  WeightGenerator random(2);
  for (float &each : matrix)
    each = random.normal();
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      upper[i * n + j] = j >= i ? random.normal() : 1e30f;
  Numbers found = correctionOf(matrix.data(), upper.data(), n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = i; j < n; ++j) {
      double expected = 0;
      for (int64_t m = i + 1; m <= j; ++m) {
        double inner = 0;
        for (int64_t k = m; k < n; ++k)
          inner += static_cast<double>(matrix[i * n + k]) * upper[m * n + k];
        expected += inner * upper[m * n + j];
      }
      EXPECT_NEAR(found[i * n + j], expected, 1e-3) << i << " " << j;
    }
}

TEST_F(GptqTest, ColumnsThatSawNothingBecomeZero) {
  constexpr int64_t rows = 4, columns = 64;
  FormatDescription format = describe("int4_g32");
  Inputs inputs(300, columns);
  for (int64_t t = 0; t < inputs.tokens; ++t)
    inputs.x[t * columns + 7] = inputs.x[t * columns + 40] = 0;
  Numbers weights =
      WeightGenerator(6).draw(Distribution::Normal, rows * columns);
  Planes planes = sized(format, rows, weights);
  Gptq gptq = prepare(format, inputs.hessian(), columns);
  EXPECT_EQ(gptq.deadColumns(), 2);
  gptq.quantize(weights, planes);
  Numbers decoded = decode(format, planes);
  GptqOptions keep;
  keep.zeroDead = false;
  prepare(format, inputs.hessian(), columns, keep).quantize(weights, planes);
  Numbers kept = decode(format, planes);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k : {7, 40}) {
      EXPECT_EQ(decoded[r * columns + k], 0);
      EXPECT_NEAR(kept[r * columns + k], weights[r * columns + k], 0.01);
    }
}

TEST_F(GptqTest, DampingIsRaisedUntilItServes) {
  constexpr int64_t columns = 64;
  FormatDescription format = describe("int4_g32");
  GptqOptions options;
  options.damping = 0;
  EXPECT_EQ(prepare(format, Inputs(300, columns).hessian(), columns, options)
                .damping(),
            0);
  // Fewer tokens than columns, exactly: H is singular.
  Numbers hessian(columns * columns);
  for (int64_t i = 0; i < columns; ++i)
    for (int64_t j = 0; j < columns; ++j)
      hessian[i * columns + j] = 1;
  EXPECT_NEAR(prepare(format, hessian, columns, options).damping(), 0.01, 1e-6);
  // What no sum of squares can be.
  hessian[1] = hessian[columns] = 1000;
  auto failed =
      Gptq::prepare(format, {hessian, {}, {}}, columns, options, serially);
  EXPECT_EQ(
      llvm::toString(failed.takeError()),
      "the statistics' sums of x x^T are not positive definite, even with "
      "a damping of 1");
  hessian[1] = NAN;
  auto notFinite =
      Gptq::prepare(format, {hessian, {}, {}}, columns, options, serially);
  EXPECT_EQ(llvm::toString(notFinite.takeError()),
            "the statistics' sums of x x^T are not finite");
}

TEST_F(GptqTest, WeightsTooLargeAreNoCrash) {
  constexpr int64_t columns = 256;
  Numbers hessian = Inputs(600, columns).hessian();
  for (const char *name : {"int4_g32", "q4_k", "iq4_nl", "uint4_g64"}) {
    FormatDescription format = describe(name);
    Numbers weights(columns, 1.0f);
    weights[100] = 3e38f;
    Planes planes = sized(format, 1, weights);
    prepare(format, hessian, columns).quantize(weights, planes);
    EXPECT_NE(findNotFinite(planes.scale.numbers), planes.scale.numbers.size())
        << name;
  }
}

TEST_F(GptqTest, AFactorServesAllFormats) {
  constexpr int64_t rows = 4, columns = 128;
  Numbers hessian = Inputs(500, columns).hessian();
  Numbers weights =
      WeightGenerator(6).draw(Distribution::Normal, rows * columns);
  GptqOptions options;
  options.order = GptqOrder::Given;
  Gptq first = prepare(describe("q4_0"), hessian, columns, options);
  for (const char *name : {"int3_g64", "int8_g32", "uint4_g64", "nf4"}) {
    FormatDescription format = describe(name);
    Planes expected = sized(format, rows, weights), planes = expected;
    prepare(format, hessian, columns, options).quantize(weights, expected);
    first.retarget(format).quantize(weights, planes);
    EXPECT_EQ(planes.codes, expected.codes) << name;
    EXPECT_EQ(planes.scale, expected.scale) << name;
  }
}

/// Inverse factors of sizes around those of tiles.
TEST_F(GptqTest, FactorsOfTheInverse) {
  for (int64_t n : {1, 2, 255, 256, 257, 700}) {
    Numbers hessian = Inputs(2 * n + 8, n).hessian();
    Numbers upper = factorInverse<float>(hessian, n, onThreads);
    ASSERT_EQ(upper, factorInverse<float>(hessian, n, serially));
    // U H U^T = 1
    double worst = 0;
    for (int64_t i = 0; i < n; i += 1 + n / 9) {
      Doubles product(n);
      for (int64_t k = i; k < n; ++k)
        for (int64_t j = 0; j < n; ++j)
          product[j] +=
              static_cast<double>(upper[i * n + k]) * hessian[k * n + j];
      for (int64_t m = 0; m < n; ++m) {
        double sum = 0;
        for (int64_t j = m; j < n; ++j)
          sum += product[j] * upper[m * n + j];
        worst = std::max(worst, std::fabs(sum - (m == i)));
      }
    }
    EXPECT_LT(worst, 2e-3) << n;
  }
}

} // namespace
