//===- ScalarsTest.cpp - f16 and bf16 against APFloat ---------------------===//

#include "dialects/lq/Scalars.h"

#include "llvm/ADT/APFloat.h"
#include <gtest/gtest.h>
#include <random>

using namespace lq;
using llvm::APFloat;

namespace {

uint16_t narrowByApFloat(float value, const llvm::fltSemantics &semantics) {
  APFloat number(value);
  bool inexact;
  number.convert(semantics, APFloat::rmNearestTiesToEven, &inexact);
  return static_cast<uint16_t>(number.bitcastToAPInt().getZExtValue());
}

float widenByApFloat(uint16_t bits, const llvm::fltSemantics &semantics) {
  APFloat number(semantics, llvm::APInt(16, bits));
  bool inexact;
  number.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &inexact);
  return number.convertToFloat();
}

/// Values around every 16-bit one: itself, the halves to its neighbours, and a
/// bit beside each.
template <typename Check>
void forInterestingFloats(float (*widen)(uint16_t), Check check) {
  for (uint32_t bits = 0; bits < 0x8000; ++bits) {
    float value = widen(static_cast<uint16_t>(bits));
    if (std::isnan(value))
      continue;
    float next = widen(static_cast<uint16_t>(bits + 1));
    float middle = value / 2 + next / 2;
    for (float x : {value, middle, std::nextafterf(middle, 0.0f),
                    std::nextafterf(middle, INFINITY)})
      if (!std::isnan(x)) {
        check(x);
        check(-x);
      }
  }
  std::mt19937 random(1);
  for (int i = 0; i < 1000000; ++i)
    if (float x = std::bit_cast<float>(static_cast<uint32_t>(random()));
        !std::isnan(x))
      check(x);
}

TEST(Scalars, F16WidensAsApFloat) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    float value = widenF16(static_cast<uint16_t>(bits));
    float expected =
        widenByApFloat(static_cast<uint16_t>(bits), APFloat::IEEEhalf());
    if (std::isnan(expected))
      ASSERT_TRUE(std::isnan(value)) << bits;
    else
      ASSERT_EQ(std::bit_cast<uint32_t>(value),
                std::bit_cast<uint32_t>(expected))
          << bits;
  }
}

TEST(Scalars, F16NarrowsAsApFloat) {
  forInterestingFloats(widenF16, [](float x) {
    ASSERT_EQ(narrowF16(x), narrowByApFloat(x, APFloat::IEEEhalf())) << x;
  });
}

TEST(Scalars, BF16NarrowsAsApFloat) {
  forInterestingFloats(widenBF16, [](float x) {
    ASSERT_EQ(narrowBF16(x), narrowByApFloat(x, APFloat::BFloat())) << x;
  });
}

TEST(Scalars, SixteenBitsSurviveWidening) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    auto half = static_cast<uint16_t>(bits);
    ASSERT_EQ(narrowF16(widenF16(half)), half);
    ASSERT_EQ(narrowBF16(widenBF16(half)), half);
  }
}

TEST(Scalars, NanStaysNan) {
  // A payload that lies only in the bits that are cut off.
  float nan = std::bit_cast<float>(0x7f800001u);
  EXPECT_TRUE(std::isnan(widenF16(narrowF16(nan))));
  EXPECT_TRUE(std::isnan(widenBF16(narrowBF16(nan))));
}

TEST(Scalars, LoadsFromAnyAddress) {
  char bytes[8] = {};
  for (Scalar scalar : {Scalar::F32, Scalar::F16, Scalar::BF16}) {
    storeScalar(scalar, -1.5f, bytes + 1);
    EXPECT_EQ(loadScalar(scalar, bytes + 1), -1.5f);
  }
}

} // namespace
