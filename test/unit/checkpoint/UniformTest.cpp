//===- UniformTest.cpp - integer codes with scales and zero points --------===//

#include "dialects/lq/LqOps.h"
#include "dialects/lq/Scalars.h"
#include "dialects/lq/formats/RowStorage.h"

#include "mlir/AsmParser/AsmParser.h"
#include <gtest/gtest.h>
#include <random>

using namespace lq;

namespace {

struct UniformTest : testing::Test {
  mlir::MLIRContext context;
  UniformTest() { context.loadDialect<LqDialect>(); }

  std::string print(mlir::Attribute attribute) {
    std::string text;
    llvm::raw_string_ostream(text) << attribute;
    return text;
  }
};

TEST_F(UniformTest, NamesSayWhatAFormatIs) {
  auto name = [&](unsigned bits, int64_t group, Scalar scale, bool zeros) {
    return getUniformFormat(context, bits, group, scale, zeros).getFormatName();
  };
  EXPECT_EQ(name(4, 128, Scalar::F16, false), "int4_g128");
  EXPECT_EQ(name(4, 128, Scalar::F16, true), "uint4_g128");
  EXPECT_EQ(name(3, 0, Scalar::BF16, true), "uint3_row_bf16");
}

TEST_F(UniformTest, AttributesSurvivePrinting) {
  for (Scalar scale : {Scalar::F16, Scalar::BF16, Scalar::F32})
    for (int64_t group : {0, 16, 128})
      for (bool zeros : {false, true}) {
        mlir::Attribute format =
            getUniformFormat(context, 5, group, scale, zeros);
        EXPECT_EQ(mlir::parseAttribute(print(format), &context), format);
      }
}

/// A row is its codes, its scales, its zero points.
TEST_F(UniformTest, RowsLieAsDescribed) {
  auto format = getUniformFormat(context, 3, 4, Scalar::F16, true);
  // 6 codes of 3 bits: 3 bytes; 2 scales: 4 bytes; 2 zero points: 1 byte.
  ASSERT_EQ(format.getRowBytes(6), 8);
  Planes planes;
  planes.resize(format.getDescription(), 1, 6);
  planes.codes = {1, 2, 3, 4, 5, 7};
  planes.scale.numbers = {1.0f, -2.0f};
  planes.offset.integers = {6, 5};
  std::vector<char> row(8, 0x55);
  format.encode(planes, row);
  // 111 101 100 011 010 001 and 101 110, from high to low.
  unsigned stream = 0b111101100011010001;
  const unsigned expected[] = {
      stream & 0xff, stream >> 8 & 0xff, stream >> 16, 0x00, 0x3c, 0x00, 0xc0,
      0b101110};
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(static_cast<uint8_t>(row[i]), expected[i]) << i;
}

TEST_F(UniformTest, PlanesSurviveStorage) {
  std::mt19937 random(1);
  for (unsigned bits = 2; bits <= 8; ++bits)
    for (int64_t group : {0, 16, 32})
      for (bool zeros : {false, true})
        for (int64_t columns : {1, 37, 64}) {
          auto format =
              getUniformFormat(context, bits, group, Scalar::F32, zeros);
          Planes planes, again;
          planes.resize(format.getDescription(), 3, columns);
          again.resize(format.getDescription(), 3, columns);
          for (auto *integers : {&planes.codes, &planes.offset.integers})
            for (uint8_t &integer : *integers)
              integer = static_cast<uint8_t>(random() % (1u << bits));
          for (float &scale : planes.scale.numbers)
            scale = static_cast<float>(random());
          std::vector<char> storage(3 * format.getRowBytes(columns), 0x55);
          format.encode(planes, storage);
          format.decode(storage, again);
          EXPECT_EQ(planes.codes, again.codes);
          EXPECT_EQ(planes.scale, again.scale);
          EXPECT_EQ(planes.offset, again.offset);
        }
}

TEST_F(UniformTest, WeightsAreScaleTimesDistanceFromZero) {
  auto format = getUniformFormat(context, 4, 2, Scalar::F16, true);
  Planes planes;
  planes.resize(format.getDescription(), 1, 4);
  planes.codes = {0, 15, 7, 9};
  planes.scale.numbers = {0.5f, -2.0f};
  planes.offset.integers = {3, 8};
  std::vector<float> weights(4);
  dequantize(format.getDescription(), planes, weights);
  EXPECT_EQ(weights, (std::vector<float>{-1.5f, 6.0f, 2.0f, -2.0f}));
}

} // namespace
