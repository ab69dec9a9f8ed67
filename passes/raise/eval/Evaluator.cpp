//===- Evaluator.cpp - Evaluate an ONNX graph on the host -----------------===//

#include "passes/raise/eval/Evaluator.h"
#include "mlir/IR/SymbolTable.h"
#include "passes/raise/eval/Initializers.h"
#include "passes/raise/eval/Kernels.h"

using namespace mlir;

namespace lq {

Evaluator::Evaluator(func::FuncOp graph, WeightFiles *weights,
                     const InputExtents &inputs, const Assignment &assignment,
                     EvaluatorOptions options)
    : inputs(inputs), assignment(assignment), weights(weights),
      options(options), graph(graph) {}

Evaluator::~Evaluator() = default;

void Evaluator::override(Value value, HostTensor tensor) {
  tensors[value] = std::make_unique<HostTensor>(std::move(tensor));
}

void Evaluator::evaluateInput(BlockArgument input) {
  std::unique_ptr<HostTensor> &slot = tensors[input];
  auto type = dyn_cast<ShapedType>(input.getType());
  auto extents = inputs.find(input);
  if (!type || extents == inputs.end())
    return;
  SmallVector<int64_t> shape;
  for (const Extent &extent : extents->second) {
    std::optional<int64_t> dim = extent.evaluate(assignment);
    if (!dim || *dim < 0)
      return;
    shape.push_back(*dim);
  }
  if (!elementCount(shape))
    return;
  slot = std::make_unique<HostTensor>(
      HostTensor::withoutData(elementKindOf(type.getElementType()), shape));
}

void Evaluator::evaluateNode(Operation *op) {
  for (Value result : op->getResults())
    tensors.try_emplace(result);
  if (auto getOp = dyn_cast<onnx::GetOp>(op)) {
    if (std::optional<HostTensor> tensor =
            readInitializer(getOp, getOp.getInitializer(), weights,
                            options.maxInitializerElements))
      tensors[getOp.getResult()] =
          std::make_unique<HostTensor>(std::move(*tensor));
    return;
  }
  auto node = dyn_cast<onnx::NodeOp>(op);
  eval::Kernel kernel = node ? eval::kernelOf(node) : eval::Kernel();
  if (!kernel.run)
    return;
  eval::NodeEvaluation evaluation;
  evaluation.node = node;
  evaluation.opset = opsetOf(node);
  evaluation.maxElements = options.maxElements;
  evaluation.weights = weights;
  for (Value operand : node.getInputs()) {
    const HostTensor *tensor = tensors.find(operand)->second.get();
    if (!tensor && !isa<NoneType>(operand.getType()))
      return;
    evaluation.inputs.push_back(tensor);
  }
  for (unsigned i = 0; i < kernel.required; ++i)
    if (!evaluation.has(i))
      return;
  evaluation.results.resize(op->getNumResults());
  evaluation.made.resize(op->getNumResults());
  if (!kernel.run(evaluation))
    return;
  for (auto [result, tensor, made] :
       llvm::zip(op->getResults(), evaluation.results, evaluation.made))
    if (made && !tensors[result])
      tensors[result] = std::make_unique<HostTensor>(std::move(tensor));
}

const HostTensor *Evaluator::get(Value value) {
  // A graph may be thousands of nodes deep: no recursion.
  SmallVector<Value> stack{value};
  while (!stack.empty()) {
    Value top = stack.back();
    if (tensors.count(top)) {
      stack.pop_back();
      continue;
    }
    Operation *op = top.getDefiningOp();
    if (!op) {
      evaluateInput(cast<BlockArgument>(top));
      continue;
    }
    size_t pending = stack.size();
    for (Value operand : op->getOperands())
      if (!tensors.count(operand))
        stack.push_back(operand);
    if (stack.size() == pending)
      evaluateNode(op);
  }
  return tensors.find(value)->second.get();
}

} // namespace lq
