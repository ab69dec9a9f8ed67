//===- GeneralLowering.h - ONNX nodes to linalg, one by one -----*- C++ -*-===//
//
// What no idiom covers still has to run. Each ONNX operation lowers to tensor,
// linalg, arith and math operations whose dynamic sizes are affine expressions
// of `lq.extent` values, taken from the fitted shapes. Elementwise operations
// become `linalg.generic`s that upstream fusion joins.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_RAISE_GENERAL_GENERALLOWERING_H
#define LQ_PASSES_RAISE_GENERAL_GENERALLOWERING_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/Pass/Pass.h"
#include "passes/raise/eval/FittedShapes.h"

namespace lq {

namespace onnx {
class NodeOp;
} // namespace onnx

/// Lowers nodes of one graph. The operations are created at the insertion point
/// of the builder, which must be inside a function of a module that declares an
/// `lq.dimension` for each symbol of the fitted shapes.
class GeneralLowering {
public:
  /// Known values with at most so many elements become constants in the IR.
  static constexpr int64_t kMaxInlineElements = 1024;

  /// Both must outlive this object.
  GeneralLowering(mlir::OpBuilder &builder, const FittedShapes &shapes)
      : builder(builder), shapes(shapes) {}

  /// Whether the operation (its type and attributes) has a lowering at all.
  static bool supports(onnx::NodeOp node);

  /// Lowers `node`. `operands` are the lowered operands, one for each operand
  /// of the node; null where an optional one is absent, and where the caller
  /// has not lowered one whose value shapes.contentsOf or constantOf tells.
  /// Results whose values these tell become constants or
  /// tensor.from_elements of extents. On failure an error was emitted at the
  /// node, saying what could not be lowered.
  mlir::LogicalResult lower(onnx::NodeOp node, mlir::ValueRange operands,
                            llvm::SmallVectorImpl<mlir::Value> &results);

  /// The lowered type of a value: its fitted shape with `?` where a dimension
  /// depends on a symbol, integers signless, bool i1. Null if it has no fitted
  /// shape or its element type has no lowering.
  mlir::RankedTensorType typeOf(mlir::Value value) const;

  /// The value of an extent, of type index.
  mlir::Value materialize(mlir::Location loc, const Extent &extent);

  /// The lowered form of a value that depends on constants and dimensions
  /// alone; null if it cannot be told, or is a constant with more elements
  /// than fit in the IR.
  mlir::Value materializeKnown(mlir::Value value);

private:
  mlir::OpBuilder &builder;
  const FittedShapes &shapes;
};

} // namespace lq

#endif // LQ_PASSES_RAISE_GENERAL_GENERALLOWERING_H
