//===- Formats.h - descriptions and random matrices for tests ---*- C++ -*-===//

#ifndef LQ_TEST_UNIT_KERNELS_FORMATS_H
#define LQ_TEST_UNIT_KERNELS_FORMATS_H

#include "dialects/lq/Tile.h"
#include "test/unit/kernels/Harness.h"
#include <cmath>

namespace lq::cpu::test {

inline FormatDescription integers(unsigned bits, int zero, int64_t group,
                                  Scalar scale = Scalar::F16) {
  FormatDescription format;
  format.level = LevelKind::Integer;
  format.bits = bits;
  format.zero = zero;
  format.group = group;
  format.scale = scale;
  return format;
}

inline FormatDescription elements(Scalar element) {
  FormatDescription format;
  format.element = element;
  return format;
}

/// The number that is stored for `value`.
inline float roundTo(Scalar scalar, float value) {
  if (scalar == Scalar::F16)
    return static_cast<float>(static_cast<_Float16>(value));
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
    int64_t largest = (int64_t(1) << format.bits) - 1;
    for (uint8_t &code : planes.codes)
      code = static_cast<uint8_t>(
          random.integer(0, 9) ? random.integer(0, largest) : largest);
    for (float &scale : planes.scales)
      scale = roundTo(format.scale, random.normal() * 0.01f);
    for (float &value : planes.values)
      value = roundTo(format.element, random.normal());
    packTiles(format, planes, 0, {tiles.data(), size_t(tiles.count())});
  }
};

} // namespace lq::cpu::test

#endif // LQ_TEST_UNIT_KERNELS_FORMATS_H
