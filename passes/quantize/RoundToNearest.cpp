//===- RoundToNearest.cpp - codes and scales from weights -----------------===//

#include "passes/quantize/RoundToNearest.h"
#include "dialects/lq/Scalars.h"

#include <algorithm>
#include <cmath>

using namespace lq;

static constexpr uint32_t infinityBits = 0x7f800000;

/// The bits of |value|; they order like the magnitudes, and comparing integers
/// vectorizes where comparing floats that may be NaN does not.
static uint32_t magnitudeBits(float value) {
  return std::bit_cast<uint32_t>(value) & 0x7fffffff;
}

static uint32_t largestMagnitude(llvm::ArrayRef<float> values) {
  uint32_t largest = 0;
  for (float value : values)
    largest = std::max(largest, magnitudeBits(value));
  return largest;
}

size_t lq::findNotFinite(llvm::ArrayRef<float> weights) {
  if (largestMagnitude(weights) < infinityBits)
    return weights.size();
  const float *found = llvm::find_if(
      weights, [](float x) { return magnitudeBits(x) >= infinityBits; });
  return found - weights.begin();
}

/// The scale of a group, not yet rounded to the type that stores it.
static float groupScale(const FormatDescription &format,
                        llvm::ArrayRef<float> group) {
  uint32_t largest = largestMagnitude(group);
  if (format.scaleRule == ScaleRule::AbsoluteMaximum) {
    int highest = (1 << format.bits) - 1 - format.zero;
    return std::bit_cast<float>(largest) / static_cast<float>(highest);
  }
  const float *first = llvm::find_if(
      group, [&](float x) { return magnitudeBits(x) == largest; });
  return *first / static_cast<float>(-format.zero);
}

/// The integer nearest to each x * inverse, plus `zero`; halves away from zero.
static void roundHalfAway(llvm::ArrayRef<float> group, float inverse, int zero,
                          int highest, uint8_t *codes) {
  for (size_t i = 0; i < group.size(); ++i) {
    float level = group[i] * inverse;
    float magnitude = std::fabs(level);
    int whole = static_cast<int>(magnitude);
    whole += static_cast<int>(2 * (magnitude - static_cast<float>(whole)));
    int code = (level < 0 ? -whole : whole) + zero;
    codes[i] = static_cast<uint8_t>(std::clamp(code, 0, highest));
  }
}

/// The same, but halves up.
static void roundHalfUp(llvm::ArrayRef<float> group, float inverse, int zero,
                        int highest, uint8_t *codes) {
  float offset = static_cast<float>(zero) + 0.5f;
  for (size_t i = 0; i < group.size(); ++i) {
    int code = static_cast<int>(group[i] * inverse + offset);
    codes[i] = static_cast<uint8_t>(std::clamp(code, 0, highest));
  }
}

/// Scale and codes of a group. The codes are taken with the scale before it is
/// rounded to its type, as the reference quantizers do.
static float roundGroup(const FormatDescription &format,
                        llvm::ArrayRef<float> group, uint8_t *codes) {
  float scale = groupScale(format, group);
  float inverse = scale == 0 ? 0 : 1 / scale;
  int highest = (1 << format.bits) - 1;
  bool halfAway = format.rounding == Rounding::HalfAway;
  // The scale is a subnormal number whose inverse overflows. It rounds to zero
  // in 16 bits, so any code would do; these are the reference's.
  if (std::isinf(inverse))
    std::fill_n(codes, group.size(),
                static_cast<uint8_t>(halfAway ? format.zero : 0));
  else if (halfAway)
    roundHalfAway(group, inverse, format.zero, highest, codes);
  else
    roundHalfUp(group, inverse, format.zero, highest, codes);
  return roundToScalar(format.scale, scale);
}

void lq::roundToNearest(const FormatDescription &format,
                        llvm::ArrayRef<float> weights, Planes &planes) {
  if (!format.hasCodes()) {
    for (size_t i = 0; i < weights.size(); ++i)
      planes.values[i] = roundToScalar(format.element, weights[i]);
    return;
  }
  for (size_t g = 0; g < planes.scales.size(); ++g)
    planes.scales[g] =
        roundGroup(format, weights.slice(g * format.group, format.group),
                   planes.codes.data() + g * format.group);
}
