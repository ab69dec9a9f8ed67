//===- RoundToNearestTest.cpp - codes and scales from weights -------------===//

#include "passes/quantize/RoundToNearest.h"
#include "dialects/lq/LqOps.h"
#include "test/unit/formats/RandomPlanes.h"

#include <gtest/gtest.h>

using namespace lq;

namespace {

struct RoundToNearestTest : testing::Test {
  mlir::MLIRContext context;

  static Planes round(const FormatDescription &format,
                      const std::vector<float> &weights, int64_t rows = 1) {
    Planes planes;
    int64_t columns = static_cast<int64_t>(weights.size()) / rows;
    planes.resize(format, rows, columns);
    if (format.scale.isShared()) {
      std::vector<float> factors(format.superGroupCount(columns));
      raiseSharedFactors(format, weights, columns, factors);
      for (int64_t row = 0; row < rows; ++row)
        llvm::copy(factors, planes.scale.numbers.begin() +
                                row * static_cast<int64_t>(factors.size()));
    }
    roundToNearest(format, weights, planes);
    return planes;
  }
};

/// A small symmetric format: levels -3 .. 3 (code 0 is unused), groups of 4.
FormatDescription absoluteFormat() {
  FormatDescription format = integerFormat(3, 4, directNumber(Scalar::F16));
  format.zero = 4;
  format.scaleRule = ScaleRule::AbsoluteMaximum;
  format.rounding = Rounding::HalfAway;
  return format;
}

/// The same with levels -4 .. 3.
FormatDescription signedFormat() {
  FormatDescription format = absoluteFormat();
  format.scaleRule = ScaleRule::SignedMaximum;
  format.rounding = Rounding::HalfUp;
  return format;
}

TEST_F(RoundToNearestTest, LargestMagnitudeMapsToTheLargestLevel) {
  Planes planes = round(absoluteFormat(), {-6, 3, 1, 0});
  EXPECT_EQ(planes.scale.numbers[0], 2.0f);
  // -3, 1.5 away from zero, 0.5 away from zero, 0
  EXPECT_EQ(planes.codes, (std::vector<uint8_t>{1, 6, 5, 4}));
}

TEST_F(RoundToNearestTest, HalvesGoAwayFromZeroOnBothSides) {
  Planes planes = round(absoluteFormat(), {3, -1.5, 0.5, -0.5});
  EXPECT_EQ(planes.codes, (std::vector<uint8_t>{7, 2, 5, 3}));
}

TEST_F(RoundToNearestTest, LargestMagnitudeKeepsItsSignInTheScale) {
  Planes positive = round(signedFormat(), {4, -1, 0, 2});
  EXPECT_EQ(positive.scale.numbers[0], -1.0f);
  EXPECT_EQ(positive.codes, (std::vector<uint8_t>{0, 5, 4, 2}));
  Planes negative = round(signedFormat(), {-4, 1, 0, 4});
  EXPECT_EQ(negative.scale.numbers[0], 1.0f);
  // 4 / 1 + 4 is one above the highest code
  EXPECT_EQ(negative.codes, (std::vector<uint8_t>{0, 5, 4, 7}));
}

TEST_F(RoundToNearestTest, HalvesGoUp) {
  Planes planes = round(signedFormat(), {-4, 0.5, -0.5, -1.5});
  EXPECT_EQ(planes.codes, (std::vector<uint8_t>{0, 5, 4, 3}));
}

TEST_F(RoundToNearestTest, FirstOfEqualMagnitudesGivesTheSign) {
  EXPECT_EQ(round(signedFormat(), {0, 4, -4, 4}).scale.numbers[0], -1.0f);
  EXPECT_EQ(round(signedFormat(), {0, -4, 4, 4}).scale.numbers[0], 1.0f);
}

TEST_F(RoundToNearestTest, ZerosStayZero) {
  for (FormatAttrInterface each : listFormats(context)) {
    FormatDescription format = each.getDescription();
    Planes planes = round(format, std::vector<float>(1024, 0.0f), 2);
    std::vector<float> weights(1024, 1.0f);
    dequantize(format, planes, weights);
    for (float weight : weights)
      ASSERT_EQ(weight, 0.0f) << each.getFormatName().str();
  }
}

TEST_F(RoundToNearestTest, SubnormalScalesGiveZeroWeights) {
  Planes planes = round(absoluteFormat(), {1e-45f, -1e-45f, 0, 0});
  std::vector<float> weights(4, 1.0f);
  dequantize(absoluteFormat(), planes, weights);
  EXPECT_EQ(weights, (std::vector<float>{0, 0, 0, 0}));
}

TEST_F(RoundToNearestTest, NoOtherCodeIsNearer) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  for (FormatAttrInterface each : listFormats(context)) {
    FormatDescription format = each.getDescription();
    if (!format.hasCodes())
      continue;
    const int64_t rows = 3, columns = 1024;
    std::vector<float> weights(rows * columns);
    for (float &weight : weights)
      weight = normal(random);
    Planes planes = round(format, weights, rows);
    std::vector<float> decoded(weights.size());
    dequantize(format, planes, decoded);
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t k = 0; k < columns; ++k) {
        int64_t group = k / format.groupColumns(columns);
        float scale = scaleAt(format, planes, row, group);
        float offset = offsetAt(format, planes, row, group);
        float weight = weights[row * columns + k];
        float least = INFINITY, largest = std::fabs(offset);
        for (unsigned code = 0; code < (1u << format.bits); ++code) {
          float level = scale * format.levelOf(static_cast<uint8_t>(code));
          least = std::min(least, std::fabs(weight - (level + offset)));
          largest = std::max(largest, std::fabs(level));
        }
        // Numbers of 16 bits are off by 2^-11 (2^-8) after codes were chosen.
        float slack = format.scale.type == Scalar::BF16 ? 0x1p-7f : 0x1p-10f;
        ASSERT_LE(std::fabs(weight - decoded[row * columns + k]),
                  least + largest * slack)
            << each.getFormatName().str() << " " << row << ", " << k;
      }
  }
}

/// Codes from 0 at the least value of the group to 7 at the largest.
TEST_F(RoundToNearestTest, EndsMapToTheEndsOfTheLevels) {
  FormatDescription format =
      integerFormat(3, 4, directNumber(Scalar::F16), directNumber(Scalar::F16));
  format.scaleRule = ScaleRule::MinimumMaximum;
  format.rounding = Rounding::HalfUp;
  Planes planes = round(format, {-3, 11, 0, 2, 5, 5, 5, 5});
  EXPECT_EQ(planes.scale.numbers, (std::vector<float>{2, 0}));
  EXPECT_EQ(planes.offset.numbers, (std::vector<float>{-3, 5}));
  EXPECT_EQ(planes.codes, (std::vector<uint8_t>{0, 7, 2, 3, 0, 0, 0, 0}));
}

TEST_F(RoundToNearestTest, ZeroPointsKeepZeroExact) {
  FormatDescription format =
      integerFormat(3, 4, directNumber(Scalar::F16), zeroPointNumber(3));
  format.scaleRule = ScaleRule::MinimumMaximum;
  // From -3 to 11; 7 to 14 and thus 0 to 14; -7 to 0.
  Planes planes = round(format, {-3, 11, 0, 2, 14, 7, 9, 14, -7, -7, -2, -1});
  EXPECT_EQ(planes.scale.numbers, (std::vector<float>{2, 2, 1}));
  EXPECT_EQ(planes.offset.integers, (std::vector<uint8_t>{2, 0, 7}));
  EXPECT_EQ(planes.codes,
            (std::vector<uint8_t>{0, 7, 2, 3, 7, 4, 5, 7, 0, 0, 5, 6}));
}

TEST_F(RoundToNearestTest, PowersOfTwoCoverTheLargestMagnitude) {
  static constexpr float levels[] = {0, 1, 2, 3, 0, -1, -2, -3};
  FormatDescription format = integerFormat(3, 4, directNumber(Scalar::E8M0));
  format.level = LevelKind::Table;
  format.levels = levels;
  format.scaleRule = ScaleRule::PowerOfTwo;
  Planes planes = round(format, {9, -1, -3, 2, 0.3f, 0.1f, 0, -0.25f});
  // 8 = 2^3 and 2 = 2^1, so 2^2; 0.25 = 2^-2 and 2^1, so 2^-3.
  EXPECT_EQ(planes.scale.numbers, (std::vector<float>{4, 0.125f}));
  // -0.25 and 0.5 of a step; halves go to the lower code.
  EXPECT_EQ(planes.codes, (std::vector<uint8_t>{2, 0, 5, 0, 2, 1, 0, 6}));
}

TEST_F(RoundToNearestTest, TablesMapTheirLargestLevel) {
  static constexpr float levels[] = {-1, -0.5f, 0.25f, 0.75f};
  FormatDescription format = integerFormat(2, 3, directNumber(Scalar::F32));
  format.level = LevelKind::Table;
  format.levels = levels;
  format.scaleRule = ScaleRule::AbsoluteMaximum;
  // The last group has one column.
  Planes planes = round(format, {4, -1, 0, 2});
  EXPECT_EQ(planes.scale.numbers, (std::vector<float>{4, 2}));
  EXPECT_EQ(planes.codes, (std::vector<uint8_t>{3, 1, 2, 3}));
}

/// The factor is what the row with the largest weights needs; the others take
/// the multiple of it whose squared error is least.
TEST_F(RoundToNearestTest, SharedFactorsServeAllRows) {
  FormatDescription format =
      integerFormat(4, 4, squareNumber(Scalar::F16, 4), {}, 4);
  format.zero = 8;
  format.scaleRule = ScaleRule::AbsoluteMaximum;
  Planes planes =
      round(format, {7, -7, 3, 1, 1.75, -1.75, 0.5, 0.25, 0, 0, 0, 0}, 3);
  // (16 / 16)^2, and (8 / 16)^2 of it for a quarter of the weights.
  EXPECT_EQ(planes.scale.numbers, (std::vector<float>{1, 1, 1}));
  EXPECT_EQ(planes.scale.integers[0], 15);
  EXPECT_EQ(planes.scale.integers[1], 7);
  EXPECT_EQ(planes.codes,
            (std::vector<uint8_t>{15, 1, 11, 9, 15, 1, 10, 9, 8, 8, 8, 8}));
}

TEST_F(RoundToNearestTest, RunsAreRoundedWithTheirBits) {
  FormatDescription format = mixedBitsFormat();
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  const int64_t rows = 9, columns = 768;
  std::vector<float> weights(rows * columns), decoded(weights.size());
  for (float &weight : weights)
    weight = normal(random);
  Planes planes = round(format, weights, rows);
  dequantize(format, planes, decoded);
  double before = 0;
  for (const FormatRun &run : format.splitColumns(columns)) {
    double error = 0;
    for (int64_t i = 0; i < rows * run.columns; ++i) {
      int64_t at =
          i / run.columns * columns + run.firstColumn + i % run.columns;
      ASSERT_LT(planes.codes[at], 1 << run.format.bits);
      error += std::pow(weights[at] - decoded[at], 2);
    }
    error /= static_cast<double>(rows * run.columns);
    // A bit less is about four times the error.
    EXPECT_GT(error, 2 * before) << run.format.bits;
    EXPECT_LT(error, 0.6) << run.format.bits;
    before = error;
  }
}

TEST_F(RoundToNearestTest, TooLargeWeightsGiveAnInfiniteScale) {
  Planes planes = round(absoluteFormat(), {1e30f, 0, 0, 0});
  EXPECT_EQ(findNotFinite(planes.scale.numbers), 0u);
}

TEST_F(RoundToNearestTest, FindsWhatIsNotFinite) {
  std::vector<float> weights(100, 1.0f);
  EXPECT_EQ(findNotFinite(weights), 100u);
  weights[70] = -INFINITY;
  EXPECT_EQ(findNotFinite(weights), 70u);
  weights[30] = NAN;
  EXPECT_EQ(findNotFinite(weights), 30u);
  weights[30] = -3.4e38f;
  EXPECT_EQ(findNotFinite(weights), 70u);
  EXPECT_EQ(findNotFinite({}), 0u);
}

} // namespace
