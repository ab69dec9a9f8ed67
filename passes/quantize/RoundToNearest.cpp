//===- RoundToNearest.cpp - codes and scales from weights -----------------===//

#include "passes/quantize/RoundToNearest.h"
#include "dialects/lq/Scalars.h"
#include "passes/quantize/Levels.h"
#include "passes/quantize/Search.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>
#include <mutex>

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

namespace {

/// The parts of the planes that belong to one group.
struct Group {
  llvm::ArrayRef<float> values;
  uint8_t *codes;
  float *scale;
  float *offset;      // null but for Direct offsets
  uint8_t *zeroPoint; // null but for ZeroPoint offsets
  uint8_t *multiple;  // of the scale's factor; null but for Square scales
};

/// Rounds the groups of a format one at a time. Codes are taken with the scale
/// before it is rounded to its type, as the reference quantizers do, but for
/// zero points, of which there is no one reference.
class GroupRounder {
public:
  explicit GroupRounder(const FormatDescription &format)
      : format(format), levels(format), highest((1 << format.bits) - 1) {}

  void round(const Group &group);

private:
  const FormatDescription &format;
  SortedLevels levels;
  int highest;
  std::vector<uint8_t> indices;

  void roundByMagnitude(const Group &group);
  void roundFromMinimum(const Group &group);
  void roundWithZeroPoint(const Group &group);
  void roundWithFactor(const Group &group);
  void roundAtScale(const Group &group, float scale);
  double errorAtScale(const Group &group, float scale) const;
  float scaleOfMagnitude(llvm::ArrayRef<float> values) const;
  void roundToTable(const Group &group, float inverse);
  void roundHalfAway(const Group &group, float inverse, int zero);
  void roundHalfUp(const Group &group, float inverse);
};

} // namespace

/// The scale of a group, not yet rounded to the type that stores it.
float GroupRounder::scaleOfMagnitude(llvm::ArrayRef<float> values) const {
  uint32_t bits = largestMagnitude(values);
  auto largest = std::bit_cast<float>(bits);
  switch (format.scaleRule) {
  case ScaleRule::SignedMaximum: {
    const float *first = llvm::find_if(
        values, [&](float x) { return magnitudeBits(x) == bits; });
    return *first / levels.lowest();
  }
  case ScaleRule::PowerOfTwo: {
    if (largest == 0)
      return 0;
    int exponent = std::ilogb(largest) - std::ilogb(levels.largest());
    return std::ldexp(1.0f, std::max(exponent, -127));
  }
  default:
    return largest / (format.level == LevelKind::Table ? levels.largest()
                                                       : levels.highest());
  }
}

/// The level nearest to each value * inverse.
void GroupRounder::roundToTable(const Group &group, float inverse) {
  indices.assign(group.values.size(), 0);
  for (float bound : levels.bounds)
    for (size_t i = 0; i < indices.size(); ++i)
      indices[i] = static_cast<uint8_t>(indices[i] +
                                        (group.values[i] * inverse > bound));
  for (size_t i = 0; i < indices.size(); ++i)
    group.codes[i] = levels.codes[indices[i]];
}

/// The integer nearest to each value * inverse, plus `zero`; halves away from
/// zero.
void GroupRounder::roundHalfAway(const Group &group, float inverse, int zero) {
  for (size_t i = 0; i < group.values.size(); ++i) {
    float level = group.values[i] * inverse;
    float magnitude = std::fabs(level);
    int whole = static_cast<int>(magnitude);
    whole += static_cast<int>(2 * (magnitude - static_cast<float>(whole)));
    int code = (level < 0 ? -whole : whole) + zero;
    group.codes[i] = static_cast<uint8_t>(std::clamp(code, 0, highest));
  }
}

/// The same, but halves up.
void GroupRounder::roundHalfUp(const Group &group, float inverse) {
  float half = static_cast<float>(format.zero) + 0.5f;
  for (size_t i = 0; i < group.values.size(); ++i) {
    int code = static_cast<int>(group.values[i] * inverse + half);
    group.codes[i] = static_cast<uint8_t>(std::clamp(code, 0, highest));
  }
}

/// The codes for a scale that is not yet rounded to its type.
void GroupRounder::roundAtScale(const Group &group, float scale) {
  float inverse = scale == 0 ? 0 : 1 / scale;
  bool halfAway = format.rounding == Rounding::HalfAway;
  // The scale is a subnormal number whose inverse overflows. It rounds to zero
  // in 16 bits, so any code would do; these are the reference's.
  if (std::isinf(inverse))
    std::fill_n(group.codes, group.values.size(),
                static_cast<uint8_t>(halfAway ? format.zero : 0));
  else if (format.level == LevelKind::Table)
    roundToTable(group, inverse);
  else if (halfAway)
    roundHalfAway(group, inverse, format.zero);
  else
    roundHalfUp(group, inverse);
}

void GroupRounder::roundByMagnitude(const Group &group) {
  float scale = scaleOfMagnitude(group.values);
  roundAtScale(group, scale);
  *group.scale = roundToScalar(format.scale.type, scale);
}

double GroupRounder::errorAtScale(const Group &group, float scale) const {
  double sum = 0;
  for (size_t i = 0; i < group.values.size(); ++i) {
    double error = group.values[i] - scale * format.levelOf(group.codes[i]);
    sum += error * error;
  }
  return sum;
}

/// The factor is given; of the multiples below and above the scale that is
/// wanted, the one with the smaller squared error.
void GroupRounder::roundWithFactor(const Group &group) {
  float wanted = scaleOfMagnitude(group.values), factor = *group.scale;
  int last = (1 << format.scale.bits) - 1;
  float root = factor > 0 ? std::sqrt(wanted / factor) : 0;
  int below = static_cast<int>(root * static_cast<float>(last + 1)) - 1;
  auto multiple = static_cast<uint8_t>(std::clamp(below, 0, last));
  auto next = static_cast<uint8_t>(std::min<int>(multiple + 1, last));
  auto tryMultiple = [&](uint8_t integer) {
    float scale = factor * format.scale.multipleOf(integer);
    roundAtScale(group, scale);
    return errorAtScale(group, scale);
  };
  double error = tryMultiple(multiple);
  if (tryMultiple(next) < error)
    multiple = next;
  else
    tryMultiple(multiple);
  *group.multiple = multiple;
}

/// The least value at level 0, the largest at the highest.
void GroupRounder::roundFromMinimum(const Group &group) {
  auto [least, largest] =
      std::minmax_element(group.values.begin(), group.values.end());
  float minimum = *least;
  float scale = (*largest - minimum) / static_cast<float>(highest);
  float inverse = scale == 0 ? 0 : 1 / scale;
  // The scale is a subnormal number; any code would do.
  if (std::isinf(inverse))
    inverse = 0;
  for (size_t i = 0; i < group.values.size(); ++i) {
    float level = (group.values[i] - minimum) * inverse + 0.5f;
    // What is not below is NaN too, of numbers whose difference overflows.
    group.codes[i] = static_cast<uint8_t>(
        level < static_cast<float>(highest + 1) ? static_cast<int>(level)
                                                : highest);
  }
  *group.scale = roundToScalar(format.scale.type, scale);
  *group.offset = roundToScalar(format.offset.type, minimum);
}

/// The same from an integer level that stands for zero, which thus is exact.
void GroupRounder::roundWithZeroPoint(const Group &group) {
  auto [least, largest] =
      std::minmax_element(group.values.begin(), group.values.end());
  float minimum = std::min(*least, 0.0f), maximum = std::max(*largest, 0.0f);
  float steps = static_cast<float>(highest);
  float scale =
      roundToScalar(format.scale.type, maximum / steps - minimum / steps);
  *group.scale = scale;
  float inverse = scale == 0 ? 0 : 1 / scale;
  if (std::isinf(inverse))
    inverse = 0;
  int last = std::min(highest, (1 << format.offset.bits) - 1);
  int zero =
      std::clamp(static_cast<int>(std::lrint(-minimum * inverse)), 0, last);
  *group.zeroPoint = static_cast<uint8_t>(zero);
  roundHalfAway(group, inverse, zero);
}

void GroupRounder::round(const Group &group) {
  if (group.multiple)
    return roundWithFactor(group);
  if (group.zeroPoint)
    return roundWithZeroPoint(group);
  if (group.offset)
    return roundFromMinimum(group);
  roundByMagnitude(group);
}

/// Rounds a run of columns of all rows.
static void roundRun(const FormatDescription &format, const FormatRun &run,
                     llvm::ArrayRef<float> weights, Planes &planes) {
  GroupRounder rounder(run.format);
  int64_t groups = format.groupCount(planes.columns);
  int64_t size = run.groupColumns();
  for (int64_t row = 0; row < planes.rows; ++row)
    for (int64_t g = 0; g < run.groupCount(); ++g) {
      int64_t at = row * groups + run.firstGroup + g;
      int64_t first = row * planes.columns + run.firstColumn + g * size;
      int64_t count = std::min(size, run.columns - g * size);
      rounder.round(
          {weights.slice(first, count), &planes.codes[first],
           &planes.scale.numbers[at],
           format.offset.hasNumbers() ? &planes.offset.numbers[at] : nullptr,
           format.offset.hasIntegers() ? &planes.offset.integers[at] : nullptr,
           format.scale.hasIntegers() ? &planes.scale.integers[at] : nullptr});
    }
}

void lq::roundToNearest(const FormatDescription &format,
                        llvm::ArrayRef<float> weights, Planes &planes,
                        llvm::ArrayRef<float> importance) {
  if (!format.hasCodes()) {
    for (size_t i = 0; i < weights.size(); ++i)
      planes.values[i] = roundToScalar(format.element, weights[i]);
    return;
  }
  if (format.scaleRule == ScaleRule::Search)
    return searchNumbers(format, weights, importance, planes);
  for (const FormatRun &run : format.splitColumns(planes.columns))
    roundRun(format, run, weights, planes);
}

std::vector<float> lq::findSharedFactors(
    const FormatDescription &format, int64_t rows, int64_t columns,
    llvm::function_ref<std::vector<float>(int64_t first, int64_t rows)>
        readRows,
    ParallelFor parallelFor) {
  if (!format.scale.isShared())
    return {};
  constexpr int64_t slab = 64;
  std::vector<float> factors(format.superGroupCount(columns));
  std::mutex mutex;
  parallelFor((rows + slab - 1) / slab, [&](int64_t i) {
    int64_t first = i * slab;
    std::vector<float> weights = readRows(first, std::min(slab, rows - first));
    std::vector<float> own(factors.size());
    raiseSharedFactors(format, weights, columns, own);
    std::lock_guard<std::mutex> lock(mutex);
    for (auto [factor, raised] : llvm::zip_equal(factors, own))
      factor = std::max(factor, raised);
  });
  return factors;
}

void lq::setSharedFactors(llvm::ArrayRef<float> factors, Planes &planes) {
  std::vector<float> &numbers = planes.scale.numbers;
  for (size_t at = 0; at < numbers.size() && !factors.empty();
       at += factors.size())
    llvm::copy(factors, numbers.begin() + at);
}

void lq::raiseSharedFactors(const FormatDescription &format,
                            llvm::ArrayRef<float> weights, int64_t columns,
                            llvm::MutableArrayRef<float> factors) {
  for (const FormatRun &run : format.splitColumns(columns)) {
    SortedLevels levels(run.format);
    for (size_t row = 0; row < weights.size(); row += columns)
      for (int64_t g = 0; g < run.superGroupCount(); ++g) {
        int64_t first = g * run.format.superGroup;
        llvm::ArrayRef<float> values =
            weights.slice(row + run.firstColumn + first,
                          std::min(run.format.superGroup, run.columns - first));
        float &factor = factors[run.firstSuperGroup + g];
        float needed =
            std::bit_cast<float>(largestMagnitude(values)) / levels.highest();
        factor = std::max(factor, roundToScalar(format.scale.type, needed));
      }
  }
}
