//===- HostTensorTest.cpp - Tensors on the host ---------------------------===//

#include "passes/raise/eval/HostTensor.h"
#include "mlir/IR/MLIRContext.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace lq;

namespace {

constexpr ElementKind kAll[] = {
    ElementKind::Bool, ElementKind::I8,  ElementKind::I16,  ElementKind::I32,
    ElementKind::I64,  ElementKind::U8,  ElementKind::U16,  ElementKind::U32,
    ElementKind::U64,  ElementKind::F16, ElementKind::BF16, ElementKind::F32,
    ElementKind::F64};

TEST(HostTensor, ReadsTheBytesThatItWrites) {
  for (ElementKind kind : kAll) {
    HostTensor tensor = HostTensor::ofFloats(kind, {2, 2}, {0, 1, -1, 0.75});
    auto copy = HostTensor::fromBytes(kind, {2, 2}, tensor.toBytes());
    ASSERT_TRUE(copy);
    EXPECT_EQ(copy->ints, tensor.ints);
    EXPECT_EQ(copy->floats, tensor.floats);
  }
}

TEST(HostTensor, RefusesBytesThatDoNotMatchTheShape) {
  std::vector<char> bytes(12);
  EXPECT_TRUE(HostTensor::fromBytes(ElementKind::F32, {3}, bytes));
  EXPECT_FALSE(HostTensor::fromBytes(ElementKind::F32, {4}, bytes));
  EXPECT_FALSE(HostTensor::fromBytes(ElementKind::I64, {1}, bytes));
  EXPECT_FALSE(HostTensor::fromBytes(ElementKind::Other, {12}, bytes));
  EXPECT_FALSE(HostTensor::fromBytes(ElementKind::F32, {-3}, bytes));
  EXPECT_FALSE(HostTensor::fromBytes(ElementKind::F32,
                                     {INT64_MAX, INT64_MAX, INT64_MAX}, bytes));
}

TEST(HostTensor, RoundsAndWrapsToItsType) {
  HostTensor half =
      HostTensor::ofFloats(ElementKind::F16, {3}, {2049, 65520, 1.0 / 3});
  EXPECT_EQ(half.floats[0], 2048);
  EXPECT_TRUE(std::isinf(half.floats[1]));
  EXPECT_EQ(half.floats[2], 0.333251953125);
  HostTensor bytes = HostTensor::ofInts(ElementKind::I8, {3}, {127, 128, -129});
  EXPECT_EQ(bytes.ints, (std::vector<int64_t>{127, -128, 127}));
  HostTensor truths = HostTensor::ofFloats(ElementKind::Bool, {2}, {0.25, 0});
  EXPECT_EQ(truths.ints, (std::vector<int64_t>{1, 0}));
}

TEST(HostTensor, ConvertsNumbersThatDoNotFitWithoutUndefinedBehaviour) {
  HostTensor tensor =
      HostTensor::ofFloats(ElementKind::I64, {4}, {1e30, -1e30, NAN, 2.9});
  EXPECT_EQ(tensor.ints, (std::vector<int64_t>{INT64_MAX, INT64_MIN, 0, 2}));
}

TEST(HostTensor, BroadcastsAsNumpyDoes) {
  using Shape = llvm::SmallVector<int64_t>;
  EXPECT_EQ(broadcastShapes({3, 1}, {4}), (Shape{3, 4}));
  EXPECT_EQ(broadcastShapes({}, {2, 5}), (Shape{2, 5}));
  EXPECT_EQ(broadcastShapes({1}, {0}), (Shape{0}));
  EXPECT_FALSE(broadcastShapes({3}, {4}));
  EXPECT_FALSE(broadcastShapes({2}, {0}));
}

TEST(HostTensor, BecomesASignlessAttribute) {
  mlir::MLIRContext context;
  HostTensor tensor = HostTensor::ofInts(ElementKind::U8, {2}, {1, 255});
  mlir::DenseElementsAttr attribute = tensor.toAttribute(&context);
  EXPECT_TRUE(attribute.getElementType().isSignlessInteger(8));
  EXPECT_EQ((*(attribute.value_begin<llvm::APInt>() + 1)).getZExtValue(), 255u);
}

} // namespace
