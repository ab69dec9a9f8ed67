//===- HeadRows.cpp - Compute logits of the wanted rows alone -------------===//

#include "passes/raise/HeadRows.h"

using namespace mlir;

namespace lq::raise {
namespace {

/// Whether all operands but one are constants, or all are data of one shape.
bool hasRowwiseOperands(const Graph &graph, onnx::NodeOp node) {
  for (Value operand : node.getInputs())
    if (!isa<NoneType>(operand.getType()) && !graph.isData(operand) &&
        !graph.isConstant(operand))
      return false;
  return true;
}

bool reducesLastAxis(const Graph &graph, onnx::NodeOp node) {
  SmallVector<int64_t> axes;
  if (auto attribute = node.getInts("axes"))
    axes.assign(attribute->begin(), attribute->end());
  else if (auto input = graph.integers(Graph::input(node, 1)))
    axes = *input;
  return axes.size() == 1 && node.getInt("keepdims", 1) == 1 &&
         graph.isLastAxis(node.getInputs()[0], axes[0]);
}

/// Whether each row [.., row, :] of a node's result follows from the same row
/// of its operands.
bool isRowwise(const Graph &graph, onnx::NodeOp node) {
  if (!hasRowwiseOperands(graph, node))
    return false;
  StringRef op = node.getOpType();
  if (isElementwise(node))
    return true;
  if (op == "MatMul")
    return graph.isConstant(node.getInputs()[1]) &&
           graph.rank(node.getInputs()[1]) == 2;
  if (op == "ReduceMean" || op == "ReduceSum")
    return reducesLastAxis(graph, node);
  if (op == "LayerNormalization" || op == "RMSNormalization" ||
      op == "SimplifiedLayerNormalization")
    return graph.isLastAxis(node.getInputs()[0], node.getInt("axis", -1));
  if (op == "Split" || op == "Softmax" || op == "Concat")
    return graph.isLastAxis(node.getInputs()[0], node.getInt("axis", -1));
  if (op == "Slice")
    return graph.sameShape(node.getInputs()[0], node->getResult(0));
  return op == "SkipLayerNormalization" ||
         op == "SkipSimplifiedLayerNormalization" || op == "BiasGelu" ||
         op == "FastGelu";
}

bool isRows(const Graph &graph, Value value) {
  auto shape = graph.shapes().shapeOf(value);
  return shape && shape->size() == 3 && (*shape)[0].is(1) &&
         (*shape)[1] == Extent::symbol(kSequence) && (*shape)[2].isConstant();
}

} // namespace

void cutHeadRows(const Graph &graph, Roles &roles) {
  func::FuncOp func = graph.shapes().graph();
  Operation *terminator = func.getBody().front().getTerminator();
  Value hidden = terminator->getOperand(roles.logits);
  if (!isRows(graph, hidden))
    return;
  auto rowwise = [&](onnx::NodeOp node) { return isRowwise(graph, node); };
  for (;;) {
    std::optional<Value> source = graph.source(hidden, rowwise);
    if (!source || !isRows(graph, *source) || isa<BlockArgument>(*source))
      break;
    hidden = *source;
  }
  auto shape = graph.shapes().shapeOf(hidden);
  unsigned index = func.getNumArguments();
  auto type =
      RankedTensorType::get({1, ShapedType::kDynamic, (*shape)[2].constant},
                            Float32Type::get(func.getContext()));
  (void)func.insertArgument(index, type, {}, func.getLoc());
  roles.hidden = hidden;
  roles.tail = func.getArgument(index);
  roles.extents[roles.tail] = {1, Extent::symbol(kLogits), (*shape)[2]};
  hidden.replaceAllUsesWith(roles.tail);
  // What the tail stands for is still needed.
  terminator->insertOperands(terminator->getNumOperands(), hidden);
}

void restoreHeadRows(func::FuncOp graph, Roles &roles) {
  if (!roles.tail)
    return;
  Operation *terminator = graph.getBody().front().getTerminator();
  terminator->eraseOperand(terminator->getNumOperands() - 1);
  roles.tail.replaceAllUsesWith(roles.hidden);
  (void)graph.eraseArgument(cast<BlockArgument>(roles.tail).getArgNumber());
  roles.hidden = roles.tail = Value();
}

} // namespace lq::raise
