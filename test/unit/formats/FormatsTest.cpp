//===- FormatsTest.cpp - every format's codec -----------------------------===//
//
// The tests that take each format from the registry hold for formats that are
// added later too. Codes and layouts of single formats are checked against the
// reference implementation in test/lit/quantize.
//
//===----------------------------------------------------------------------===//

#include "dialects/lq/LqOps.h"
#include "dialects/lq/Scalars.h"
#include "test/unit/formats/RandomPlanes.h"

#include <gtest/gtest.h>
#include <set>

using namespace lq;

namespace {

struct FormatsTest : testing::Test {
  mlir::MLIRContext context;

  FormatAttrInterface format(llvm::StringRef name) {
    return lookupFormat(context, name);
  }
  /// A number of columns that the format can have.
  static int64_t columnsOf(FormatAttrInterface format) {
    for (int64_t columns : {96, 768})
      if (format.checkColumns(columns).empty())
        return columns;
    ADD_FAILURE() << format.getFormatName().str() << " fits no columns";
    return 0;
  }
};

std::vector<char> randomBytes(size_t size) {
  std::mt19937 random(7);
  std::vector<char> bytes(size);
  for (char &byte : bytes)
    byte = static_cast<char>(random());
  return bytes;
}

TEST_F(FormatsTest, NamesAreUniqueAndFound) {
  std::set<std::string> names;
  for (FormatAttrInterface each : listFormats(context)) {
    EXPECT_TRUE(names.insert(each.getFormatName().str()).second);
    EXPECT_EQ(format(each.getFormatName()), each);
  }
  for (const char *name : {"f32", "f16", "bf16", "q8_0", "q4_0"})
    EXPECT_TRUE(names.count(name)) << name;
  EXPECT_FALSE(format("q9_9"));
}

TEST_F(FormatsTest, DescriptionsAreComplete) {
  for (FormatAttrInterface each : listFormats(context)) {
    FormatDescription description = each.getDescription();
    SCOPED_TRACE(each.getFormatName().str());
    if (!description.hasCodes())
      continue;
    EXPECT_GE(description.bits, 2u);
    EXPECT_LE(description.bits, 8u);
    EXPECT_GE(description.zero, 0);
    EXPECT_LT(description.zero, 1 << description.bits);
    EXPECT_TRUE(description.scale.hasNumbers());
    for (const GroupNumber &number : {description.scale, description.offset})
      if (number.hasIntegers()) {
        EXPECT_GE(number.bits, 1u);
        EXPECT_LE(number.bits, 8u);
        EXPECT_LT(number.zero, 1 << number.bits);
      }
    if (description.scale.hasFactors() || description.offset.hasFactors()) {
      ASSERT_GT(description.superGroup, 0);
      EXPECT_EQ(description.superGroup % description.group, 0);
    }
    // No search finds zero points.
    EXPECT_FALSE(description.scaleRule == ScaleRule::Search &&
                 description.offset.kind == GroupNumber::Kind::ZeroPoint);
    if (description.level == LevelKind::Table)
      EXPECT_EQ(description.levels.size(), size_t(1) << description.bits);
  }
}

TEST_F(FormatsTest, FallbacksEnd) {
  for (FormatAttrInterface each : listFormats(context)) {
    int steps = 0;
    for (FormatAttrInterface next = each; next; next = next.getFallback())
      ASSERT_LT(++steps, 10) << each.getFormatName().str();
  }
}

/// The bytes again, by way of planes.
std::vector<char> recode(FormatAttrInterface format, int64_t rows,
                         int64_t columns, llvm::ArrayRef<char> storage) {
  Planes planes;
  planes.resize(format.getDescription(), rows, columns);
  format.decode(storage, planes);
  std::vector<char> again(storage.size(), 0x55);
  format.encode(planes, again);
  return again;
}

/// Rows of random numbers and codes; bits that only fill up are zero.
std::vector<char> randomStorage(FormatAttrInterface format, int64_t rows,
                                int64_t columns) {
  return recode(format, rows, columns,
                randomBytes(rows * format.getRowBytes(columns)));
}

TEST_F(FormatsTest, StorageSurvivesDecodingBitForBit) {
  for (FormatAttrInterface each : listFormats(context)) {
    SCOPED_TRACE(each.getFormatName().str());
    int64_t columns = columnsOf(each);
    std::vector<char> storage = randomStorage(each, 50, columns);
    EXPECT_EQ(storage, recode(each, 50, columns, storage));
  }
}

/// Blocks use all their bits; those of NaNs survive too.
TEST_F(FormatsTest, AnyBytesAreAGgufBlock) {
  for (FormatAttrInterface each : listFormats(context))
    if (mlir::isa<GgufFormatAttr>(each)) {
      std::vector<char> bytes = randomBytes(300 * each.getRowBytes(768));
      EXPECT_EQ(bytes, recode(each, 300, 768, bytes))
          << each.getFormatName().str();
    }
}

TEST_F(FormatsTest, PlanesSurviveEncoding) {
  for (FormatAttrInterface each : listFormats(context)) {
    SCOPED_TRACE(each.getFormatName().str());
    FormatDescription description = each.getDescription();
    int64_t columns = columnsOf(each);
    Planes planes = randomPlanes(description, 5, columns), again;
    again.resize(description, 5, columns);
    std::vector<char> storage(5 * each.getRowBytes(columns), 0x55);
    each.encode(planes, storage);
    each.decode(storage, again);
    EXPECT_EQ(planes.codes, again.codes);
    EXPECT_EQ(planes.values, again.values);
    EXPECT_EQ(planes.scale, again.scale);
    EXPECT_EQ(planes.offset, again.offset);
  }
}

TEST_F(FormatsTest, RowsAreIndependent) {
  for (FormatAttrInterface each : listFormats(context)) {
    SCOPED_TRACE(each.getFormatName().str());
    int64_t columns = columnsOf(each), rowBytes = each.getRowBytes(columns);
    std::vector<char> storage = randomStorage(each, 2, columns);
    Planes both, second;
    both.resize(each.getDescription(), 2, columns);
    second.resize(each.getDescription(), 1, columns);
    each.decode(storage, both);
    each.decode(llvm::ArrayRef(storage).drop_front(rowBytes), second);
    // Through bits: random bytes make NaNs.
    std::vector<char> expected(rowBytes);
    each.encode(second, expected);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(),
                           storage.begin() + rowBytes));
  }
}

/// Weights of two rows of four, codes 0 to 7, after `fill` has set the numbers.
template <typename Fill>
std::vector<float> weightsOf(const FormatDescription &format, Fill fill) {
  Planes planes;
  planes.resize(format, 2, 4);
  planes.codes = {0, 1, 2, 3, 4, 5, 6, 7};
  fill(planes);
  std::vector<float> weights(8);
  dequantize(format, planes, weights);
  return weights;
}

using Weights = std::vector<float>;

TEST_F(FormatsTest, DequantizesByTheFormula) {
  GroupNumber f16 = directNumber(Scalar::F16);
  FormatDescription format = integerFormat(3, 2, f16);
  format.zero = 2;
  EXPECT_EQ(weightsOf(format,
                      [](Planes &planes) {
                        planes.scale.numbers = {1.0f, 0.5f, -2.0f, 0.25f};
                      }),
            (Weights{-2, -1, 0, 0.5, -4, -6, 1, 1.25}));
  format = integerFormat(3, 2, f16, f16);
  EXPECT_EQ(weightsOf(format,
                      [](Planes &planes) {
                        planes.scale.numbers = {1.0f, 0.5f, -2.0f, 0.25f};
                        planes.offset.numbers = {0.0f, -1.0f, 8.0f, 0.5f};
                      }),
            (Weights{0, 1, 0, 0.5, 0, -2, 2, 2.25}));
  format = integerFormat(3, 2, f16, zeroPointNumber(3));
  EXPECT_EQ(weightsOf(format,
                      [](Planes &planes) {
                        planes.scale.numbers = {1.0f, 0.5f, -2.0f, 0.25f};
                        planes.offset.integers = {0, 3, 4, 7};
                      }),
            (Weights{0, 1, -0.5, 0, 0, -2, -0.25, 0}));
}

TEST_F(FormatsTest, DequantizesProducts) {
  FormatDescription format = integerFormat(
      3, 2, productNumber(Scalar::F16, 4, 8), productNumber(Scalar::F16, 4), 4);
  EXPECT_EQ(weightsOf(format,
                      [](Planes &planes) {
                        planes.scale.numbers = {0.5f, -1.0f};
                        planes.scale.integers = {9, 6, 8, 10};
                        planes.offset.numbers = {-1.0f, 2.0f};
                        planes.offset.integers = {0, 15, 1, 2};
                      }),
            (Weights{0, 0.5, -17, -18, 2, 2, -8, -10}));
}

TEST_F(FormatsTest, DequantizesSquares) {
  FormatDescription format =
      integerFormat(3, 2, squareNumber(Scalar::F16, 2), {}, 2);
  format.zero = 4;
  EXPECT_EQ(weightsOf(format,
                      [](Planes &planes) {
                        planes.scale.numbers = {16, -32, 16, -32};
                        planes.scale.integers = {0, 1, 2, 3};
                      }),
            (Weights{-4, -3, 16, 8, 0, 9, -64, -96}));
}

TEST_F(FormatsTest, RunsDivideColumnsAndGroups) {
  auto runs = mixedBitsFormat().splitColumns(768);
  ASSERT_EQ(runs.size(), 6u);
  EXPECT_EQ(runs[3].format.bits, 4u);
  EXPECT_EQ(runs[3].format.zero, 8);
  EXPECT_EQ(runs[3].firstColumn, 64 + 160 + 96);
  EXPECT_EQ(runs[3].firstGroup, 2 + 3 + 1);
  EXPECT_EQ(runs[3].groupCount(), 2);
  EXPECT_EQ(mixedBitsFormat().groupCount(768), 2 + 3 + 1 + 2 + 3 + 10);
  EXPECT_EQ(mixedBitsFormat().superGroupCount(768), 21);
}

TEST_F(FormatsTest, MixedBitsSurviveStorage) {
  context.loadDialect<LqDialect>();
  ColumnRun runs[] = {{64, 6, 32}, {96, 3, 64}, {96, 2, 16}};
  FormatAttrInterface format = getMixedBitsFormat(context, runs);
  FormatDescription description = format.getDescription();
  EXPECT_EQ(format.checkColumns(256), "");
  EXPECT_EQ(format.checkColumns(128), "its runs make up 256 columns");
  // Codes, factors and integers of 2 + 2 + 6 groups.
  EXPECT_EQ(format.getRowBytes(256), 48 + 36 + 24 + 2 * 10 + 5);
  Planes planes = randomPlanes(description, 3, 256), again;
  again.resize(description, 3, 256);
  std::vector<char> storage(3 * format.getRowBytes(256), 0x55);
  format.encode(planes, storage);
  format.decode(storage, again);
  EXPECT_EQ(planes.codes, again.codes);
  EXPECT_EQ(planes.scale, again.scale);
}

TEST_F(FormatsTest, DequantizesTablesAndShortGroups) {
  static constexpr float levels[] = {-8, -4, -2, -1, 0, 1, 2, 4};
  FormatDescription format = integerFormat(3, 3, directNumber(Scalar::F32));
  format.level = LevelKind::Table;
  format.levels = levels;
  EXPECT_EQ(format.groupCount(4), 2);
  auto fill = [](Planes &planes) {
    planes.scale.numbers = {1.0f, 2.0f, 3.0f, 0.5f};
  };
  EXPECT_EQ(weightsOf(format, fill), (Weights{-8, -4, -2, -2, 0, 3, 6, 2}));
  format.group = FormatDescription::wholeRow;
  EXPECT_EQ(format.groupCount(4), 1);
  EXPECT_EQ(
      weightsOf(format,
                [](Planes &planes) { planes.scale.numbers = {1.0f, 2.0f}; }),
      (Weights{-8, -4, -2, -1, 0, 2, 4, 8}));
}

TEST_F(FormatsTest, GgufBlocksHaveTheirSize) {
  struct Size {
    const char *name;
    int64_t columns, bytes;
    const char *fallback;
  };
  for (Size size : {Size{"q4_0", 32, 18, "f16"},
                    {"q4_1", 32, 20, "f16"},
                    {"q5_0", 32, 22, "f16"},
                    {"q5_1", 32, 24, "f16"},
                    {"q8_0", 32, 34, "f16"},
                    {"q2_k", 256, 84, "q4_0"},
                    {"q3_k", 256, 110, "q4_0"},
                    {"q4_k", 256, 144, "q5_0"},
                    {"q5_k", 256, 176, "q5_1"},
                    {"q6_k", 256, 210, "q8_0"},
                    {"iq4_nl", 32, 18, "f16"},
                    {"iq4_xs", 256, 136, "iq4_nl"},
                    {"mxfp4", 32, 17, "f16"}}) {
    SCOPED_TRACE(size.name);
    FormatAttrInterface found = format(size.name);
    ASSERT_TRUE(found);
    EXPECT_EQ(found.getRowBytes(3 * size.columns), 3 * size.bytes);
    EXPECT_EQ(found.checkColumns(3 * size.columns), "");
    EXPECT_EQ(found.checkColumns(size.columns / 2),
              "columns must be a multiple of the block of " +
                  std::to_string(size.columns));
    EXPECT_EQ(found.getFallback().getFormatName(), size.fallback);
  }
}

TEST_F(FormatsTest, BlocksLieAsGgmlLaysThem) {
  FormatAttrInterface q8 = format("q8_0"), q4 = format("q4_0");
  EXPECT_EQ(q8.getRowBytes(64), 68);
  EXPECT_EQ(q4.getRowBytes(64), 36);
  Planes planes;
  planes.resize(q8.getDescription(), 1, 32);
  for (int i = 0; i < 32; ++i)
    planes.codes[i] = static_cast<uint8_t>(128 + i);
  planes.codes[31] = 1;
  planes.scale.numbers[0] = 1.0f; // 0x3c00
  std::vector<char> block(34);
  q8.encode(planes, block);
  EXPECT_EQ(block[0], 0x00);
  EXPECT_EQ(block[1], 0x3c);
  EXPECT_EQ(block[2 + 5], 5);
  EXPECT_EQ(block[2 + 31], -127);

  planes.resize(q4.getDescription(), 1, 32);
  for (int i = 0; i < 32; ++i)
    planes.codes[i] = static_cast<uint8_t>(i < 16 ? i : 31 - i);
  planes.scale.numbers[0] = -2.0f; // 0xc000
  block.resize(18);
  q4.encode(planes, block);
  EXPECT_EQ(static_cast<uint8_t>(block[1]), 0xc0);
  EXPECT_EQ(static_cast<uint8_t>(block[2]), 0xf0);
  EXPECT_EQ(static_cast<uint8_t>(block[2 + 3]), 0xc3);
}

} // namespace
