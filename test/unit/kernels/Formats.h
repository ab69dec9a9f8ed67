//===- Formats.h - descriptions and random matrices for tests ---*- C++ -*-===//

#ifndef LQ_TEST_UNIT_KERNELS_FORMATS_H
#define LQ_TEST_UNIT_KERNELS_FORMATS_H

#include "dialects/lq/Tile.h"
#include "test/unit/kernels/Harness.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <cmath>

namespace lq::cpu::test {

inline FormatDescription integers(unsigned bits, int zero, int64_t group,
                                  GroupNumber scale = directNumber(Scalar::F16),
                                  GroupNumber offset = {}) {
  FormatDescription format;
  format.level = LevelKind::Integer;
  format.bits = bits;
  format.zero = zero;
  format.group = group;
  format.scale = scale;
  format.offset = offset;
  if (scale.hasFactors())
    format.superGroup = scale.isShared() ? group : 256;
  return format;
}

/// Codes of 2 to 8 bits in 768 columns; groups of one to six column blocks, and
/// of half a one, some of them short.
inline FormatDescription mixedBits() {
  static const ColumnRun runs[] = {{64, 8, 32},   {160, 6, 64}, {96, 5, 96},
                                   {192, 4, 128}, {96, 3, 32},  {160, 2, 16}};
  FormatDescription format = integers(8, 128, 32, squareNumber(Scalar::F16, 4));
  format.runs = runs;
  return format;
}

/// The description of column k, and the number of its group in the row.
inline std::pair<FormatRun, int64_t> findGroup(const FormatDescription &format,
                                               int64_t columns, int64_t k) {
  for (const FormatRun &run : format.splitColumns(columns))
    if (k < run.firstColumn + run.columns)
      return {run, run.firstGroup + (k - run.firstColumn) / run.groupColumns()};
  llvm_unreachable("no such column");
}

/// Sixteen whole levels, eight with halves, or four that are neither.
inline FormatDescription levels(unsigned bits, int64_t group,
                                GroupNumber scale) {
  static const float uneven[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                 1,    13,   25,  38,  53,  69,  89,  113};
  static const float irregular[] = {-1, -0.3, 0.01, 1};
  static const float halves[] = {0, 0.5, 1, 1.5, -0.5, -1, -3, 6};
  FormatDescription format = integers(bits, 0, group, scale);
  format.level = LevelKind::Table;
  format.levels = bits == 4   ? llvm::ArrayRef(uneven)
                  : bits == 3 ? llvm::ArrayRef(halves)
                              : llvm::ArrayRef(irregular);
  return format;
}

/// Descriptions that together have every part a format can have.
inline std::vector<FormatDescription> variedFormats() {
  GroupNumber f16 = directNumber(Scalar::F16);
  auto product = [](unsigned bits, int zero = 0) {
    return productNumber(Scalar::F16, bits, zero);
  };
  return {
      integers(2, 0, 16, product(4), product(4)),
      integers(3, 4, 16, product(6, 32)),
      integers(4, 0, 32, product(6), product(6)),
      integers(5, 0, 32, product(6), product(6)),
      integers(6, 32, 16, product(8, 128)),
      integers(3, 4, 64, squareNumber(Scalar::F16, 4)),
      mixedBits(),
      integers(5, 16, 32),
      integers(4, 0, 32, f16, f16),
      integers(7, 64, 32),
      integers(2, 2, 32),
      integers(3, 0, 128, f16, zeroPointNumber(3)),
      integers(4, 0, 64, directNumber(Scalar::F32), zeroPointNumber(4)),
      integers(8, 0, FormatDescription::wholeRow, f16, zeroPointNumber(8)),
      integers(4, 8, FormatDescription::wholeRow, directNumber(Scalar::BF16)),
      levels(4, 32, f16),
      levels(4, 32, product(6, 32)),
      levels(3, 32, directNumber(Scalar::E8M0)),
      levels(2, 64, f16),
  };
}

inline FormatDescription elements(Scalar element) {
  FormatDescription format;
  format.element = element;
  return format;
}

/// How far the level of a byte (getByteLevels) may be from that of its code: 0
/// where all levels are whole or half numbers, else half a unit, of which the
/// span of the levels has 192 at least, and a rounding of the unit.
inline double levelBound(const FormatDescription &format) {
  auto isHalf = [](float level) { return 2 * level == std::rint(2 * level); };
  if (format.level == LevelKind::Integer || llvm::all_of(format.levels, isHalf))
    return 0;
  auto [low, high] =
      std::minmax_element(format.levels.begin(), format.levels.end());
  return (*high - *low) / 192 * (0.5 + 0x1p-16);
}

/// The number that is stored for `value`.
inline float roundTo(Scalar scalar, float value) {
  if (scalar == Scalar::F16)
    return static_cast<float>(static_cast<_Float16>(value));
  if (scalar == Scalar::E8M0)
    return std::exp2(std::floor(std::log2(std::fabs(value) + 1e-30f)));
  if (scalar == Scalar::BF16) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    bits = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;
    std::memcpy(&value, &bits, 4);
  }
  return value;
}

/// A random matrix: its planes, and its tiles.
struct Matrix {
  FormatDescription format;
  Planes planes;
  Array<char> tiles;

  Matrix(const FormatDescription &format, int64_t rows, int64_t columns,
         Random &random)
      : format(format),
        tiles({getTileLayout(format, rows, columns).totalBytes()}) {
    planes.resize(format, rows, columns);
    for (const FormatRun &run : format.splitColumns(columns)) {
      if (!format.hasCodes())
        break;
      int64_t largest = (int64_t(1) << run.format.bits) - 1;
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t k = 0; k < run.columns; ++k)
          planes.codes[row * columns + run.firstColumn + k] =
              static_cast<uint8_t>(
                  random.integer(0, 9) ? random.integer(0, largest) : largest);
    }
    fill(format.scale, rows, planes.scale, random);
    fill(format.offset, rows, planes.offset, random);
    for (float &value : planes.values)
      value = roundTo(format.element, random.normal());
    packTiles(format, planes, 0, {tiles.data(), size_t(tiles.count())});
  }

private:
  static void fill(const GroupNumber &number, int64_t rows, GroupPlane &plane,
                   Random &random) {
    for (float &value : plane.numbers)
      value = roundTo(number.type, random.normal() * 0.01f);
    if (number.isShared())
      for (size_t i = plane.numbers.size() / rows; i < plane.numbers.size();
           ++i)
        plane.numbers[i] = plane.numbers[i - plane.numbers.size() / rows];
    for (uint8_t &integer : plane.integers)
      integer = static_cast<uint8_t>(random.integer(0, (1 << number.bits) - 1));
  }
};

} // namespace lq::cpu::test

#endif // LQ_TEST_UNIT_KERNELS_FORMATS_H
