//===- FormatsTest.cpp - every format's codec -----------------------------===//
//
// The tests that take each format from the registry hold for formats that are
// added later too. Codes and layouts of single formats are checked against the
// reference implementation in test/lit/quantize.
//
//===----------------------------------------------------------------------===//

#include "dialects/lq/LqOps.h"
#include "dialects/lq/Scalars.h"

#include <gtest/gtest.h>
#include <random>
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
    return 3 * format.getDescription().group;
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
    EXPECT_NE(description.scaleRule, ScaleRule::None);
    EXPECT_FALSE(each.checkColumns(description.group + 1).empty());
    EXPECT_TRUE(each.checkColumns(description.group).empty());
  }
}

TEST_F(FormatsTest, FallbacksEnd) {
  for (FormatAttrInterface each : listFormats(context)) {
    int steps = 0;
    for (FormatAttrInterface next = each; next; next = next.getFallback())
      ASSERT_LT(++steps, 10) << each.getFormatName().str();
  }
}

TEST_F(FormatsTest, StorageSurvivesDecodingBitForBit) {
  for (FormatAttrInterface each : listFormats(context)) {
    SCOPED_TRACE(each.getFormatName().str());
    int64_t rows = 50, columns = columnsOf(each);
    std::vector<char> storage = randomBytes(rows * each.getRowBytes(columns));
    std::vector<char> again(storage.size());
    Planes planes;
    planes.resize(each.getDescription(), rows, columns);
    each.decode(storage, planes);
    each.encode(planes, again);
    EXPECT_EQ(storage, again);
  }
}

TEST_F(FormatsTest, PlanesSurviveEncoding) {
  std::mt19937 random(3);
  for (FormatAttrInterface each : listFormats(context)) {
    SCOPED_TRACE(each.getFormatName().str());
    FormatDescription description = each.getDescription();
    Planes planes, again;
    planes.resize(description, 5, columnsOf(each));
    again.resize(description, 5, columnsOf(each));
    for (uint8_t &code : planes.codes)
      code = static_cast<uint8_t>(random() % (1u << description.bits));
    for (float &scale : planes.scales)
      scale = roundToScalar(description.scale,
                            static_cast<float>(random()) * 0x1p-30f);
    for (float &value : planes.values)
      value = roundToScalar(description.element,
                            static_cast<float>(random()) * 0x1p-30f);
    std::vector<char> storage(5 * each.getRowBytes(planes.columns));
    each.encode(planes, storage);
    each.decode(storage, again);
    EXPECT_EQ(planes.codes, again.codes);
    EXPECT_EQ(planes.scales, again.scales);
    EXPECT_EQ(planes.values, again.values);
  }
}

TEST_F(FormatsTest, RowsAreIndependent) {
  for (FormatAttrInterface each : listFormats(context)) {
    SCOPED_TRACE(each.getFormatName().str());
    int64_t columns = columnsOf(each), rowBytes = each.getRowBytes(columns);
    std::vector<char> storage = randomBytes(2 * rowBytes);
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

TEST_F(FormatsTest, DequantizesByTheFormula) {
  FormatDescription description;
  description.level = LevelKind::Integer;
  description.bits = 3;
  description.zero = 2;
  description.group = 2;
  Planes planes;
  planes.resize(description, 2, 4);
  planes.codes = {0, 1, 2, 3, 4, 5, 6, 7};
  planes.scales = {1.0f, 0.5f, -2.0f, 0.25f};
  std::vector<float> weights(8);
  dequantize(description, planes, weights);
  EXPECT_EQ(weights, (std::vector<float>{-2, -1, 0, 0.5, -4, -6, 1, 1.25}));
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
  planes.scales[0] = 1.0f; // 0x3c00
  std::vector<char> block(34);
  q8.encode(planes, block);
  EXPECT_EQ(block[0], 0x00);
  EXPECT_EQ(block[1], 0x3c);
  EXPECT_EQ(block[2 + 5], 5);
  EXPECT_EQ(block[2 + 31], -127);

  planes.resize(q4.getDescription(), 1, 32);
  for (int i = 0; i < 32; ++i)
    planes.codes[i] = static_cast<uint8_t>(i < 16 ? i : 31 - i);
  planes.scales[0] = -2.0f; // 0xc000
  block.resize(18);
  q4.encode(planes, block);
  EXPECT_EQ(static_cast<uint8_t>(block[1]), 0xc0);
  EXPECT_EQ(static_cast<uint8_t>(block[2]), 0xf0);
  EXPECT_EQ(static_cast<uint8_t>(block[2 + 3]), 0xc3);
}

} // namespace
