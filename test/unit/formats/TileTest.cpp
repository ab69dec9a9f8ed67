//===- TileTest.cpp - packing and unpacking tiles -------------------------===//
//
// The unpacker below follows the text of Tile.h, not the code that packs: of
// the layout it takes only how many columns the spans of a run have.
//
//===----------------------------------------------------------------------===//

#include "dialects/lq/Tile.h"
#include "dialects/lq/LqOps.h"
#include "test/unit/formats/RandomPlanes.h"

#include <gtest/gtest.h>

using namespace lq;

namespace {

/// Reads a span's parts one after the other.
class SpanReader {
public:
  SpanReader(const char *bytes) : next(bytes) {}

  /// [count][tileRows] parts of `width` bytes each.
  const char *take(int64_t count, int64_t width) {
    const char *part = next;
    next += count * tileRows * width;
    return part;
  }
  /// Skips to a multiple of 64 bytes behind `start`.
  void align(const char *start) { next += (64 - (next - start) % 64) % 64; }
  const char *position() const { return next; }
  void skip(int64_t bytes) { next += bytes; }

private:
  const char *next;
};

/// Planes from tiles, for formats with codes.
class Unpacker {
public:
  Unpacker(const FormatDescription &whole, int64_t rows, int64_t columns,
           llvm::ArrayRef<char> tiles)
      : tiles(tiles) {
    planes.resize(whole, rows, columns);
    groups = whole.groupCount(columns);
    supers = whole.superGroupCount(columns);
    for (const TileRun &run : getTileLayout(whole, rows, columns).runs)
      runs.push_back({run, run.spanColumns});
  }

  Planes unpack() {
    const char *next = tiles.data();
    for (row = 0; row < planes.rows; row += tileRows)
      for (const auto &[part, columns] : runs) {
        run = part;
        format = run.format;
        span = columns;
        for (column = 0; column < run.columns; column += span)
          next = readSpan(next);
        next += (64 - (next - tiles.data()) % 64) % 64;
      }
    EXPECT_EQ(next, tiles.end());
    return std::move(planes);
  }

private:
  struct Run {
    FormatRun run;
    int64_t span;
  };
  llvm::ArrayRef<char> tiles;
  std::vector<Run> runs;
  /// Of the run at hand; `column` counts in it.
  FormatRun run;
  FormatDescription format;
  int64_t span = 0, row = 0, column = 0;
  /// Of a whole row.
  int64_t groups, supers;
  Planes planes;

  static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
  int64_t groupsIn(int64_t columns) const {
    return format.group == 0 ? 1 : ceilDiv(columns, format.group);
  }
  int64_t supersIn(int64_t columns) const {
    return ceilDiv(columns, format.superGroup);
  }

  /// Numbers of the groups or super-groups `first` on of the run, of which the
  /// run has `inRun` and those before it `before`; all rows have the same where
  /// they are `shared`.
  void putNumbers(GroupPlane &plane, Scalar type, const char *part,
                  int64_t perRow, int64_t before, int64_t inRun, int64_t first,
                  int64_t count, bool shared) {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t lane = 0; lane < tileRows; ++lane) {
        int64_t place = shared ? i : i * tileRows + lane;
        const char *bytes = part + place * byteWidth(type);
        bool isRow = row + lane < planes.rows, isGroup = first + i < inRun;
        if (isRow && isGroup)
          plane.numbers[(row + lane) * perRow + before + first + i] =
              loadScalar(type, bytes);
        else if (!shared || !isGroup)
          for (int64_t b = 0; b < byteWidth(type); ++b)
            EXPECT_EQ(bytes[b], 0);
      }
  }

  void putIntegers(GroupPlane &plane, const char *part, unsigned shift,
                   unsigned bits, int64_t first, int64_t count) {
    int64_t inRun = groupsIn(run.columns);
    for (int64_t i = 0; i < count; ++i)
      for (int64_t lane = 0; lane < tileRows; ++lane) {
        auto byte = static_cast<uint8_t>(part[i * tileRows + lane]);
        auto value = static_cast<uint8_t>(byte >> shift & ((1u << bits) - 1));
        if (row + lane < planes.rows && first + i < inRun)
          plane.integers[(row + lane) * groups + run.firstGroup + first + i] =
              value;
        else
          EXPECT_EQ(value, 0) << "what fills up is not zero";
      }
  }

  void readFactors(SpanReader &reader, const GroupNumber &number,
                   GroupPlane &plane) {
    if (number.kind != GroupNumber::Kind::Product)
      return;
    int64_t count = supersIn(span);
    putNumbers(plane, number.type, reader.take(count, byteWidth(number.type)),
               supers, run.firstSuperGroup, supersIn(run.columns),
               column / format.superGroup, count, /*shared=*/false);
  }

  /// Behind the other numbers, once for all rows.
  void readSharedFactors(SpanReader &reader) {
    if (format.scale.kind != GroupNumber::Kind::Square)
      return;
    int64_t count = supersIn(span);
    const char *part = reader.position();
    reader.skip(count * byteWidth(format.scale.type));
    putNumbers(planes.scale, format.scale.type, part, supers,
               run.firstSuperGroup, supersIn(run.columns),
               column / format.superGroup, count, /*shared=*/true);
  }

  void readGroups(SpanReader &reader, const GroupNumber &number,
                  GroupPlane &plane) {
    int64_t count = groupsIn(span);
    int64_t first = format.group == 0 ? 0 : column / format.group;
    if (number.kind == GroupNumber::Kind::Direct)
      putNumbers(plane, number.type, reader.take(count, byteWidth(number.type)),
                 groups, run.firstGroup, groupsIn(run.columns), first, count,
                 /*shared=*/false);
    else if (number.hasIntegers())
      putIntegers(plane, reader.take(count, 1), 0, number.bits, first, count);
  }

  const char *readSpan(const char *start) {
    SpanReader reader(start);
    readFactors(reader, format.scale, planes.scale);
    readFactors(reader, format.offset, planes.offset);
    bool shared = format.scale.hasIntegers() && format.offset.hasIntegers() &&
                  format.scale.bits <= 4 && format.offset.bits <= 4;
    if (shared) {
      int64_t count = groupsIn(span), first = column / format.group;
      const char *bytes = reader.take(count, 1);
      putIntegers(planes.scale, bytes, 0, format.scale.bits, first, count);
      putIntegers(planes.offset, bytes, 4, format.offset.bits, first, count);
    } else {
      readGroups(reader, format.scale, planes.scale);
      readGroups(reader, format.offset, planes.offset);
    }
    readSharedFactors(reader);
    reader.align(start);
    int64_t last = std::min(column + span, run.columns);
    for (int64_t block = column; block < last; block += tileColumns) {
      unsigned shift = 0;
      for (unsigned width : {8u, 4u, 2u, 1u})
        if (format.bits & width) {
          readSlice(reader.take(width, 4), block, width, shift);
          shift += width;
        }
    }
    return reader.position();
  }

  /// [width][tileRows][4] bytes with `width` bits of each code.
  void readSlice(const char *bytes, int64_t block, unsigned width,
                 unsigned shift) {
    for (unsigned vector = 0; vector < width; ++vector)
      for (int64_t lane = 0; lane < tileRows; ++lane)
        for (unsigned j = 0; j < 4; ++j) {
          auto byte = static_cast<uint8_t>(*bytes++);
          for (unsigned f = 0; f < 8 / width; ++f) {
            int64_t k = block + 4 * (8 * vector / width + f) + j;
            unsigned bits = byte >> f * width & ((1u << width) - 1);
            if (row + lane < planes.rows)
              planes
                  .codes[(row + lane) * planes.columns + run.firstColumn + k] |=
                  bits << shift;
            else
              EXPECT_EQ(bits, 0u);
          }
        }
  }
};

FormatDescription elementFormat(Scalar scalar) {
  FormatDescription format;
  format.element = scalar;
  return format;
}

/// Every kind of part that a description can have.
std::vector<FormatDescription> codedFormats() {
  std::vector<FormatDescription> formats;
  GroupNumber f16 = directNumber(Scalar::F16);
  for (unsigned bits = 1; bits <= 8; ++bits) {
    formats.push_back(integerFormat(bits, 32, f16));
    formats.push_back(integerFormat(bits, 16, f16));
  }
  for (int64_t group : {int64_t(64), int64_t(128), FormatDescription::wholeRow})
    for (GroupNumber offset : {GroupNumber(), directNumber(Scalar::BF16),
                               zeroPointNumber(4), zeroPointNumber(8)})
      formats.push_back(integerFormat(4, group, f16, offset));
  for (Scalar type : {Scalar::F32, Scalar::BF16, Scalar::E8M0})
    formats.push_back(integerFormat(4, 32, directNumber(type)));
  formats.push_back(integerFormat(5, 32, f16, f16));
  // Integers of scales and offsets in one byte, in two, and of scales alone.
  for (int64_t group : {16, 32, 64}) {
    GroupNumber four = productNumber(Scalar::F16, 4);
    GroupNumber six = productNumber(Scalar::F16, 6, 32);
    formats.push_back(integerFormat(2, group, four, four, 256));
    formats.push_back(integerFormat(4, group, six, six, 256));
    formats.push_back(integerFormat(6, group, six, {}, 256));
    formats.push_back(integerFormat(3, group, four, six, 128));
    formats.push_back(
        integerFormat(3, group, productNumber(Scalar::F32, 8, 128), f16, 128));
    formats.push_back(integerFormat(3, group, f16, four, 128));
    formats.push_back(
        integerFormat(5, group, squareNumber(Scalar::F16, 4), {}, group));
  }
  return formats;
}

std::string nameOf(const FormatDescription &format) {
  auto number = [](const GroupNumber &each) {
    return std::to_string(static_cast<int>(each.kind)) + "/" +
           scalarName(each.type).str() + "/" + std::to_string(each.bits);
  };
  return std::to_string(format.bits) + " bits, group " +
         std::to_string(format.group) + " of " +
         std::to_string(format.superGroup) + ", scale " + number(format.scale) +
         ", offset " + number(format.offset);
}

void expectEqual(const Planes &expected, const Planes &actual) {
  EXPECT_EQ(expected.codes, actual.codes);
  EXPECT_EQ(expected.scale.numbers, actual.scale.numbers);
  EXPECT_EQ(expected.scale.integers, actual.scale.integers);
  EXPECT_EQ(expected.offset.numbers, actual.offset.numbers);
  EXPECT_EQ(expected.offset.integers, actual.offset.integers);
}

TEST(Tile, UnpacksToWhatWasPacked) {
  for (const FormatDescription &format : codedFormats())
    for (int64_t rows : {1, 15, 16, 17, 50})
      for (int64_t columns : {32, 64, 96, 256, 288, 1024, 1568}) {
        SCOPED_TRACE(nameOf(format) + ": " + std::to_string(rows) + " x " +
                     std::to_string(columns));
        ASSERT_EQ(checkTiles(format, columns), "");
        Planes planes = randomPlanes(format, rows, columns);
        TileLayout layout = getTileLayout(format, rows, columns);
        std::vector<char> tiles(layout.totalBytes(), 0x55);
        packTiles(format, planes, 0, tiles);
        expectEqual(planes, Unpacker(format, rows, columns, tiles).unpack());
        if (testing::Test::HasFailure())
          return;
      }
}

TEST(Tile, RunsFollowEachOther) {
  FormatDescription format = mixedBitsFormat();
  for (int64_t rows : {1, 16, 37}) {
    ASSERT_EQ(checkTiles(format, 768), "");
    Planes planes = randomPlanes(format, rows, 768);
    std::vector<char> tiles(getTileLayout(format, rows, 768).totalBytes(),
                            0x55);
    packTiles(format, planes, 0, tiles);
    expectEqual(planes, Unpacker(format, rows, 768, tiles).unpack());
  }
}

/// A span has no room for more columns than its run where that costs bytes.
TEST(Tile, ShortRunsHaveShortSpans) {
  static const ColumnRun runs[] = {{128, 4, 128}, {128, 2, 128}};
  FormatDescription format = mixedBitsFormat();
  format.runs = runs;
  TileLayout layout = getTileLayout(format, 16, 256);
  EXPECT_EQ(layout.totalBytes(), 64 + 128 * 16 / 2 + 64 + 128 * 16 / 4);
}

TEST(Tile, ElementsLieColumnByColumn) {
  for (Scalar scalar : {Scalar::F32, Scalar::F16, Scalar::BF16})
    for (int64_t rows : {1, 16, 33})
      for (int64_t columns : {1, 5, 64}) {
        FormatDescription format = elementFormat(scalar);
        Planes planes = randomPlanes(format, rows, columns);
        TileLayout layout = getTileLayout(format, rows, columns);
        std::vector<char> tiles(layout.totalBytes(), 0x55);
        packTiles(format, planes, 0, tiles);
        int64_t width = byteWidth(scalar);
        for (int64_t row = 0; row < (rows + 15) / 16 * 16; ++row)
          for (int64_t k = 0; k < columns; ++k) {
            const char *element = tiles.data() +
                                  row / 16 * layout.rowBlockBytes +
                                  (k * 16 + row % 16) * width;
            float expected =
                row < rows ? planes.values[row * columns + k] : 0.0f;
            ASSERT_EQ(loadScalar(scalar, element), expected);
          }
      }
}

TEST(Tile, RowsCanBePackedInParts) {
  std::vector<FormatDescription> formats = codedFormats();
  formats.push_back(elementFormat(Scalar::F16));
  for (const FormatDescription &format : formats) {
    SCOPED_TRACE(nameOf(format));
    Planes planes = randomPlanes(format, 48, 288);
    TileLayout layout = getTileLayout(format, 48, 288);
    std::vector<char> whole(layout.totalBytes()), parts(layout.totalBytes());
    packTiles(format, planes, 0, whole);
    for (int64_t first : {32, 0, 16})
      packTiles(format, slicePlanes(format, planes, first, 16), first, parts);
    EXPECT_EQ(whole, parts);
  }
}

TEST(Tile, CodesOfASpanStartAtACacheLine) {
  for (const FormatDescription &format : codedFormats())
    for (int64_t columns : {32, 288, 1024}) {
      TileLayout layout = getTileLayout(format, 17, columns);
      EXPECT_EQ(layout.runs[0].codes % tileAlignment, 0) << nameOf(format);
      EXPECT_EQ(layout.runs[0].spanBytes % tileAlignment, 0) << nameOf(format);
      EXPECT_EQ(layout.rowBlockBytes % tileAlignment, 0) << nameOf(format);
      EXPECT_EQ(layout.totalBytes(), 2 * layout.rowBlockBytes);
    }
}

TEST(Tile, LayoutCountsBytes) {
  FormatDescription format = integerFormat(4, 32, directNumber(Scalar::F16));
  TileLayout q4 = getTileLayout(format, 33, 352);
  EXPECT_EQ(q4.rowBlocks, 3);
  EXPECT_EQ(q4.runs[0].spanColumns, 256);
  EXPECT_EQ(q4.runs[0].codeBytes, 16 * 32 / 2);
  EXPECT_EQ(q4.runs[0].codes, 8 * 16 * 2);
  EXPECT_EQ(q4.runs[0].spanBytes, 256 + 8 * 256);
  // A whole span, then one of three column blocks.
  EXPECT_EQ(q4.rowBlockBytes, 2304 + 256 + 3 * 256);
  // Spans that make up the columns.
  TileLayout even = getTileLayout(format, 16, 576);
  EXPECT_EQ(even.runs[0].spanColumns, 192);
  EXPECT_EQ(even.rowBlockBytes, 3 * (192 + 6 * 256));
  TileLayout product =
      getTileLayout(integerFormat(4, 32, productNumber(Scalar::F16, 6),
                                  productNumber(Scalar::F16, 6), 256),
                    16, 256);
  EXPECT_EQ(product.runs[0].spanColumns, 256);
  EXPECT_EQ(product.runs[0].scaleFactors, 0);
  EXPECT_EQ(product.runs[0].offsetFactors, 32);
  EXPECT_EQ(product.runs[0].scales, 64);
  EXPECT_EQ(product.runs[0].offsets, 64 + 128);
  EXPECT_EQ(product.runs[0].codes, 64 + 256);
  EXPECT_EQ(product.totalBytes(), 320 + 8 * 256);
  TileLayout f32 = getTileLayout(elementFormat(Scalar::F32), 16, 5);
  EXPECT_EQ(f32.rowBlockBytes, 16 * 5 * 4);
  EXPECT_EQ(f32.columnBytes, 16 * 4);
  EXPECT_EQ(getTileLayout(elementFormat(Scalar::F32), 0, 5).totalBytes(), 0);
}

TEST(Tile, SlicesAreThePowersOfTwoInTheBits) {
  using Widths = llvm::SmallVector<unsigned>;
  EXPECT_EQ(getSlices(8), Widths({8}));
  EXPECT_EQ(getSlices(6), Widths({4, 2}));
  EXPECT_EQ(getSlices(5), Widths({4, 1}));
  EXPECT_EQ(getSlices(3), Widths({2, 1}));
}

TEST(Tile, SaysWhyThereAreNone) {
  GroupNumber f16 = directNumber(Scalar::F16);
  EXPECT_EQ(checkTiles(integerFormat(4, 32, f16), 40),
            "columns must be a multiple of 32");
  EXPECT_EQ(checkTiles(integerFormat(4, 48, f16), 96),
            "groups must divide 32 columns or be a multiple of them");
  EXPECT_EQ(checkTiles(integerFormat(4, 8, f16), 64),
            "groups must have 16 columns at least");
  EXPECT_EQ(checkTiles(integerFormat(9, 32, f16), 64),
            "codes must have 1 to 8 bits");
  FormatDescription table = integerFormat(5, 32, f16);
  table.level = LevelKind::Table;
  EXPECT_EQ(checkTiles(table, 64), "tables must have 16 levels at most");
  EXPECT_EQ(checkTiles(elementFormat(Scalar::F16), 33), "");
}

FormatDescription tableFormat(unsigned bits, llvm::ArrayRef<float> levels) {
  FormatDescription format = integerFormat(bits, 32, directNumber(Scalar::F16));
  format.level = LevelKind::Table;
  format.levels = levels;
  return format;
}

/// The level of a code as kernels compute it.
float levelOf(const ByteLevels &bytes, unsigned code) {
  return static_cast<float>(bytes.table[code] - bytes.zero) * bytes.unit;
}

TEST(Tile, LevelsBecomeBytes) {
  FormatDescription integer = integerFormat(4, 32, directNumber(Scalar::F16));
  integer.zero = 8;
  ByteLevels bytes = getByteLevels(integer);
  EXPECT_TRUE(bytes.table.empty());
  EXPECT_EQ(bytes.zero, 8);
  EXPECT_EQ(bytes.unit, 1.0f);
  EXPECT_EQ(bytes.bits, 4u);
  static constexpr float halves[] = {0, 0.5f, 6, -6};
  bytes = getByteLevels(tableFormat(2, halves));
  EXPECT_EQ(bytes.bits, 5u); // 0 .. 24 in halves
  for (unsigned code = 0; code < 4; ++code)
    EXPECT_EQ(levelOf(bytes, code), halves[code]);
  static constexpr float wide[] = {-127, -128, 127, 0};
  bytes = getByteLevels(tableFormat(2, wide));
  EXPECT_EQ(bytes.bits, 8u);
  for (unsigned code = 0; code < 4; ++code)
    EXPECT_EQ(levelOf(bytes, code), wide[code]);
}

TEST(Tile, LevelsOfAnyValueFitAByte) {
  static constexpr float uneven[] = {-1, -0.3f, 0.1f, 0.7f};
  static constexpr float large[] = {-1000, 3, 500, 999};
  static constexpr float positive[] = {0.1f, 0.3f, 0.31f, 0.5f};
  for (llvm::ArrayRef<float> levels :
       {llvm::ArrayRef(uneven), llvm::ArrayRef(large),
        llvm::ArrayRef(positive)}) {
    ByteLevels bytes = getByteLevels(tableFormat(2, levels));
    float span = *llvm::max_element(levels) - *llvm::min_element(levels);
    EXPECT_LE(bytes.unit, span / 192 * (1 + 0x1p-20f));
    for (unsigned code = 0; code < 4; ++code)
      EXPECT_NEAR(levelOf(bytes, code), levels[code],
                  bytes.unit * (0.5f + 0x1p-14f));
  }
}

TEST(Tile, EveryFormatOfTheRegistryHasTiles) {
  mlir::MLIRContext context;
  for (FormatAttrInterface each : listFormats(context))
    EXPECT_EQ(checkTiles(each.getDescription(), 1024), "")
        << each.getFormatName().str();
}

} // namespace
