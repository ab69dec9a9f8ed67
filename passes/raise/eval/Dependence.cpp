//===- Dependence.cpp - What a value depends on ---------------------------===//

#include "passes/raise/eval/Dependence.h"
#include "dialects/onnx/OnnxDialect.h"

using namespace mlir;

namespace lq {

DependenceAnalysis::DependenceAnalysis(func::FuncOp graph,
                                       const llvm::DenseSet<Value> &sides) {
  for (BlockArgument input : graph.getArguments())
    classes[input] =
        sides.contains(input) ? Dependence::Side : Dependence::Activation;
  for (Operation &node : graph.getBody().front())
    visit(&node);
}

void DependenceAnalysis::visit(Operation *op) {
  Dependence most = Dependence::Constant;
  auto use = [&](Value value) {
    auto it = classes.find(value);
    if (it != classes.end())
      most = std::max(most, it->second);
  };
  for (Value operand : op->getOperands())
    use(operand);
  // Subgraphs read values around them.
  for (Region &region : op->getRegions())
    region.walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        use(operand);
    });
  auto node = dyn_cast<onnx::NodeOp>(op);
  if (node && (node.is("Shape") || node.is("Size")))
    most = std::min(most, Dependence::Shape);
  // What draws random numbers is not a constant.
  if (node && !isMemoryEffectFree(node))
    most = Dependence::Activation;
  for (Value result : op->getResults())
    classes[result] = most;
}

} // namespace lq
