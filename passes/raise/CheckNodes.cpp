//===- CheckNodes.cpp - Refuse nodes that lack operands -------------------===//

#include "passes/raise/CheckNodes.h"
#include "dialects/onnx/OnnxDialect.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace lq::raise {

/// How many operands an operator of ai.onnx cannot do without; 0 for one that
/// no matcher looks into.
static unsigned requiredInputs(StringRef op) {
  return llvm::StringSwitch<unsigned>(op)
      .Cases({"Cast",       "Concat",    "Dropout",  "Erf",   "Expand",
              "Gelu",       "Identity",  "IsNaN",    "Neg",   "Reciprocal",
              "ReduceMean", "ReduceSum", "Relu",     "Shape", "Sigmoid",
              "Slice",      "Softmax",   "Split",    "Sqrt",  "Squeeze",
              "Tanh",       "Transpose", "Unsqueeze"},
             1)
      .Cases({"Add", "Div", "Gather", "Gemm", "LayerNormalization", "MatMul",
              "Mul", "Pow", "Reshape", "RMSNormalization",
              "SimplifiedLayerNormalization", "Sub"},
             2)
      .Cases({"Attention", "Where"}, 3)
      .Default(0);
}

LogicalResult checkNodes(func::FuncOp graph) {
  WalkResult result = graph.walk([](onnx::NodeOp node) {
    if (node.getNumResults() == 0) {
      node.emitError() << "expected " << node.describe() << " to have a result";
      return WalkResult::interrupt();
    }
    unsigned required =
        node.getDomain().empty() ? requiredInputs(node.getOpType()) : 0;
    for (unsigned i = 0; i < required; ++i)
      if (!node.getInputOrNull(i)) {
        node.emitError() << "expected " << node.describe() << " to have "
                         << required << (required == 1 ? " input" : " inputs")
                         << ", input " << i << " is missing";
        return WalkResult::interrupt();
      }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

} // namespace lq::raise
