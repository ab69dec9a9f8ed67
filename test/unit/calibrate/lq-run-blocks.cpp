//===- lq-run-blocks.cpp - a model block by block, for tests --------------===//
//
//     lq-run-blocks MODEL.mlir
//
// Prints the blocks of a raised model, each with a result for every input of its
// linears.
//
//     lq-run-blocks MODEL.mlir FOLDER INPUT=FILE.npy ...
//
// Runs them one after another on the model's inputs. Writes the model's results to
// FOLDER/<result>.npy, and the input of each linear to FOLDER/<weight>.npy. Says
// how many times it has made code.
//
//===----------------------------------------------------------------------===//

#include "dialects/lq/LqOps.h"
#include "lowering/execute/Execute.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "passes/calibrate/Blocks.h"
#include "runtime/Npy.h"
#include "llvm/Support/TargetSelect.h"

#include <cstring>
#include <map>

using namespace mlir;
using namespace lq;

namespace {
/// A tensor that outlives the executable that made it.
struct OwnedTensor {
  ElementType type;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;
};
} // namespace

static int fail(const llvm::Twine &message) {
  llvm::errs() << "lq-run-blocks: error: " << message << "\n";
  return 1;
}

static OwnedTensor copyOf(const TensorView &view) {
  OwnedTensor tensor{view.type, {view.shape.begin(), view.shape.end()}, {}};
  size_t size = elementBytes(view.type);
  for (int64_t dim : view.shape)
    size *= static_cast<size_t>(dim);
  tensor.bytes.resize(size);
  std::memcpy(tensor.bytes.data(), view.data, size);
  return tensor;
}

static LogicalResult writeTensor(const std::string &path,
                                 const OwnedTensor &tensor) {
  lq::Error error = writeNpy(path, tensor.type, tensor.shape, tensor.bytes);
  if (error)
    llvm::errs() << error.message() << "\n";
  return failure(static_cast<bool>(error));
}

/// Runs a block on the tensors it needs and adds its results to them.
static LogicalResult runBlock(Executor &executor, ModelBlock &block,
                              const std::vector<Tap> &taps,
                              const std::string &folder,
                              std::map<std::string, OwnedTensor> &tensors) {
  auto executable = executor.load(*block.module);
  if (failed(executable))
    return failure();
  std::vector<TensorView> inputs;
  auto main = block.module->lookupSymbol<func::FuncOp>("main");
  for (unsigned i = 0; i < main.getNumArguments(); ++i) {
    auto found =
        tensors.find(main.getArgAttrOfType<StringAttr>(i, "lq.name").str());
    if (found != tensors.end())
      inputs.push_back({found->first, found->second.type, found->second.shape,
                        found->second.bytes.data()});
  }
  auto outputs = (*executable)->run(inputs);
  if (!outputs) {
    llvm::errs() << llvm::toString(outputs.takeError()) << "\n";
    return failure();
  }
  std::map<std::string, OwnedTensor> results;
  for (const TensorView &output : *outputs)
    results[std::string(output.name)] = copyOf(output);
  for (const Tap &tap : taps)
    for (const std::string &weight : tap.weights)
      if (failed(writeTensor(folder + "/" + weight + ".npy",
                             results.at(tap.result))))
        return failure();
  for (auto &[name, tensor] : results) {
    bool isResult =
        name != streamName && !llvm::StringRef(name).starts_with("tap ");
    if (isResult && failed(writeTensor(folder + "/" + name + ".npy", tensor)))
      return failure();
    tensors[name] = std::move(tensor);
  }
  return success();
}

static int run(ArrayRef<ModelBlock> blocks, ArrayRef<std::vector<Tap>> taps,
               ArrayRef<char *> arguments) {
  std::string folder = arguments.front();
  std::map<std::string, OwnedTensor> tensors;
  for (const char *argument : arguments.drop_front()) {
    auto [name, path] = llvm::StringRef(argument).split('=');
    auto array = readNpy(path.str());
    if (!array)
      return fail(array.error().message());
    tensors[name.str()] = {
        array->type, array->shape, {array->bytes.begin(), array->bytes.end()}};
  }
  std::unique_ptr<Executor> executor =
      hostExecutors().create({folder, /*threads=*/2});
  for (auto [block, tap] : llvm::zip_equal(blocks, taps))
    if (failed(runBlock(*executor, const_cast<ModelBlock &>(block), tap, folder,
                        tensors)))
      return 1;
  llvm::outs() << blocks.size() << " blocks, " << executor->codeCount()
               << " times code\n";
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 2)
    return fail("expected MODEL.mlir");
  DialectRegistry registry;
  registry.insert<LqDialect, arith::ArithDialect, func::FuncDialect,
                  linalg::LinalgDialect, math::MathDialect,
                  tensor::TensorDialect>();
  hostExecutors().registerDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  auto module = parseSourceFile<ModuleOp>(argv[1], &context);
  if (!module)
    return 1;
  auto blocks = cutIntoBlocks(*module);
  if (failed(blocks))
    return 1;
  std::vector<std::vector<Tap>> taps;
  for (ModelBlock &block : *blocks) {
    FailureOr<std::vector<Tap>> added = addTaps(block);
    if (failed(added))
      return 1;
    taps.push_back(std::move(*added));
  }
  if (argc > 2)
    return run(*blocks, taps, ArrayRef(argv + 2, argc - 2));
  for (auto [block, tap] : llvm::zip_equal(*blocks, taps)) {
    llvm::outs() << "// " << block.name << "\n" << *block.module << "\n";
    for (const Tap &each : tap)
      llvm::outs() << "// " << each.result << ": " << each.columns << " for "
                   << llvm::join(each.weights, ", ") << "\n";
  }
  return 0;
}
