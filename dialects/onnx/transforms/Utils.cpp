//===- Utils.cpp - What passes over the imported graph share --------------===//

#include "dialects/onnx/transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace lq::onnx;

void lq::onnx::replaceNode(NodeOp node, ArrayRef<Value> values) {
  for (auto [result, replacement] : llvm::zip(node.getResults(), values)) {
    Value value = replacement;
    if (isa<UnknownType, UnrankedTensorType>(value.getType()) &&
        !isa<UnknownType>(result.getType()) && value.getDefiningOp<NodeOp>())
      value.setType(result.getType());
    result.replaceAllUsesWith(value);
  }
  node.erase();
}

void lq::onnx::updateSignatures(ModuleOp module) {
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isDeclaration())
      continue;
    Operation *last = function.getBody().back().getTerminator();
    function.setFunctionType(FunctionType::get(module.getContext(),
                                               function.getArgumentTypes(),
                                               last->getOperandTypes()));
  }
}
