//===- NodeLowering.h - What the lowerings of nodes share -------*- C++ -*-===//
//
// Internal to the general lowering. A lowering is a function of one node; the
// files beside this one hold a family each.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_RAISE_GENERAL_NODELOWERING_H
#define LQ_PASSES_RAISE_GENERAL_NODELOWERING_H

#include "dialects/onnx/OnnxDialect.h"
#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "passes/raise/eval/FittedShapes.h"
#include "passes/raise/general/Scalars.h"
#include "llvm/ADT/StringMap.h"

namespace lq::general {

using Extents = llvm::SmallVector<Extent>;

/// A lowered tensor: its value, its dimensions and what its elements are.
struct Lowered {
  mlir::Value value;
  Extents shape;
  ElementKind kind = ElementKind::Other;

  int64_t rank() const { return shape.size(); }
};

/// The index maps and iterators of a linalg.generic over tensors.
struct Loops {
  /// How far each loop runs; what linalg infers from the operands.
  unsigned count = 0;
  llvm::SmallVector<mlir::AffineMap> inputMaps;
  mlir::AffineMap outputMap;
  llvm::SmallVector<mlir::utils::IteratorType> iterators;
};

using Body = llvm::function_ref<mlir::Value(Scalars &, mlir::ValueRange)>;

class NodeLowering {
public:
  NodeLowering(mlir::OpBuilder &builder, const FittedShapes &shapes,
               onnx::NodeOp node);

  mlir::ImplicitLocOpBuilder b;
  const FittedShapes &shapes;
  onnx::NodeOp node;
  /// The version of ai.onnx that the model imports.
  int64_t opset;
  /// Null values where the node leaves an operand out.
  llvm::SmallVector<Lowered> operands;
  llvm::SmallVector<Lowered> results;

  bool has(unsigned i) const {
    return i < operands.size() && operands[i].value;
  }
  const Lowered &in(unsigned i) const { return operands[i]; }
  Lowered &out(unsigned i = 0) { return results[i]; }
  /// Stores result `i`, cast to the type that its fitted shape gives.
  void set(unsigned i, mlir::Value value);

  /// Emits "cannot lower Op "name": why".
  mlir::LogicalResult fail(const llvm::Twine &why);

  //===--------------------------------------------------------------------===//
  // Numbers known when compiling, or when the model is called
  //===--------------------------------------------------------------------===//

  /// An axis in [-rank, rank), counted from the front; nothing if out of range.
  static std::optional<int64_t> axis(int64_t axis, int64_t rank);
  /// Integers given by operand `i`, or by an attribute in older versions; each
  /// as an extent. False if they depend on more than dimensions; empty if
  /// neither is there.
  bool extents(unsigned i, llvm::StringRef attribute,
               std::optional<Extents> &values) const;
  /// The same where they must be constant.
  bool integers(unsigned i, llvm::StringRef attribute,
                std::optional<llvm::SmallVector<int64_t>> &values) const;
  /// The value of a scalar operand if it is a known constant.
  const HostTensor *constant(unsigned i) const;

  /// The value of an extent, of type index.
  mlir::Value index(const Extent &extent);
  mlir::Value index(int64_t value) { return index(Extent(value)); }
  llvm::SmallVector<mlir::OpFoldResult> sizes(llvm::ArrayRef<Extent> shape);
  /// The number of elements of some dimensions, of type index.
  mlir::Value count(llvm::ArrayRef<Extent> shape);

  //===--------------------------------------------------------------------===//
  // Tensors
  //===--------------------------------------------------------------------===//

  /// The element type that tensors of a kind have.
  mlir::Type elementType(ElementKind kind);
  mlir::RankedTensorType typeOf(llvm::ArrayRef<Extent> shape, ElementKind kind);
  Lowered empty(llvm::ArrayRef<Extent> shape, ElementKind kind);
  Lowered filled(llvm::ArrayRef<Extent> shape, ElementKind kind,
                 mlir::Value scalar);
  /// Zeros, or the number closest to `value`.
  Lowered filled(llvm::ArrayRef<Extent> shape, ElementKind kind, double value);

  /// A linalg.generic that yields body(elements). Elements of 16-bit floats
  /// come as f32, and the result is narrowed again. `init` is the value that
  /// the reduction starts from, and gives the type of the result.
  Lowered generic(llvm::ArrayRef<Lowered> inputs, const Loops &loops,
                  const Lowered &init, Body body);
  /// An elementwise operation with numpy broadcasting to `shape`.
  Lowered elementwise(llvm::ArrayRef<Lowered> inputs,
                      llvm::ArrayRef<Extent> shape, ElementKind kind,
                      Body body);
  /// A tensor computed element by element from its indices.
  Lowered fromIndices(llvm::ArrayRef<Extent> shape, ElementKind kind,
                      Body body);
  /// The same with tensors to read by index inside the body, as elements of
  /// their type.
  mlir::Value element(const Lowered &tensor, mlir::ValueRange indices);

  /// The elements in row-major order under another shape of the same size.
  Lowered reshape(const Lowered &tensor, llvm::ArrayRef<Extent> shape);
  /// Splits each dimension of a tensor into a group of dimensions by copying.
  /// `tensor.expand_shape` does it without, but MLIR 22 cannot lower it where
  /// two dimensions of a group are dynamic (expand-strided-metadata).
  Lowered splitByIndex(const Lowered &tensor, llvm::ArrayRef<Extent> shape,
                       llvm::ArrayRef<mlir::ReassociationIndices> groups);
  Lowered transpose(const Lowered &tensor, llvm::ArrayRef<int64_t> order);
  /// Elements converted to another kind, as ONNX casts.
  Lowered cast(const Lowered &tensor, ElementKind kind);
  /// The part of a tensor that starts at `offsets`.
  Lowered slice(const Lowered &tensor,
                llvm::ArrayRef<mlir::OpFoldResult> offsets,
                llvm::ArrayRef<Extent> shape,
                llvm::ArrayRef<int64_t> strides = {});
  /// `into` with `part` in its place from `offsets` on.
  Lowered insert(const Lowered &part, const Lowered &into,
                 llvm::ArrayRef<mlir::OpFoldResult> offsets);

  /// Reduces dimensions with step(element, accumulator), and drops them.
  Lowered reduce(const Lowered &tensor, llvm::ArrayRef<int64_t> axes,
                 double start, Body step);
  /// The shape with the dimensions of `axes` as 1.
  static Extents kept(llvm::ArrayRef<Extent> shape,
                      llvm::ArrayRef<int64_t> axes);

  /// The loops of an elementwise operation over `shape`.
  Loops broadcastLoops(llvm::ArrayRef<Lowered> inputs,
                       llvm::ArrayRef<Extent> shape);
  mlir::AffineMap broadcastMap(llvm::ArrayRef<Extent> from,
                               llvm::ArrayRef<Extent> to);
};

/// The kind that sums of elements of a kind are computed in.
ElementKind accumulatorKind(ElementKind kind);

/// Fills in the results of a node; a failure was reported.
using Lowering = mlir::LogicalResult (*)(NodeLowering &);
struct LoweringEntry {
  Lowering run = nullptr;
  /// The first so many operands may not be left out.
  unsigned required = 1;

  LoweringEntry() = default;
  LoweringEntry(Lowering run, unsigned required = 1)
      : run(run), required(required) {}
};
/// Lowerings by "Op" or "domain.Op".
using LoweringTable = llvm::StringMap<LoweringEntry>;

void addElementwiseLowerings(LoweringTable &table);
void addShapeLowerings(LoweringTable &table);
void addMovementLowerings(LoweringTable &table);
void addIndexingLowerings(LoweringTable &table);
void addScatterLowerings(LoweringTable &table);
void addReductionLowerings(LoweringTable &table);
void addProductLowerings(LoweringTable &table);
void addNormalizationLowerings(LoweringTable &table);
void addAttentionLowerings(LoweringTable &table);

} // namespace lq::general

#endif // LQ_PASSES_RAISE_GENERAL_NODELOWERING_H
