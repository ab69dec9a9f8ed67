//===- FoldConstantIf.cpp - Take the branch that is always taken ----------===//

#include "dialects/onnx/transforms/Passes.h"

namespace lq::onnx {
#define GEN_PASS_DEF_FOLDCONSTANTIFPASS
#include "dialects/onnx/transforms/Passes.h.inc"
} // namespace lq::onnx

using namespace mlir;
using namespace lq::onnx;

namespace {

/// The elements of `value` if the IR has them.
DenseElementsAttr constantElements(Value value,
                                   SymbolTableCollection &symbols) {
  if (auto node = value.getDefiningOp<NodeOp>(); node && node.is("Constant"))
    return node.getNodeAttr<DenseElementsAttr>("value");
  if (auto get = value.getDefiningOp<GetOp>())
    if (auto op = symbols.lookupNearestSymbolFrom<InitializerOp>(
            get, get.getInitializerAttr()))
      return dyn_cast_or_null<DenseElementsAttr>(op.getValueAttr());
  return {};
}

/// The branch that `node` always takes, or null.
Region *takenBranch(NodeOp node, SymbolTableCollection &symbols) {
  if (!node.is("If") || node.getInputs().size() != 1)
    return nullptr;
  auto condition = constantElements(node.getInputs()[0], symbols);
  if (!condition || condition.getNumElements() != 1 ||
      !condition.getElementType().isInteger(1))
    return nullptr;
  Region *branch = node.getGraph(
      *condition.value_begin<bool>() ? "then_branch" : "else_branch");
  bool fits =
      branch && branch->getNumArguments() == 0 &&
      branch->front().getTerminator()->getNumOperands() == node.getNumResults();
  return fits ? branch : nullptr;
}

void takeBranch(NodeOp node, Region &branch) {
  Block &body = branch.front();
  Operation *last = body.getTerminator();
  SmallVector<Value> values(last->getOperands());
  last->erase();
  node->getBlock()->getOperations().splice(node->getIterator(),
                                           body.getOperations());
  replaceNode(node, values);
}

struct FoldConstantIf : lq::onnx::impl::FoldConstantIfPassBase<FoldConstantIf> {
  void runOnOperation() override {
    SymbolTableCollection symbols;
    // Inner nodes come first, so that a branch is folded before it is moved.
    SmallVector<NodeOp> nodes;
    getOperation().walk([&](NodeOp node) { nodes.push_back(node); });
    // Nodes of the branch not taken vanish with it: they come before their If,
    // so none is left to visit.
    for (NodeOp node : nodes)
      if (Region *branch = takenBranch(node, symbols)) {
        takeBranch(node, *branch);
        ++folded;
      }
    updateSignatures(getOperation());
  }
};

} // namespace
