//===- lq-fit-shapes.cpp - Print the fitted shapes of a graph -------------===//
//
// One line for each result of a node: its name, element type, shape, and its
// contents where they are known.
//
//===----------------------------------------------------------------------===//

#include "NodeCase.h"
#include "dialects/common/ModuleWeights.h"
#include "dialects/onnx/Import.h"
#include "dialects/onnx/OnnxDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/eval/Dependence.h"
#include "passes/raise/eval/FittedShapes.h"
#include "llvm/Support/CommandLine.h"

using namespace mlir;
using namespace lq;

static void print(Value value, const FittedShapes &shapes) {
  raw_ostream &os = llvm::outs();
  os << test::nameOf(shapes.elementKindOf(value)) << "[";
  if (auto shape = shapes.shapeOf(value))
    llvm::interleave(*shape, os, ", ");
  else
    os << "?";
  os << "]";
  if (auto contents = shapes.contentsOf(value)) {
    os << " = {";
    llvm::interleaveComma(*contents, os);
    os << "}";
  }
  os << "\n";
}

int main(int argc, char **argv) {
  llvm::cl::opt<std::string> path(llvm::cl::Positional, llvm::cl::Required);
  llvm::cl::list<std::string> minimums(
      "minimum", llvm::cl::CommaSeparated,
      llvm::cl::desc("smallest values of symbols: past=0,..."));
  llvm::cl::ParseCommandLineOptions(argc, argv);
  MLIRContext context;
  context.loadDialect<onnx::OnnxDialect, func::FuncDialect>();
  OwningOpRef<ModuleOp> module = onnx::importOnnx(path, context);
  if (!module)
    return 1;
  auto weights = openWeightFiles(*module);
  if (!weights) {
    llvm::errs() << "error: " << llvm::toString(weights.takeError()) << '\n';
    return 1;
  }
  FitOptions options;
  for (StringRef entry : minimums) {
    auto [name, value] = entry.split('=');
    int64_t number = 0;
    if (!value.getAsInteger(10, number))
      options.minimum[name] = number;
  }
  auto graph = module->lookupSymbol<func::FuncOp>("main");
  FittedShapes shapes(graph, weights->get(), statedInputExtents(graph),
                      options);
  graph.walk([&](onnx::NodeOp node) {
    for (auto [index, result] : llvm::enumerate(node.getResults())) {
      auto names = node.getOutputNames();
      llvm::outs() << node.getOpType() << " "
                   << (names ? cast<StringAttr>((*names)[index]).getValue()
                             : "")
                   << ": ";
      print(result, shapes);
    }
  });
  return 0;
}
