//===- RandomPlanes.h - planes and descriptions to test with ----*- C++ -*-===//

#ifndef LQ_TEST_UNIT_FORMATS_RANDOMPLANES_H
#define LQ_TEST_UNIT_FORMATS_RANDOMPLANES_H

#include "dialects/lq/Format.h"
#include "dialects/lq/Scalars.h"

#include <random>
#include <vector>

namespace lq {

inline void fillNumber(const GroupNumber &number, int64_t rows,
                       GroupPlane &plane, std::mt19937 &random) {
  for (float &value : plane.numbers) {
    // Of either sign but for powers of two, which have none.
    float sign = number.type != Scalar::E8M0 && random() % 2 ? -1.0f : 1.0f;
    value = roundToScalar(number.type,
                          sign * static_cast<float>(random() | 1) * 0x1p-32f);
  }
  size_t perRow = plane.numbers.size() / rows;
  if (number.isShared())
    for (size_t i = perRow; i < plane.numbers.size(); ++i)
      plane.numbers[i] = plane.numbers[i - perRow];
  for (uint8_t &integer : plane.integers)
    integer = static_cast<uint8_t>(random() % (1u << number.bits));
}

/// Random codes, integers and numbers, exact in the format's types.
inline Planes randomPlanes(const FormatDescription &format, int64_t rows,
                           int64_t columns) {
  std::mt19937 random(static_cast<unsigned>(rows * 1000 + columns));
  Planes planes;
  planes.resize(format, rows, columns);
  if (format.hasCodes())
    for (const FormatRun &run : format.splitColumns(columns))
      for (int64_t i = 0; i < rows * run.columns; ++i)
        planes.codes[i / run.columns * columns + run.firstColumn +
                     i % run.columns] =
            static_cast<uint8_t>(random() % (1u << run.format.bits));
  for (float &value : planes.values)
    value =
        roundToScalar(format.element, static_cast<float>(random()) * 0x1p-32f);
  fillNumber(format.scale, rows, planes.scale, random);
  fillNumber(format.offset, rows, planes.offset, random);
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

/// Codes of 2 to 8 bits in 768 columns, in groups of which some are short.
inline FormatDescription mixedBitsFormat() {
  static const ColumnRun runs[] = {{64, 8, 32},   {160, 6, 64}, {96, 5, 96},
                                   {192, 4, 128}, {96, 3, 32},  {160, 2, 16}};
  FormatDescription format;
  format.level = LevelKind::Integer;
  format.bits = 8;
  format.scale = squareNumber(Scalar::F16, 4);
  format.scaleRule = ScaleRule::AbsoluteMaximum;
  format.runs = runs;
  return format;
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
