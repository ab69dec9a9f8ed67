//===- ExecutorTest.cpp - running parts of a model while compiling --------===//

#include "Modules.h"

using namespace lq;

namespace {

using Floats = std::vector<float>;

constexpr int64_t rows = 20, columns = 32, tokens = 3;

class ExecutorTest : public ModuleTest {
protected:
  void SetUp() override {
    ModuleTest::SetUp();
    weights.resize(2 * rows * columns);
    for (size_t i = 0; i < weights.size(); ++i)
      weights[i] = static_cast<float>(static_cast<int>(i * 7 % 23) - 11);
    writeWeights(weights);
    x.resize(tokens * columns);
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<float>(static_cast<int>(i * 5 % 17) - 8);
    executor = hostExecutors().create({folder, /*threads=*/2});
  }

  /// x W^T of a weight of these names, `offset` elements into the file.
  std::unique_ptr<Executable> load(const std::string &weight,
                                   const std::string &input,
                                   const std::string &output, size_t offset) {
    auto module = parse(
        "lq.weight @" + weight + " : tensor<20x32xf32> from \"w\" at " +
        std::to_string(offset * sizeof(float)) +
        "\nlq.dimension @n max 8\n"
        "func.func @main(%x: tensor<?x32xf32> {lq.name = \"" +
        input +
        "\", lq.shape = [\"n\", 32]}) -> (tensor<?x20xf32> {lq.name = \"" +
        output +
        "\", lq.shape = [\"n\", 20]}) {\n"
        "%w = lq.get @" +
        weight +
        " : tensor<20x32xf32>\n"
        "%y = lq.linear %x, %w : (tensor<?x32xf32>, tensor<20x32xf32>) -> "
        "tensor<?x20xf32>\nreturn %y : tensor<?x20xf32>\n}");
    EXPECT_TRUE(module);
    auto executable = executor->load(*module);
    EXPECT_TRUE(mlir::succeeded(executable));
    return std::move(*executable);
  }
  Floats run(Executable &executable, const char *input, const char *output) {
    int64_t shape[] = {tokens, columns};
    TensorView view{input, ElementType::F32, shape, x.data()};
    auto outputs = executable.run(view);
    EXPECT_TRUE(static_cast<bool>(outputs))
        << llvm::toString(outputs.takeError());
    EXPECT_EQ(outputs->size(), 1u);
    const TensorView &result = outputs->front();
    EXPECT_EQ(result.name, output);
    EXPECT_EQ(std::vector<int64_t>(result.shape.begin(), result.shape.end()),
              (std::vector<int64_t>{tokens, rows}));
    const auto *values = static_cast<const float *>(result.data);
    return {values, values + tokens * rows};
  }
  /// Exact: all numbers are small integers.
  Floats product(llvm::ArrayRef<float> w) const {
    Floats y(tokens * rows);
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t n = 0; n < rows; ++n)
        for (int64_t k = 0; k < columns; ++k)
          y[t * rows + n] += x[t * columns + k] * w[n * columns + k];
    return y;
  }
  llvm::ArrayRef<float> weight(size_t i) const {
    return llvm::ArrayRef(weights).slice(i * rows * columns, rows * columns);
  }

  Floats weights, x;
  std::unique_ptr<Executor> executor;
};

TEST_F(ExecutorTest, MakesCodeOnceForModulesThatAreAlike) {
  auto first = load("a", "x", "y", 0);
  auto second = load("b", "in", "out", rows * columns);
  EXPECT_EQ(executor->codeCount(), 1u);
  EXPECT_EQ(run(*first, "x", "y"), product(weight(0)));
  EXPECT_EQ(run(*second, "in", "out"), product(weight(1)));
  EXPECT_GE(first->weightBytes(), rows * columns * sizeof(float));
  // Nothing is left beside the weights.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
}

TEST_F(ExecutorTest, RunsWithOtherWeights) {
  auto executable = load("a", "x", "y", 0);
  Floats other(rows * columns);
  for (size_t i = 0; i < other.size(); ++i)
    other[i] = static_cast<float>(i % 5) - 2;
  EXPECT_EQ(messageOf(executable->setWeight("a", other)), "");
  EXPECT_EQ(run(*executable, "x", "y"), product(other));
  EXPECT_EQ(messageOf(executable->setWeight("a", weight(1))), "");
  EXPECT_EQ(run(*executable, "x", "y"), product(weight(1)));
  EXPECT_EQ(read(path("w")).size(), weights.size() * sizeof(float));

  expectMentions(messageOf(executable->setWeight("b", other)),
                 "there is no weight @b");
  other.pop_back();
  expectMentions(messageOf(executable->setWeight("a", other)),
                 "weight @a: expected 640 elements, got 639");
}

TEST_F(ExecutorTest, SaysWhichInputDoesNotFit) {
  auto executable = load("a", "x", "y", 0);
  int64_t shape[] = {tokens, columns};
  TensorView view{"z", ElementType::F32, shape, x.data()};
  auto outputs = executable->run(view);
  ASSERT_FALSE(static_cast<bool>(outputs));
  expectMentions(llvm::toString(outputs.takeError()), "no input is called 'z'");
}

} // namespace
