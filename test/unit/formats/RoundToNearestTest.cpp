//===- RoundToNearestTest.cpp - codes and scales from weights -------------===//

#include "passes/quantize/RoundToNearest.h"
#include "dialects/lq/LqOps.h"

#include <gtest/gtest.h>
#include <random>

using namespace lq;

namespace {

struct RoundToNearestTest : testing::Test {
  mlir::MLIRContext context;

  static Planes round(const FormatDescription &format,
                      const std::vector<float> &weights, int64_t rows = 1) {
    Planes planes;
    planes.resize(format, rows, static_cast<int64_t>(weights.size()) / rows);
    roundToNearest(format, weights, planes);
    return planes;
  }
};

/// A small symmetric format: levels -3 .. 3 (code 0 is unused), groups of 4.
FormatDescription absoluteFormat() {
  FormatDescription format;
  format.level = LevelKind::Integer;
  format.bits = 3;
  format.zero = 4;
  format.group = 4;
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
  EXPECT_EQ(planes.scales[0], 2.0f);
  // -3, 1.5 away from zero, 0.5 away from zero, 0
  EXPECT_EQ(planes.codes, (std::vector<uint8_t>{1, 6, 5, 4}));
}

TEST_F(RoundToNearestTest, HalvesGoAwayFromZeroOnBothSides) {
  Planes planes = round(absoluteFormat(), {3, -1.5, 0.5, -0.5});
  EXPECT_EQ(planes.codes, (std::vector<uint8_t>{7, 2, 5, 3}));
}

TEST_F(RoundToNearestTest, LargestMagnitudeKeepsItsSignInTheScale) {
  Planes positive = round(signedFormat(), {4, -1, 0, 2});
  EXPECT_EQ(positive.scales[0], -1.0f);
  EXPECT_EQ(positive.codes, (std::vector<uint8_t>{0, 5, 4, 2}));
  Planes negative = round(signedFormat(), {-4, 1, 0, 4});
  EXPECT_EQ(negative.scales[0], 1.0f);
  // 4 / 1 + 4 is one above the highest code
  EXPECT_EQ(negative.codes, (std::vector<uint8_t>{0, 5, 4, 7}));
}

TEST_F(RoundToNearestTest, HalvesGoUp) {
  Planes planes = round(signedFormat(), {-4, 0.5, -0.5, -1.5});
  EXPECT_EQ(planes.codes, (std::vector<uint8_t>{0, 5, 4, 3}));
}

TEST_F(RoundToNearestTest, FirstOfEqualMagnitudesGivesTheSign) {
  EXPECT_EQ(round(signedFormat(), {0, 4, -4, 4}).scales[0], -1.0f);
  EXPECT_EQ(round(signedFormat(), {0, -4, 4, 4}).scales[0], 1.0f);
}

TEST_F(RoundToNearestTest, ZerosStayZero) {
  for (FormatAttrInterface each : listFormats(context)) {
    FormatDescription format = each.getDescription();
    Planes planes = round(format, std::vector<float>(2 * format.group, 0.0f));
    std::vector<float> weights(2 * format.group, 1.0f);
    dequantize(format, planes, weights);
    for (float weight : weights)
      EXPECT_EQ(weight, 0.0f) << each.getFormatName().str();
  }
}

TEST_F(RoundToNearestTest, SubnormalScalesGiveZeroWeights) {
  Planes planes = round(absoluteFormat(), {1e-45f, -1e-45f, 0, 0});
  std::vector<float> weights(4, 1.0f);
  dequantize(absoluteFormat(), planes, weights);
  EXPECT_EQ(weights, (std::vector<float>{0, 0, 0, 0}));
}

TEST_F(RoundToNearestTest, ErrorIsAtMostHalfAStep) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  for (FormatAttrInterface each : listFormats(context)) {
    FormatDescription format = each.getDescription();
    if (!format.hasCodes())
      continue;
    std::vector<float> weights(64 * format.group);
    for (float &weight : weights)
      weight = normal(random);
    Planes planes = round(format, weights, 2);
    std::vector<float> decoded(weights.size());
    dequantize(format, planes, decoded);
    for (size_t i = 0; i < weights.size(); ++i) {
      float step = std::fabs(planes.scales[i / format.group]);
      // The last level of one sign is a whole step away under SignedMaximum;
      // the f16 scale is off by at most 2^-11, times the number of levels.
      float bound = format.scaleRule == ScaleRule::SignedMaximum ? 1.0f : 0.5f;
      float slack = static_cast<float>(1 << format.bits) * 0x1p-11f;
      ASSERT_LE(std::fabs(weights[i] - decoded[i]), step * (bound + slack))
          << each.getFormatName().str() << " " << i;
    }
  }
}

TEST_F(RoundToNearestTest, TooLargeWeightsGiveAnInfiniteScale) {
  Planes planes = round(absoluteFormat(), {1e30f, 0, 0, 0});
  EXPECT_EQ(findNotFinite(planes.scales), 0u);
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
