//===- LevelRounder.cpp - codes by numbers that are given -----------------===//

#include "passes/quantize/LevelRounder.h"
#include "passes/quantize/WideVectors.h"

#include <algorithm>
#include <cmath>

using namespace lq;

void LevelNumbers::resize(size_t count) {
  for (std::vector<float> *each : {&scale, &inverse, &zero, &offset})
    each->resize(count);
}

void LevelNumbers::set(size_t i, const FormatDescription &format,
                       const FormatRun &run, const Planes &planes, int64_t row,
                       int64_t group) {
  float found = scaleAt(format, planes, row, group);
  scale[i] = found;
  inverse[i] = found == 0 ? 0 : 1 / found;
  // Of a subnormal scale; any code would do.
  if (!std::isfinite(inverse[i]))
    inverse[i] = 0;
  zero[i] = static_cast<float>(run.format.zero);
  offset[i] = 0;
  if (format.offset.kind == GroupNumber::Kind::ZeroPoint)
    zero[i] += static_cast<float>(
        planes.offset
            .integers[row * format.groupCount(planes.columns) + group]);
  else
    offset[i] = offsetAt(format, planes, row, group);
}

void LevelNumbers::setAll(size_t count, const FormatDescription &format,
                          const FormatRun &run, const Planes &planes,
                          int64_t row, int64_t group) {
  resize(count);
  set(0, format, run, planes, row, group);
  for (std::vector<float> *each : {&scale, &inverse, &zero, &offset})
    std::fill(each->begin() + 1, each->end(), each->front());
}

LevelRounder::LevelRounder(const FormatDescription &format)
    : isTable(format.level == LevelKind::Table),
      highest(static_cast<float>((1 << format.bits) - 1)), levels(format) {}

// A function of which there are clones for processors must have a symbol.
namespace lq::levels {
// NOLINTNEXTLINE(misc-use-internal-linkage)
LQ_WIDE_VECTORS void roundIntegers(size_t count, const float *weights,
                                   const float *scale, const float *inverse,
                                   const float *zero, const float *offset,
                                   float highest, uint8_t *codes,
                                   float *values) {
  for (size_t i = 0; i < count; ++i) {
    float x = (weights[i] - offset[i]) * inverse[i] + zero[i] + 0.5f;
    x = x > 0 ? x : 0; // of NaN too
    int code = static_cast<int>(x < highest ? x : highest);
    codes[i] = static_cast<uint8_t>(code);
    values[i] = scale[i] * (static_cast<float>(code) - zero[i]) + offset[i];
  }
}

/// Writes the index of the nearest level, in rising order.
// NOLINTNEXTLINE(misc-use-internal-linkage)
LQ_WIDE_VECTORS void findLevels(size_t count, const float *weights,
                                const float *inverse, const float *offset,
                                llvm::ArrayRef<float> bounds,
                                uint8_t *indices) {
  for (size_t i = 0; i < count; ++i)
    indices[i] = 0;
  for (float bound : bounds)
    for (size_t i = 0; i < count; ++i)
      indices[i] = static_cast<uint8_t>(
          indices[i] + ((weights[i] - offset[i]) * inverse[i] > bound));
}
} // namespace lq::levels

void LevelRounder::round(llvm::ArrayRef<float> weights,
                         const LevelNumbers &numbers,
                         llvm::MutableArrayRef<uint8_t> codes,
                         llvm::MutableArrayRef<float> values) const {
  size_t count = weights.size();
  const float *scale = numbers.scale.data(), *inverse = numbers.inverse.data();
  const float *zero = numbers.zero.data(), *offset = numbers.offset.data();
  if (!isTable)
    return levels::roundIntegers(count, weights.data(), scale, inverse, zero,
                                 offset, highest, codes.data(), values.data());
  levels::findLevels(count, weights.data(), inverse, offset, levels.bounds,
                     codes.data());
  for (size_t i = 0; i < count; ++i) {
    values[i] = scale[i] * levels.levels[codes[i]] + offset[i];
    codes[i] = levels.codes[codes[i]];
  }
}
