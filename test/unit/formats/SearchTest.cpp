//===- SearchTest.cpp - numbers of least squared error --------------------===//

#include "dialects/lq/LqOps.h"
#include "passes/quantize/RoundToNearest.h"
#include "test/unit/formats/RandomPlanes.h"
#include "test/unit/formats/TestWeights.h"

#include <cstdio>
#include <gtest/gtest.h>

using namespace lq;

namespace {

using Weights = std::vector<float>;

constexpr int64_t testRows = 16, testColumns = 1024;

/// What the search finds, decoded.
Weights searched(const FormatDescription &format, const Weights &weights,
                 int64_t rows, const Weights &importance = {}) {
  Planes planes;
  planes.resize(format, rows, static_cast<int64_t>(weights.size()) / rows);
  roundToNearest(format, weights, planes, importance);
  Weights decoded(weights.size());
  dequantize(format, planes, decoded);
  return decoded;
}

/// The squared error in units of the squared weights.
double relativeError(const Weights &weights, const Weights &decoded,
                     const Weights &importance = {}) {
  double error = 0, square = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    double w = importance.empty() ? 1 : importance[i % importance.size()];
    double rest = static_cast<double>(weights[i]) - decoded[i];
    error += w * rest * rest;
    square += w * weights[i] * weights[i];
  }
  return error / square;
}

Weights testImportance() {
  WeightGenerator random(5);
  Weights importance(testColumns);
  for (float &each : importance) {
    float u = random.unit();
    each = u * u * u * 4 + 0.01f;
  }
  return importance;
}

/// The errors of ggml's quantizers (ggml_quantize_chunk, 2026-08) for the
/// weights below: of five distributions without importance, then with it.
struct Reference {
  const char *format;
  double errors[10];
};
constexpr Reference references[] = {
    {"q2_k",
     {0.08612, 0.1331, 0.05511, 0.1044, 0.01324, 0.05014, 0.06086, 0.03729,
      0.06898, 0.01038}},
    {"q3_k",
     {0.02222, 0.02932, 0.01562, 0.04023, 0.008988, 0.01673, 0.02426, 0.01169,
      0.03693, 0.005868}},
    {"q4_k",
     {0.004982, 0.0101, 0.003019, 0.00999, 0.000652, 0.004079, 0.008975,
      0.002439, 0.00942, 0.0005451}},
    {"q5_k",
     {0.001281, 0.002817, 0.0007717, 0.002495, 0.0001598, 0.001052, 0.00245,
      0.0006171, 0.002501, 0.0001332}},
    {"q6_k",
     {0.000308, 0.0008774, 0.0001861, 0.000933, 0.0001218, 0.0002496, 0.0008165,
      0.0001502, 0.0009233, 9.571e-05}},
    {"iq4_nl",
     {0.005758, 0.01171, 0.004144, 0.0146, 0.003476, 0.004907, 0.01014,
      0.003476, 0.01356, 0.003037}},
    {"iq4_xs",
     {0.005849, 0.012, 0.004223, 0.01491, 0.003532, 0.00502, 0.01058, 0.003573,
      0.01421, 0.003123}},
};

TEST(Search, ErrorIsBelowThatOfTheReference) {
  mlir::MLIRContext context;
  Weights importance = testImportance();
  for (const Reference &reference : references) {
    std::printf("%s:", reference.format);
    for (int i = 0; i < 10; ++i) {
      SCOPED_TRACE(std::string(reference.format) + " " + std::to_string(i));
      Weights weights =
          WeightGenerator(17 + i % 5)
              .draw(static_cast<Distribution>(i % 5), testRows * testColumns);
      FormatDescription format =
          lookupFormat(context, reference.format).getDescription();
      Weights used = i < 5 ? Weights() : importance;
      Weights decoded = searched(format, weights, testRows, used);
      double error = relativeError(weights, decoded, used);
      EXPECT_LT(error, reference.errors[i]);
      std::printf(" %.2f", error / reference.errors[i]);
    }
    std::printf("\n");
  }
}

/// Descriptions that are searched, of all kinds of numbers and levels.
std::vector<FormatDescription> searchedFormats() {
  GroupNumber f16 = directNumber(Scalar::F16);
  GroupNumber bf16 = directNumber(Scalar::BF16);
  GroupNumber four = productNumber(Scalar::F16, 4);
  GroupNumber six = productNumber(Scalar::F16, 6, 32);
  static constexpr float levels[] = {-1,     -0.5f,  -0.25f, 0,
                                     0.125f, 0.375f, 0.75f,  1};
  std::vector<FormatDescription> formats = {
      integerFormat(4, 32, f16),
      integerFormat(3, 32, f16, f16),
      integerFormat(3, 48, bf16, directNumber(Scalar::F32)),
      integerFormat(4, FormatDescription::wholeRow, f16),
      integerFormat(2, 16, four, four, 128),
      integerFormat(3, 16, four, six, 64),
      integerFormat(4, 32, six, {}, 256),
      integerFormat(3, 32, six, f16, 128),
      integerFormat(3, 32, f16, four, 128),
      integerFormat(3, 32, four, {}, 96),
  };
  for (FormatDescription &format : formats)
    if (!format.offset.exists())
      format.zero = 1 << (format.bits - 1);
  for (GroupNumber offset : {GroupNumber(), f16, four}) {
    formats.push_back(integerFormat(3, 32, six, offset, 128));
    formats.back().level = LevelKind::Table;
    formats.back().levels = levels;
  }
  for (FormatDescription &format : formats)
    format.scaleRule = ScaleRule::Search;
  return formats;
}

std::string nameOf(const FormatDescription &format) {
  return std::to_string(format.bits) + " bits, group " +
         std::to_string(format.group) + " of " +
         std::to_string(format.superGroup) + ", scale " +
         std::to_string(static_cast<int>(format.scale.kind)) + ", offset " +
         std::to_string(static_cast<int>(format.offset.kind)) +
         (format.level == LevelKind::Table ? ", table" : "");
}

/// The bound is the error of levels spaced evenly over 2.5 deviations to either
/// side, and half of it more.
TEST(Search, EveryDescriptionIsSearched) {
  for (const FormatDescription &format : searchedFormats())
    for (int64_t columns : {32, 64, 200, 512}) {
      SCOPED_TRACE(nameOf(format) + ", " + std::to_string(columns));
      Weights weights =
          WeightGenerator(3).draw(Distribution::Normal, 8 * columns);
      double error = relativeError(weights, searched(format, weights, 8));
      double step = 5.0 / (1 << format.bits);
      EXPECT_LT(error, 1.5 * step * step / 12);
      EXPECT_GT(error, 0);
    }
}

TEST(Search, NumbersAreExactInTheirTypes) {
  for (const FormatDescription &format : searchedFormats()) {
    SCOPED_TRACE(nameOf(format));
    Weights weights = WeightGenerator(4).draw(Distribution::Outliers, 4 * 200);
    Planes planes;
    planes.resize(format, 4, 200);
    roundToNearest(format, weights, planes);
    for (float number : planes.scale.numbers)
      EXPECT_EQ(number, roundToScalar(format.scale.type, number));
    for (float number : planes.offset.numbers)
      EXPECT_EQ(number, roundToScalar(format.offset.type, number));
    for (uint8_t code : planes.codes)
      EXPECT_LT(code, 1 << format.bits);
    for (uint8_t integer : planes.scale.integers)
      EXPECT_LT(integer, 1 << format.scale.bits);
    for (uint8_t integer : planes.offset.integers)
      EXPECT_LT(integer, 1 << format.offset.bits);
  }
}

TEST(Search, RowsAreIndependent) {
  for (const FormatDescription &format : searchedFormats()) {
    Weights weights =
        WeightGenerator(6).draw(Distribution::HeavyTails, 3 * 200);
    Weights all = searched(format, weights, 3);
    Weights second = searched(
        format, Weights(weights.begin() + 200, weights.begin() + 400), 1);
    EXPECT_TRUE(std::equal(second.begin(), second.end(), all.begin() + 200))
        << nameOf(format);
  }
}

/// Weights that the format can hold are found again, near enough to f16.
TEST(Search, FindsWhatCanBeHeld) {
  mlir::MLIRContext context;
  for (const Reference &reference : references) {
    SCOPED_TRACE(reference.format);
    FormatDescription format =
        lookupFormat(context, reference.format).getDescription();
    for (float value : {1.0f, -0.3f, 0.04f}) {
      Weights equal(1024, value);
      EXPECT_LT(relativeError(equal, searched(format, equal, 2)), 1e-5);
    }
    Weights zeros(1024, 0.0f);
    EXPECT_EQ(searched(format, zeros, 2), zeros);
    // One weight that is not zero; some tables have no level that is.
    zeros[300] = -2.5f;
    bool hasZero = format.level == LevelKind::Integer;
    EXPECT_LT(relativeError(zeros, searched(format, zeros, 2)),
              hasZero ? 1e-6 : 2e-3);
  }
}

TEST(Search, ScalesWithTheWeights) {
  mlir::MLIRContext context;
  for (const Reference &reference : references) {
    FormatDescription format =
        lookupFormat(context, reference.format).getDescription();
    Weights weights = WeightGenerator(9).draw(Distribution::Normal, 2048);
    Weights decoded = searched(format, weights, 2);
    for (int power : {-6, -3, 11}) {
      float factor = std::ldexp(1.0f, power);
      Weights scaled = weights;
      for (float &weight : scaled)
        weight *= factor;
      Weights again = searched(format, scaled, 2);
      // Subnormal factors are coarser.
      double slack = power < 0 ? 1.2 : 1.0;
      EXPECT_LE(relativeError(scaled, again),
                relativeError(weights, decoded) * slack)
          << reference.format << " 2^" << power;
    }
  }
}

TEST(Search, TinyWeightsBecomeNoNumberThatIsNotFinite) {
  mlir::MLIRContext context;
  for (const Reference &reference : references) {
    FormatDescription format =
        lookupFormat(context, reference.format).getDescription();
    for (float size : {1e-7f, 1e-20f, 1e-38f, 1e-42f}) {
      Weights weights = WeightGenerator(2).draw(Distribution::Normal, 512);
      for (float &weight : weights)
        weight *= size;
      Weights decoded = searched(format, weights, 1);
      EXPECT_EQ(findNotFinite(decoded), decoded.size());
      EXPECT_LE(relativeError(weights, decoded), 1.0) << reference.format;
    }
  }
}

TEST(Search, TooLargeWeightsGiveInfiniteNumbers) {
  mlir::MLIRContext context;
  for (const Reference &reference : references) {
    FormatDescription format =
        lookupFormat(context, reference.format).getDescription();
    Weights weights(512, 1.0f);
    weights[100] = 3e38f;
    Planes planes;
    planes.resize(format, 1, 512);
    roundToNearest(format, weights, planes);
    EXPECT_NE(findNotFinite(planes.scale.numbers), planes.scale.numbers.size())
        << reference.format;
  }
}

TEST(Search, ImportanceMovesTheError) {
  mlir::MLIRContext context;
  Weights importance = testImportance();
  for (const Reference &reference : references) {
    SCOPED_TRACE(reference.format);
    FormatDescription format =
        lookupFormat(context, reference.format).getDescription();
    Weights weights = WeightGenerator(1).draw(Distribution::Normal, 4096);
    Weights with = searched(format, weights, 4, importance);
    Weights without = searched(format, weights, 4);
    EXPECT_LT(relativeError(weights, with, importance),
              relativeError(weights, without, importance));
    EXPECT_LT(relativeError(weights, without), relativeError(weights, with));
    // Only ratios matter, and even importance is none.
    Weights scaled = importance;
    for (float &each : scaled)
      each *= 0x1p-60f;
    EXPECT_EQ(searched(format, weights, 4, scaled), with);
    EXPECT_EQ(searched(format, weights, 4, Weights(1024, 3.0f)), without);
    EXPECT_EQ(searched(format, weights, 4, Weights(1024, 0.0f)), without);
  }
}

TEST(Search, ColumnsOfNoImportanceAreFittedAllTheSame) {
  mlir::MLIRContext context;
  for (const Reference &reference : references) {
    FormatDescription format =
        lookupFormat(context, reference.format).getDescription();
    Weights weights = WeightGenerator(8).draw(Distribution::Normal, 512);
    Weights importance(512, 1.0f);
    std::fill_n(importance.begin() + 64, 64, 0.0f);
    Weights decoded = searched(format, weights, 1, importance);
    Weights unneeded(weights.begin() + 64, weights.begin() + 128);
    Weights found(decoded.begin() + 64, decoded.begin() + 128);
    EXPECT_LT(relativeError(unneeded, found), 0.2) << reference.format;
  }
}

} // namespace
