//===- OnnxFuzz.cpp - any ONNX model, imported and raised -----------------===//
//
// Whatever the model, importing and raising it ends with at least one error, or
// with a module whose weights lie in their files.
//
//===----------------------------------------------------------------------===//

#include "dialects/common/ModuleWeights.h"
#include "dialects/lq/LqOps.h"
#include "dialects/lq/Storage.h"
#include "dialects/onnx/Import.h"
#include "dialects/onnx/transforms/Passes.h"
#include "passes/raise/Passes.h"
#include "test/fuzz/CompilerHarness.h"
#include "test/fuzz/MessageMutator.h"

#include "mlir/Pass/PassManager.h"
#include "onnx/onnx_pb.h"

using namespace lq;
using namespace mlir;
using fuzz::require;

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

static std::string mutateText(std::string text) {
  size_t size = text.size();
  text.resize(size + 8);
  text.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t *>(text.data()), size,
                               text.size()));
  return text;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size,
                                          size_t maxSize, unsigned seed) {
  ::onnx::ModelProto model;
  // The parsers of the encoding itself are worth an attempt too.
  if (seed % 16 == 0 ||
      !model.ParsePartialFromArray(data, static_cast<int>(size)))
    return LLVMFuzzerMutate(data, size, maxSize);
  fuzz::MessageMutator mutator(seed, mutateText);
  mutator.mutate(model);
  std::string bytes = model.SerializePartialAsString();
  if (bytes.size() > maxSize)
    return size;
  llvm::copy(bytes, reinterpret_cast<char *>(data));
  return bytes.size();
}

/// Runs the passes that stand between a file and a raised module. Whether they
/// succeeded.
static bool raise(ModuleOp module) {
  fuzz::ErrorCounter counter(*module.getContext());
  PassManager passes(module.getContext());
  passes.addPass(lq::onnx::createInlineFunctionsPass());
  passes.addPass(lq::onnx::createFoldConstantIfPass());
  LqRaisePassOptions options;
  options.archive = fuzz::folder() + "/raised.weights";
  passes.addPass(createLqRaisePass(options));
  bool passed = succeeded(passes.run(module));
  require(passed == (counter.errors == 0), "only a failure has errors");
  return passed;
}

static void readWeights(ModuleOp module) {
  auto files = openWeightFiles(module);
  require(fuzz::succeeds(files), "the folder of the model can be opened");
  module.walk([&](WeightOp weight) {
    auto size = computeStorageBytes(weight.getTensorType());
    require(size.has_value(), "a weight has a size in bytes");
    auto bytes = (*files)->read(weight.getFile(), weight.getOffset(), *size);
    require(fuzz::succeeds(bytes), "a weight lies in its file");
  });
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MLIRContext &context = fuzz::context();
  std::string path = fuzz::writeFile(
      "model.onnx", StringRef(reinterpret_cast<const char *>(data), size));
  OwningOpRef<ModuleOp> module;
  {
    fuzz::ErrorCounter counter(context);
    module = lq::onnx::importOnnx(path, context);
    require(!module == (counter.errors > 0), "only a failure has errors");
  }
  if (module && raise(*module))
    readWeights(*module);
  return 0;
}
