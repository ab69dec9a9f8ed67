//===- ModelStatisticsTest.cpp - statistics of a module's weights ---------===//

#include "passes/calibrate/ModelStatistics.h"

#include "Modules.h"
#include "dialects/common/ModuleWeights.h"
#include "passes/calibrate/Imatrix.h"

using namespace lq;

namespace {

class ModelStatisticsTest : public ModuleTest {
protected:
  /// A matrix, the same transposed, and another of the same shape.
  mlir::OwningOpRef<mlir::ModuleOp> matrices() {
    std::vector<float> values(64);
    for (size_t i = 0; i < 16; ++i) {
      values[i] = static_cast<float>(i);
      values[16 + i % 4 * 4 + i / 4] = static_cast<float>(i);
      values[32 + i] = static_cast<float>(i);
    }
    values[47] = -1;
    writeWeights(values);
    return parse("lq.weight @a : tensor<4x4xf32> from \"w\" at 0\n"
                 "lq.weight @t : tensor<4x4xf32> from \"w\" at 64 transposed\n"
                 "lq.weight @b : tensor<4x4xf32> from \"w\" at 128\n"
                 "lq.weight @v : tensor<4xf32> from \"w\" at 128\n");
  }
  std::string sample(mlir::ModuleOp module, const char *name) {
    auto files = openWeightFiles(module);
    auto weight = describeWeight(module.lookupSymbol<WeightOp>(name), **files);
    return mlir::failed(weight) ? "" : weight->sample;
  }
};

TEST_F(ModelStatisticsTest, KnowsAWeightByItsElements) {
  auto module = matrices();
  ASSERT_TRUE(module);
  EXPECT_EQ(sample(*module, "a"), sample(*module, "t"));
  EXPECT_NE(sample(*module, "a"), sample(*module, "b"));
  mlir::ScopedDiagnosticHandler quiet(
      &context, [](mlir::Diagnostic &) { return mlir::success(); });
  EXPECT_EQ(sample(*module, "v"), "");
}

TEST_F(ModelStatisticsTest, RefusesStatisticsOfAnotherModel) {
  auto module = matrices();
  ASSERT_TRUE(module);
  std::vector<float> one(4, 1), products(16, 1);
  {
    StatisticsHeader header;
    header.inputs = {{"a", 4, 3, {"a"}}, {"b", 4, 3, {"b"}}};
    header.weights = {{"a", {4, 4}, sample(*module, "a")},
                      {"b", {4, 4}, sample(*module, "a")}};
    auto writer = StatisticsWriter::open(path("work"), header);
    ASSERT_TRUE(static_cast<bool>(writer));
    for (size_t i : {0, 1})
      EXPECT_EQ(messageOf(writer->write(i, {"", 4, 3, products, one, one})),
                "");
    EXPECT_EQ(messageOf(writer->commit(path("s"))), "");
  }
  auto statistics = openStatistics(*module, path("s"));
  ASSERT_TRUE(mlir::succeeded(statistics));
  auto files = openWeightFiles(*module);
  auto find = [&](const char *name) {
    return findStatistics(*statistics, module->lookupSymbol<WeightOp>(name),
                          **files);
  };
  auto found = find("a");
  ASSERT_TRUE(mlir::succeeded(found));
  EXPECT_EQ((*found)->tokens, 3);
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context,
                                        [&](mlir::Diagnostic &diagnostic) {
                                          message = diagnostic.str();
                                          return mlir::success();
                                        });
  EXPECT_TRUE(mlir::failed(find("b")));
  expectMentions(message, "another model: weight @b has other elements");
  EXPECT_TRUE(mlir::failed(find("t")));
  expectMentions(message, "another model: weight @t is not in it");
  EXPECT_TRUE(mlir::failed(openStatistics(*module, path("none"))));
  expectMentions(message, "none: cannot open");
}

TEST_F(ModelStatisticsTest, CallsAnImatrixByTheModelsNames) {
  writeWeights(std::vector<float>(64, 1));
  auto module =
      parse("lq.weight @w : tensor<4x4xf32> from \"w\" at 0\n"
            "func.func @main(%x: tensor<1x4xf32>) -> tensor<1x4xf32> {\n"
            "%w = lq.get @w : tensor<4x4xf32>\n"
            "%y = lq.linear %x, %w : (tensor<1x4xf32>, tensor<4x4xf32>) -> "
            "tensor<1x4xf32>\nreturn %y : tensor<1x4xf32>\n}");
  ASSERT_TRUE(module);
  std::vector<float> squares{1, 2, 3, 4};
  EXPECT_EQ(
      messageOf(writeImatrix(path("i"), {{"output.weight", 5, squares}}, {})),
      "");
  auto statistics = openStatistics(*module, path("i"));
  ASSERT_TRUE(mlir::succeeded(statistics));
  auto found = statistics->find("w");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->sumSquare.vec(), squares);
  EXPECT_EQ(
      messageOf(writeImatrix(path("other"), {{"blk.7.x", 5, squares}}, {})),
      "");
  mlir::ScopedDiagnosticHandler quiet(
      &context, [](mlir::Diagnostic &) { return mlir::success(); });
  EXPECT_TRUE(mlir::failed(openStatistics(*module, path("other"))));
}

} // namespace
