//===- StorageTest.cpp - how many bytes a weight has ----------------------===//

#include "dialects/lq/Storage.h"

#include "mlir/AsmParser/AsmParser.h"
#include <gtest/gtest.h>

using namespace lq;

namespace {

struct StorageTest : testing::Test {
  mlir::MLIRContext context;

  StorageTest() { context.loadDialect<LqDialect>(); }

  std::optional<int64_t> bytes(llvm::StringRef text) {
    mlir::Type type = mlir::parseType(text, &context);
    if (!type) {
      ADD_FAILURE() << "cannot parse " << text.str();
      return std::nullopt;
    }
    return computeStorageBytes(mlir::cast<mlir::RankedTensorType>(type));
  }
};

TEST_F(StorageTest, DenseElementsTakeTheirWidth) {
  EXPECT_EQ(bytes("tensor<f32>"), 4);
  EXPECT_EQ(bytes("tensor<3x5xf16>"), 30);
  EXPECT_EQ(bytes("tensor<2x3x4xi64>"), 192);
  EXPECT_EQ(bytes("tensor<7xcomplex<f32>>"), 56);
  EXPECT_EQ(bytes("tensor<0x4xf32>"), 0);
}

TEST_F(StorageTest, NarrowElementsArePacked) {
  EXPECT_EQ(bytes("tensor<5xi4>"), 3);
  EXPECT_EQ(bytes("tensor<5xi2>"), 2);
  EXPECT_EQ(bytes("tensor<3xf4E2M1FN>"), 2);
  EXPECT_EQ(bytes("tensor<5xi1>"), 5);
  EXPECT_EQ(bytes("tensor<5xf8E4M3FN>"), 5);
}

TEST_F(StorageTest, EncodingsTakeWhatTheyStore) {
  EXPECT_EQ(bytes("tensor<10x64xf32, #lq.gguf<q4_0>>"), 360);
  EXPECT_EQ(bytes("tensor<10x64xf32, #lq.gguf<q8_0>>"), 680);
  EXPECT_EQ(bytes("tensor<10x64xf32, #lq.float<bf16>>"), 1280);
  EXPECT_EQ(bytes("tensor<10x64xf32, #lq.tiled<#lq.gguf<q4_0>>>"), 576);
  EXPECT_EQ(bytes("tensor<17x3xf32, #lq.tiled<#lq.float<f32>>>"), 384);
}

TEST_F(StorageTest, WhatHasNoSizeHasNoBytes) {
  EXPECT_FALSE(bytes("tensor<?x4xf32>"));
  EXPECT_FALSE(bytes("tensor<4xindex>"));
  EXPECT_FALSE(bytes("tensor<4611686018427387904x4xf32>"));
  EXPECT_FALSE(bytes("tensor<288230376151711744x64xf32, #lq.gguf<q8_0>>"));
}

} // namespace
