//===- ImportFuzzTest.cpp - The importer on damaged models ----------------===//
//
// Whatever the bytes, an import ends: with IR that can be printed and read
// again, or with at least one error.
//
//===----------------------------------------------------------------------===//

#include "dialects/onnx/Import.h"
#include "dialects/onnx/OnnxDialect.h"
#include "dialects/onnx/transforms/Passes.h"
#include "test/unit/onnx/SeedModels.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

#include <cstdlib>
#include <random>

using namespace mlir;
namespace fs = llvm::sys::fs;

namespace {

class ImportFuzzTest : public testing::Test {
protected:
  void SetUp() override {
    llvm::SmallString<256> path;
    ASSERT_FALSE(fs::createUniqueDirectory("lq-fuzz", path));
    folder = path.str().str();
    write("weights.bin", std::string(72, '\2'));
  }
  void TearDown() override { fs::remove_directories(folder); }

  void write(StringRef name, StringRef bytes) {
    std::error_code error;
    llvm::raw_fd_ostream(folder + "/" + name.str(), error) << bytes;
    ASSERT_FALSE(error);
  }

  /// Imports `bytes` and checks what must hold of any bytes. Returns whether
  /// they were a model.
  bool import(StringRef bytes);

  std::string folder;
};

/// Whether `module` prints as text that reads back as the same text.
void expectReadable(ModuleOp module, MLIRContext &context) {
  std::string text;
  llvm::raw_string_ostream(text) << module;
  auto again = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(again) << text;
  std::string second;
  llvm::raw_string_ostream(second) << *again;
  EXPECT_EQ(text, second);
}

bool ImportFuzzTest::import(StringRef bytes) {
  write("model.onnx", bytes);
  MLIRContext context(MLIRContext::Threading::DISABLED);
  unsigned errors = 0;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    errors += diagnostic.getSeverity() == DiagnosticSeverity::Error;
    return success();
  });
  auto module = lq::onnx::importOnnx(folder, context);
  EXPECT_EQ(!module, errors > 0);
  if (!module)
    return false;
  expectReadable(*module, context);
  PassManager passes(&context);
  passes.addPass(lq::onnx::createInlineFunctionsPass());
  passes.addPass(lq::onnx::createFoldConstantIfPass());
  errors = 0;
  bool passed = succeeded(passes.run(*module));
  EXPECT_EQ(!passed, errors > 0);
  return true;
}

/// One damage: a changed, added, removed, repeated or exchanged piece.
std::string damage(std::string bytes, StringRef other, std::mt19937 &random) {
  auto below = [&](size_t limit) {
    return limit == 0
               ? 0
               : std::uniform_int_distribution<size_t>(0, limit - 1)(random);
  };
  size_t at = below(bytes.size());
  size_t length = 1 + below(16);
  switch (below(8)) {
  case 0: // one bit
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
    break;
  case 1: // one byte
    bytes[at] = static_cast<char>(below(256));
    break;
  case 2: // a byte that means something in the encoding: a small length, a tag
    bytes[at] = static_cast<char>(below(128));
    break;
  case 3: // the end
    bytes.resize(at);
    break;
  case 4:
    bytes.erase(at, length);
    break;
  case 5:
    bytes.insert(at, bytes.substr(below(bytes.size()), length));
    break;
  case 6: // a large number
    bytes.replace(at, std::min<size_t>(length, bytes.size() - at), length,
                  '\xff');
    break;
  default: { // a piece of another model
    size_t from = below(other.size());
    bytes.insert(at, other.substr(from, 8 * length).str());
  }
  }
  return bytes;
}

/// How many damaged models to try.
unsigned fuzzCount() {
  const char *given = std::getenv("LQ_FUZZ_COUNT");
  return given ? static_cast<unsigned>(std::atoi(given)) : 4000;
}

TEST_F(ImportFuzzTest, SeedsAreModels) {
  for (const std::string &seed : makeSeedModels())
    EXPECT_TRUE(import(seed));
}

TEST_F(ImportFuzzTest, DamagedModelsEndInAnErrorOrInGoodIr) {
  std::vector<std::string> seeds = makeSeedModels();
  std::mt19937 random(20240229);
  unsigned models = 0;
  unsigned count = fuzzCount();
  for (unsigned i = 0; i < count && !HasFailure(); ++i) {
    std::string bytes = seeds[i % seeds.size()];
    const std::string &other = seeds[random() % seeds.size()];
    for (unsigned left = 1 + random() % 4; left > 0 && !bytes.empty(); --left)
      bytes = damage(bytes, other, random);
    SCOPED_TRACE("model " + std::to_string(i));
    models += import(bytes);
  }
  // Damage that nothing can notice (in a payload, say) keeps some of them
  // models, so that what follows the parser is tried as well.
  if (count >= 1000) {
    EXPECT_GT(models, count / 50);
    EXPECT_LT(models, count);
  }
  RecordProperty("models", static_cast<int>(models));
}

TEST_F(ImportFuzzTest, EveryTruncationEndsInAnErrorOrInGoodIr) {
  std::string seed = makeSeedModels().back();
  for (size_t length = 0; length < seed.size(); ++length)
    import(StringRef(seed).take_front(length));
}

} // namespace
