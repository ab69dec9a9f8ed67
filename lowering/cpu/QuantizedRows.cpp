//===- QuantizedRows.cpp - what activations are made of -------------------===//

#include "lowering/cpu/QuantizedRows.h"
#include "lowering/cpu/kernels/Kernels.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

/// Whether element i of the result is a function of the elements i of the
/// operands.
static bool isOfElements(linalg::GenericOp op) {
  return op->getNumResults() == 1 && op.getNumDpsInputs() > 0 &&
         op.getNumParallelLoops() == op.getNumLoops() &&
         llvm::all_of(op.getIndexingMapsArray(),
                      [](AffineMap map) { return map.isIdentity(); }) &&
         !op.payloadUsesValueFromOperand(op.getDpsInitOperand(0)) &&
         isElementFunction({op.getBody(), op.getNumDpsInputs()});
}

bool QuantizedRows::isMadeInKernel(Operation *op) {
  if (!op->hasOneUse() || !isa<QuantizeRowsOp>(*op->user_begin()))
    return false;
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return isOfElements(generic);
  return isa<RmsNormOp, LayerNormOp>(op);
}

QuantizedRows::QuantizedRows(QuantizeRowsOp op) : operands{op.getX()} {
  Operation *producer = op.getX().getDefiningOp();
  if (!producer || !isMadeInKernel(producer))
    return;
  generic = dyn_cast<linalg::GenericOp>(producer);
  if (generic) {
    operands.assign(generic.getInputs().begin(), generic.getInputs().end());
    return;
  }
  normOp = producer;
  operands.assign({producer->getOperand(0)});
}

size_t ElementFunctions::number(linalg::GenericOp function) {
  // Operations with their operands: by number, or as the constant that they
  // are, which may stand anywhere.
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << function.getNumDpsInputs();
  DenseMap<Value, size_t> numbers;
  for (BlockArgument argument : function.getBody()->getArguments())
    numbers.try_emplace(argument, numbers.size());
  for (Operation &op : *function.getBody()) {
    stream << op.getName() << op.getAttrDictionary();
    for (Value operand : op.getOperands()) {
      Attribute number;
      if (matchPattern(operand, m_Constant(&number)))
        stream << ' ' << number;
      else
        stream << " %" << numbers.at(operand);
    }
    for (Value result : op.getResults())
      stream << result.getType();
    for (Value result : op.getResults())
      numbers.try_emplace(result, numbers.size());
  }
  return byText.try_emplace(text, byText.size()).first->second;
}
