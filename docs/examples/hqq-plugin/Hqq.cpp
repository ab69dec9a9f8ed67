//===- Hqq.cpp - half-quadratic quantization ------------------------------===//

#include "Hqq.h"
#include "dialects/lq/Scalars.h"
#include "passes/quantize/RoundToNearest.h"

#include <algorithm>
#include <cmath>

using namespace hqq;
using lq::FormatDescription;
using lq::GroupNumber;
using lq::Planes;

bool hqq::isSupported(const FormatDescription &format) {
  bool hasScale = format.scale.kind == GroupNumber::Kind::Direct;
  bool hasOffset = format.offset.kind == GroupNumber::Kind::Direct ||
                   format.offset.kind == GroupNumber::Kind::ZeroPoint;
  return format.level == lq::LevelKind::Integer && format.runs.empty() &&
         hasScale && hasOffset;
}

namespace {

/// One group: its weights in units of its scale, and the search over the level
/// that stands for zero.
class Group {
public:
  Group(const FormatDescription &format, const Options &options,
        llvm::ArrayRef<float> weights, float scale)
      : options(options), highest((1 << format.bits) - 1) {
    for (float weight : weights)
      steps.push_back(weight / scale);
    codes.resize(weights.size());
  }

  /// The best zero near `zero`.
  float search(float zero);
  /// Sets the codes for a zero; returns the sum of |error|^p.
  float round(float zero);

  std::vector<uint8_t> codes;

private:
  float shrink(float error, float beta) const;

  const Options &options;
  int highest;
  std::vector<float> steps;
};

} // namespace

float Group::round(float zero) {
  float sum = 0;
  for (auto [step, code] : llvm::zip_equal(steps, codes)) {
    float level =
        std::clamp(std::round(step + zero), 0.0f, static_cast<float>(highest));
    code = static_cast<uint8_t>(level);
    sum += std::pow(std::fabs(step - (level - zero)), options.norm);
  }
  return sum;
}

/// The proximal operator of |x|^p / beta, by one generalized soft threshold: the
/// part of an error that is taken for an outlier and left to itself.
float Group::shrink(float error, float beta) const {
  float size = std::fabs(error);
  if (size == 0)
    return 0;
  float kept = size - std::pow(size, options.norm - 1) / beta;
  return std::copysign(std::max(kept, 0.0f), error);
}

/// Alternates between the outliers and the zero that is best without them;
/// beta, which ties the two together, grows.
float Group::search(float zero) {
  constexpr float growth = 1.01f;
  constexpr int patience = 3;
  float best = zero, bestError = round(zero), beta = 10;
  int worse = 0;
  for (int i = 0; i < options.iterations; ++i, beta *= growth) {
    round(zero);
    float sum = 0;
    for (auto [step, code] : llvm::zip_equal(steps, codes)) {
      float level = static_cast<float>(code);
      float outlier = shrink(step - (level - zero), beta);
      sum += level - (step - outlier);
    }
    zero = sum / static_cast<float>(steps.size());
    float error = round(zero);
    if (error < bestError) {
      best = zero;
      bestError = error;
      worse = 0;
    } else if (++worse == patience) {
      break;
    }
  }
  return best;
}

/// Searches one group. `at` is its place among the groups of the planes, `first`
/// that of its first weight.
static void refine(const FormatDescription &format, const Options &options,
                   llvm::ArrayRef<float> weights, int64_t first, int64_t at,
                   Planes &planes) {
  float scale = planes.scale.numbers[at];
  if (!(scale > 0) || std::isinf(scale))
    return;
  Group group(format, options, weights, scale);
  bool isInteger = format.offset.kind == GroupNumber::Kind::ZeroPoint;
  auto atNumber = static_cast<float>(format.zero);
  float before = isInteger ? static_cast<float>(planes.offset.integers[at])
                           : atNumber - planes.offset.numbers[at] / scale;
  float found = group.search(before);

  // What can be stored of it.
  if (isInteger)
    found = std::clamp(std::round(found), 0.0f,
                       static_cast<float>((1 << format.offset.bits) - 1));
  float offset =
      lq::roundToScalar(format.offset.type, (atNumber - found) * scale);
  if (!isInteger)
    found = atNumber - offset / scale;
  if (group.round(found) >= group.round(before))
    return;
  group.round(found);
  llvm::copy(group.codes, planes.codes.begin() + first);
  if (isInteger)
    planes.offset.integers[at] = static_cast<uint8_t>(found);
  else
    planes.offset.numbers[at] = offset;
}

void hqq::quantize(const FormatDescription &format,
                   llvm::ArrayRef<float> weights, const Options &options,
                   Planes &planes) {
  lq::roundToNearest(format, weights, planes);
  int64_t size = format.groupColumns(planes.columns);
  int64_t groups = format.groupCount(planes.columns);
  for (int64_t row = 0; row < planes.rows; ++row)
    for (int64_t g = 0; g < groups; ++g) {
      int64_t first = row * planes.columns + g * size;
      int64_t count = std::min(size, planes.columns - g * size);
      refine(format, options, weights.slice(first, count), first,
             row * groups + g, planes);
    }
}
