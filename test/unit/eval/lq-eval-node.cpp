//===- lq-eval-node.cpp - Run ONNX node tests through the evaluator -------===//
//
// For each folder (see NodeCase.h) prints one line: its path, a tab, and "ok",
// "unclaimed <operator>" or "failed <why>". node_tests.py compares the outputs.
//
//===----------------------------------------------------------------------===//

#include "NodeCase.h"
#include "dialects/onnx/Import.h"
#include "dialects/onnx/OnnxDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/eval/Evaluator.h"
#include "passes/raise/eval/Kernels.h"
#include "llvm/Support/CommandLine.h"

using namespace mlir;
using namespace lq;

static std::string evaluate(const std::string &folder, MLIRContext &context) {
  auto inputs = test::readInputs(folder);
  if (!inputs)
    return "unclaimed " + llvm::toString(inputs.takeError());
  OwningOpRef<ModuleOp> module =
      onnx::importOnnx(folder + "/model.onnx", context);
  if (!module)
    return "failed import";
  std::string unclaimed;
  module->walk([&](onnx::NodeOp node) {
    if (!eval::kernelOf(node).run)
      unclaimed = node.getOpType().str();
  });
  if (!unclaimed.empty())
    return "unclaimed " + unclaimed;
  auto graph = module->lookupSymbol<func::FuncOp>("main");
  if (graph.getNumArguments() != inputs->size())
    return "failed number of inputs";
  InputExtents noExtents;
  Evaluator evaluator(graph, nullptr, noExtents, {});
  for (auto [argument, tensor] : llvm::zip(graph.getArguments(), *inputs))
    evaluator.override(argument, tensor);
  std::vector<HostTensor> outputs;
  for (Value result : graph.getBody().front().getTerminator()->getOperands()) {
    const HostTensor *tensor = evaluator.get(result);
    if (!tensor)
      return "failed no result";
    outputs.push_back(*tensor);
  }
  if (llvm::Error error = test::writeOutputs(folder, "eval", outputs))
    return "failed " + llvm::toString(std::move(error));
  return "ok";
}

int main(int argc, char **argv) {
  llvm::cl::list<std::string> folders(llvm::cl::Positional,
                                      llvm::cl::desc("<folders>"));
  llvm::cl::ParseCommandLineOptions(argc, argv);
  MLIRContext context;
  context.loadDialect<onnx::OnnxDialect, func::FuncDialect>();
  for (const std::string &folder : folders) {
    llvm::outs() << folder << '\t' << evaluate(folder, context) << '\n';
    llvm::outs().flush();
  }
  return 0;
}
