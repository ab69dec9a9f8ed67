//===- RandomPlanes.h - planes and descriptions to test with ----*- C++ -*-===//

#ifndef LQ_TEST_UNIT_FORMATS_RANDOMPLANES_H
#define LQ_TEST_UNIT_FORMATS_RANDOMPLANES_H

#include "dialects/lq/Format.h"
#include "dialects/lq/Scalars.h"

#include <random>
#include <vector>

namespace lq {

inline void fillNumber(const GroupNumber &number, GroupPlane &plane,
                       std::mt19937 &random) {
  for (float &value : plane.numbers) {
    // Of either sign but for powers of two, which have none.
    float sign = number.type != Scalar::E8M0 && random() % 2 ? -1.0f : 1.0f;
    value = roundToScalar(number.type,
                          sign * static_cast<float>(random() | 1) * 0x1p-32f);
  }
  for (uint8_t &integer : plane.integers)
    integer = static_cast<uint8_t>(random() % (1u << number.bits));
}

/// Random codes, integers and numbers, exact in the format's types.
inline Planes randomPlanes(const FormatDescription &format, int64_t rows,
                           int64_t columns) {
  std::mt19937 random(static_cast<unsigned>(rows * 1000 + columns));
  Planes planes;
  planes.resize(format, rows, columns);
  for (uint8_t &code : planes.codes)
    code = static_cast<uint8_t>(random() % (1u << format.bits));
  for (float &value : planes.values)
    value =
        roundToScalar(format.element, static_cast<float>(random()) * 0x1p-32f);
  fillNumber(format.scale, planes.scale, random);
  fillNumber(format.offset, planes.offset, random);
  return planes;
}

/// Rows [first, first + rows) of planes.
inline Planes slicePlanes(const FormatDescription &format, const Planes &planes,
                          int64_t first, int64_t rows) {
  Planes part;
  part.resize(format, rows, planes.columns);
  auto copy = [&](auto &to, const auto &from) {
    size_t perRow = from.size() / planes.rows;
    std::copy_n(from.begin() + first * perRow, rows * perRow, to.begin());
  };
  copy(part.codes, planes.codes);
  copy(part.values, planes.values);
  copy(part.scale.numbers, planes.scale.numbers);
  copy(part.scale.integers, planes.scale.integers);
  copy(part.offset.numbers, planes.offset.numbers);
  copy(part.offset.integers, planes.offset.integers);
  return part;
}

/// A description of integer codes, level = code.
inline FormatDescription integerFormat(unsigned bits, int64_t group,
                                       GroupNumber scale,
                                       GroupNumber offset = {},
                                       int64_t superGroup = 0) {
  FormatDescription format;
  format.level = LevelKind::Integer;
  format.bits = bits;
  format.group = group;
  format.superGroup = superGroup;
  format.scale = scale;
  format.offset = offset;
  return format;
}

} // namespace lq

#endif // LQ_TEST_UNIT_FORMATS_RANDOMPLANES_H
