//===- CheckNodes.cpp - Refuse nodes that contradict themselves -----------===//

#include "passes/raise/CheckNodes.h"
#include "dialects/common/WeightFile.h"
#include "dialects/onnx/OnnxDialect.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"

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

static std::string shapeText(ArrayRef<int64_t> shape) {
  std::string text;
  for (int64_t size : shape)
    text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

/// The type of an initializer; null for other values.
static RankedTensorType initializerType(Value value) {
  return value && value.getDefiningOp<onnx::GetOp>()
             ? dyn_cast<RankedTensorType>(value.getType())
             : RankedTensorType();
}

/// The shape that the scales of a DequantizeLinear must have if they are not
/// one; nothing if its attributes do not fit its codes.
static std::optional<SmallVector<int64_t>> scaleShape(onnx::NodeOp node,
                                                      RankedTensorType codes) {
  int64_t axis = node.getInt("axis", 1), block = node.getInt("block_size", 0);
  axis = axis < 0 ? axis + codes.getRank() : axis;
  if (axis < 0 || axis >= codes.getRank() || block < 0)
    return std::nullopt;
  if (block == 0)
    return SmallVector<int64_t>{codes.getDimSize(axis)};
  SmallVector<int64_t> shape(codes.getShape());
  shape[axis] = llvm::divideCeilSigned(shape[axis], block);
  return shape;
}

/// Weights that a DequantizeLinear makes of initializers.
static LogicalResult checkDequantized(onnx::NodeOp node) {
  RankedTensorType codes = initializerType(node.getInputOrNull(0));
  Value scales = node.getInputOrNull(1), zeros = node.getInputOrNull(2);
  RankedTensorType scaleType = initializerType(scales);
  if (!codes || !scaleType)
    return success();
  auto refuse = [&](Value value, const Twine &reason) {
    StringRef name = value.getDefiningOp<onnx::GetOp>().getInitializer();
    return node.emitError()
           << node.describe() << ": initializer " << quoted(name) << " is "
           << value.getType() << ", " << reason;
  };
  auto expected = scaleShape(node, codes);
  if (scaleType.getNumElements() != 1 &&
      (!expected || scaleType.getShape() != ArrayRef(*expected)))
    return refuse(
        scales, "which are no scales of codes of " +
                    shapeText(codes.getShape()) +
                    " with axis = " + Twine(node.getInt("axis", 1)) +
                    " and block_size = " + Twine(node.getInt("block_size", 0)));
  RankedTensorType zeroType = initializerType(zeros);
  if (zeroType && zeroType.getShape() != scaleType.getShape())
    return refuse(zeros, "but its zero points must have the shape of its "
                         "scales, " +
                             shapeText(scaleType.getShape()));
  return success();
}

static LogicalResult checkInputs(onnx::NodeOp node) {
  unsigned required =
      node.getDomain().empty() ? requiredInputs(node.getOpType()) : 0;
  for (unsigned i = 0; i < required; ++i)
    if (!node.getInputOrNull(i))
      return node.emitError()
             << "expected " << node.describe() << " to have " << required
             << (required == 1 ? " input" : " inputs") << ", input " << i
             << " is missing";
  return success();
}

LogicalResult checkNodes(func::FuncOp graph) {
  WalkResult result = graph.walk([](onnx::NodeOp node) {
    if (node.getNumResults() == 0) {
      node.emitError() << "expected " << node.describe() << " to have a result";
      return WalkResult::interrupt();
    }
    if (failed(checkInputs(node)) ||
        (node.is("DequantizeLinear") && failed(checkDequantized(node))))
      return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

} // namespace lq::raise
