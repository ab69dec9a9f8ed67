//===- TileTest.cpp - packing and unpacking tiles -------------------------===//

#include "dialects/lq/Tile.h"
#include "dialects/lq/LqOps.h"
#include "dialects/lq/Scalars.h"

#include <gtest/gtest.h>
#include <random>

using namespace lq;

namespace {

FormatDescription integerFormat(unsigned bits, int64_t group) {
  FormatDescription format;
  format.level = LevelKind::Integer;
  format.bits = bits;
  format.group = group;
  return format;
}

FormatDescription elementFormat(Scalar scalar) {
  FormatDescription format;
  format.element = scalar;
  return format;
}

/// Random codes and scales, exact in the format's types.
Planes randomPlanes(const FormatDescription &format, int64_t rows,
                    int64_t columns) {
  std::mt19937 random(rows * 1000 + columns);
  Planes planes;
  planes.resize(format, rows, columns);
  for (uint8_t &code : planes.codes)
    code = static_cast<uint8_t>(random() % (1u << format.bits));
  for (float &scale : planes.scales)
    scale =
        roundToScalar(format.scale, static_cast<float>(random()) * 0x1p-32f);
  for (float &value : planes.values)
    value =
        roundToScalar(format.element, static_cast<float>(random()) * 0x1p-32f);
  return planes;
}

/// The code at [row, column], by the layout as Tile.h states it.
uint8_t codeAt(const FormatDescription &format, const TileLayout &layout,
               llvm::ArrayRef<char> tiles, int64_t row, int64_t column) {
  const char *codes = tiles.data() + row / tileRows * layout.rowBlockBytes +
                      column / format.group * layout.groupBytes;
  int64_t lane = row % tileRows;
  column %= format.group;
  if (format.bits == 8)
    return static_cast<uint8_t>(
        codes[(column / 4 * tileRows + lane) * 4 + column % 4]);
  auto byte = static_cast<uint8_t>(
      codes[(column / 8 * tileRows + lane) * 4 + column % 4]);
  return column % 8 < 4 ? byte & 0xf : byte >> 4;
}

/// A row's number in group `i`, `offset` behind the start of the group.
float numberAt(Scalar scalar, const TileLayout &layout,
               llvm::ArrayRef<char> tiles, int64_t offset, int64_t row,
               int64_t i) {
  const char *block = tiles.data() + row / tileRows * layout.rowBlockBytes;
  return loadScalar(scalar, block + i * layout.groupBytes + offset +
                                row % tileRows * byteWidth(scalar));
}

void expectUnpacks(const FormatDescription &format, const Planes &planes,
                   llvm::ArrayRef<char> tiles) {
  TileLayout layout = getTileLayout(format, planes.rows, planes.columns);
  int64_t groups = planes.columns / format.group;
  for (int64_t row = 0; row < planes.rows; ++row)
    for (int64_t k = 0; k < planes.columns; ++k) {
      if (!format.hasCodes()) {
        ASSERT_EQ(planes.values[row * planes.columns + k],
                  numberAt(format.element, layout, tiles, 0, row, k));
        continue;
      }
      ASSERT_EQ(planes.codes[row * planes.columns + k],
                codeAt(format, layout, tiles, row, k));
      ASSERT_EQ(planes.scales[row * groups + k / format.group],
                numberAt(format.scale, layout, tiles, layout.groupCodeBytes,
                         row, k / format.group));
    }
}

std::vector<FormatDescription> tileableFormats() {
  return {integerFormat(8, 32),       integerFormat(4, 32),
          integerFormat(8, 4),        integerFormat(4, 128),
          elementFormat(Scalar::F32), elementFormat(Scalar::F16),
          elementFormat(Scalar::BF16)};
}

TEST(Tile, UnpacksToWhatWasPacked) {
  for (const FormatDescription &format : tileableFormats())
    for (int64_t rows : {1, 15, 16, 17, 50})
      for (int64_t groups : {1, 2, 7}) {
        Planes planes = randomPlanes(format, rows, groups * format.group);
        TileLayout layout = getTileLayout(format, rows, planes.columns);
        std::vector<char> tiles(layout.totalBytes(), 0x55);
        packTiles(format, planes, 0, tiles);
        expectUnpacks(format, planes, tiles);
      }
}

TEST(Tile, RowsCanBePackedInParts) {
  for (const FormatDescription &format : tileableFormats()) {
    Planes planes = randomPlanes(format, 48, 2 * format.group);
    TileLayout layout = getTileLayout(format, 48, planes.columns);
    std::vector<char> whole(layout.totalBytes()), parts(layout.totalBytes());
    packTiles(format, planes, 0, whole);
    for (int64_t first : {32, 0, 16}) {
      Planes part;
      part.resize(format, 16, planes.columns);
      auto copy = [&](auto &to, const auto &from) {
        size_t size = to.size();
        std::copy_n(from.begin() + first / 16 * size, size, to.begin());
      };
      copy(part.codes, planes.codes);
      copy(part.scales, planes.scales);
      copy(part.values, planes.values);
      packTiles(format, part, first, parts);
    }
    EXPECT_EQ(whole, parts);
  }
}

TEST(Tile, RowsThatFillTheLastBlockAreZero) {
  FormatDescription format = integerFormat(4, 32);
  Planes planes = randomPlanes(format, 3, 64);
  TileLayout layout = getTileLayout(format, 3, 64);
  std::vector<char> tiles(layout.totalBytes(), 0x55);
  packTiles(format, planes, 0, tiles);
  for (int64_t row = 3; row < tileRows; ++row) {
    for (int64_t k = 0; k < 64; ++k)
      EXPECT_EQ(codeAt(format, layout, tiles, row, k), 0);
    for (int64_t g = 0; g < 2; ++g)
      EXPECT_EQ(
          numberAt(format.scale, layout, tiles, layout.groupCodeBytes, row, g),
          0);
  }
}

TEST(Tile, LayoutCountsBytes) {
  TileLayout q4 = getTileLayout(integerFormat(4, 32), 33, 96);
  EXPECT_EQ(q4.rowBlocks, 3);
  EXPECT_EQ(q4.groupCodeBytes, 16 * 16);
  EXPECT_EQ(q4.groupBytes, 16 * 16 + 16 * 2);
  EXPECT_EQ(q4.rowBlockBytes, 896); // 864 up to a multiple of 64
  EXPECT_EQ(q4.totalBytes(), 3 * 896);
  TileLayout f32 = getTileLayout(elementFormat(Scalar::F32), 16, 5);
  EXPECT_EQ(f32.rowBlockBytes, 16 * 5 * 4);
  EXPECT_EQ(f32.groupBytes, f32.groupCodeBytes);
  EXPECT_EQ(getTileLayout(elementFormat(Scalar::F32), 0, 5).totalBytes(), 0);
}

TEST(Tile, OnlySomeCodesHaveTiles) {
  EXPECT_FALSE(canTile(integerFormat(5, 32)));
  EXPECT_FALSE(canTile(integerFormat(4, 4)));
  EXPECT_TRUE(canTile(integerFormat(8, 4)));
}

TEST(Tile, EveryFormatOfTheRegistryHasTiles) {
  mlir::MLIRContext context;
  for (FormatAttrInterface each : listFormats(context))
    EXPECT_TRUE(canTile(each.getDescription())) << each.getFormatName().str();
}

} // namespace
