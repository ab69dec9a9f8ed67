//===- FittedShapesTest.cpp - Shapes as functions of the dimensions -------===//

#include "passes/raise/eval/FittedShapes.h"
#include "dialects/onnx/OnnxDialect.h"
#include "mlir/Parser/Parser.h"
#include "passes/raise/eval/Dependence.h"
#include <gtest/gtest.h>

using namespace lq;
using namespace mlir;

namespace {

/// A graph in text, whose values are found by the names of node outputs.
class FittedShapesTest : public ::testing::Test {
protected:
  FittedShapesTest() {
    context.loadDialect<onnx::OnnxDialect, func::FuncDialect>();
  }

  void parse(StringRef text) {
    module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module);
    graph = module->lookupSymbol<func::FuncOp>("main");
    ASSERT_TRUE(graph);
  }

  std::unique_ptr<FittedShapes> fit(FitOptions options = {}) {
    return std::make_unique<FittedShapes>(
        graph, nullptr, statedInputExtents(graph), std::move(options));
  }

  Value value(StringRef name) {
    Value found;
    graph.walk([&](onnx::NodeOp node) {
      auto names = node.getOutputNames();
      for (size_t i = 0; names && i < names->size(); ++i)
        if (cast<StringAttr>((*names)[i]).getValue() == name)
          found = node.getResult(i);
    });
    return found;
  }

  static std::string text(const std::optional<SmallVector<Extent>> &extents) {
    if (!extents)
      return "unknown";
    std::string result;
    llvm::raw_string_ostream os(result);
    llvm::interleave(*extents, os, ", ");
    return result;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  func::FuncOp graph;
};

constexpr StringLiteral kReshape = R"(
module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  onnx.initializer @one : tensor<1xi64> = dense<1>
  onnx.initializer @heads : tensor<2xi64> = dense<[4, -1]>
  func.func @main(%x: tensor<?x?x64xf32> {onnx.name = "x", onnx.dims = ["batch", "sequence", 64]},
                  %mask: tensor<?x?xi64> {onnx.name = "mask", onnx.dims = ["batch", "past + sequence"]}) {
    %one = onnx.get @one : tensor<1xi64>
    %heads = onnx.get @heads : tensor<2xi64>
    %shape = onnx.node "Shape"(%x) {end = 2 : si64} -> ["shape"] : (tensor<?x?x64xf32>) -> tensor<2xi64>
    %target = onnx.node "Concat"(%shape, %heads) {axis = 0 : si64} -> ["target"] : (tensor<2xi64>, tensor<2xi64>) -> tensor<4xi64>
    %split = onnx.node "Reshape"(%x, %target) -> ["split"] : (tensor<?x?x64xf32>, tensor<4xi64>) -> !onnx.unknown
    %flat = onnx.node "Flatten"(%x) {axis = 2 : si64} -> ["flat"] : (tensor<?x?x64xf32>) -> !onnx.unknown
    %sizes = onnx.node "Shape"(%mask) -> ["sizes"] : (tensor<?x?xi64>) -> tensor<2xi64>
    %squares = onnx.node "Mul"(%sizes, %sizes) -> ["squares"] : (tensor<2xi64>, tensor<2xi64>) -> tensor<2xi64>
    %cast = onnx.node "Cast"(%mask) {to = 9 : si64} -> ["cast"] : (tensor<?x?xi64>) -> tensor<?x?xi1>
    %sum = onnx.node "ReduceSum"(%mask, %one) -> ["sum"] : (tensor<?x?xi64>, tensor<1xi64>) -> tensor<?x1xi64>
    return
  }
})";

TEST_F(FittedShapesTest, FollowsShapeArithmetic) {
  parse(kReshape);
  auto shapes = fit();
  EXPECT_EQ(text(shapes->contentsOf(value("target"))),
            "batch, sequence, 4, -1");
  EXPECT_EQ(text(shapes->shapeOf(value("split"))), "batch, sequence, 4, 16");
  EXPECT_EQ(text(shapes->contentsOf(value("sizes"))), "batch, past + sequence");
}

TEST_F(FittedShapesTest, FitsProductsOfTwoDimensions) {
  parse(kReshape);
  EXPECT_EQ(text(fit()->shapeOf(value("flat"))), "batch * sequence, 64");
}

TEST_F(FittedShapesTest, RefusesWhatIsNoSuchExpression) {
  parse(kReshape);
  auto shapes = fit();
  EXPECT_EQ(text(shapes->contentsOf(value("squares"))), "unknown");
  EXPECT_EQ(text(shapes->shapeOf(value("squares"))), "2");
}

TEST_F(FittedShapesTest, DoesNotKnowTheContentsOfInputs) {
  parse(kReshape);
  auto shapes = fit();
  EXPECT_EQ(text(shapes->contentsOf(value("sum"))), "unknown");
  EXPECT_EQ(text(shapes->shapeOf(value("sum"))), "batch, 1");
  EXPECT_EQ(shapes->elementKindOf(value("cast")), ElementKind::Bool);
}

TEST_F(FittedShapesTest, TellsDependences) {
  parse(kReshape);
  llvm::DenseSet<Value> sides{graph.getArgument(1)};
  DependenceAnalysis dependence(graph, sides);
  EXPECT_EQ(dependence.of(value("target")), Dependence::Shape);
  EXPECT_EQ(dependence.of(value("sum")), Dependence::Side);
  EXPECT_EQ(dependence.of(value("split")), Dependence::Activation);
  EXPECT_TRUE(dependence.isPositional(value("cast")));
}

/// The smallest dimension may be a special case: min(s, 4) is s below it.
constexpr StringLiteral kCorner = R"(
module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  onnx.initializer @four : tensor<i64> = dense<4>
  onnx.initializer @zero : tensor<i64> = dense<0>
  func.func @main(%x: tensor<?xf32> {onnx.name = "x", onnx.dims = ["s"]}) {
    %four = onnx.get @four : tensor<i64>
    %zero = onnx.get @zero : tensor<i64>
    %shape = onnx.node "Shape"(%x) -> ["shape"] : (tensor<?xf32>) -> tensor<1xi64>
    %least = onnx.node "Min"(%shape, %four) -> ["least"] : (tensor<1xi64>, tensor<i64>) -> tensor<1xi64>
    %most = onnx.node "Max"(%shape, %zero) -> ["most"] : (tensor<1xi64>, tensor<i64>) -> tensor<1xi64>
    return
  }
})";

TEST_F(FittedShapesTest, ChecksTheSmallestDimensions) {
  parse(kCorner);
  EXPECT_EQ(text(fit()->contentsOf(value("least"))), "unknown");
  EXPECT_EQ(text(fit()->contentsOf(value("most"))), "s");
  FitOptions options;
  options.minimum["s"] = 4;
  EXPECT_EQ(text(fit(std::move(options))->contentsOf(value("least"))), "4");
}

} // namespace
