//===- Graph.h - What matchers ask about an ONNX graph ----------*- C++ -*-===//
//
// The vocabulary of the matchers: what computes a value, whether it is data
// (follows from the contents of the model's inputs) or known beforehand, and
// from which single value a piece of the graph computes another one. Questions
// about what a piece of the graph does are answered by running it (Probe.h).
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_RAISE_MATCH_GRAPH_H
#define LQ_PASSES_RAISE_MATCH_GRAPH_H

#include "dialects/onnx/OnnxDialect.h"
#include "passes/raise/Roles.h"
#include "passes/raise/eval/Dependence.h"
#include "passes/raise/eval/FittedShapes.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <optional>

namespace lq::raise {

class Graph {
public:
  /// Both must outlive this object.
  Graph(const Roles &roles, const FittedShapes &shapes);

  const Roles &roles() const { return modelRoles; }
  const FittedShapes &shapes() const { return fitted; }

  /// The node that computes `value`, or a null op.
  static onnx::NodeOp node(mlir::Value value) {
    return value ? value.getDefiningOp<onnx::NodeOp>() : onnx::NodeOp();
  }
  /// The node that computes `value` if it is `op` of ai.onnx.
  static onnx::NodeOp node(mlir::Value value, llvm::StringRef op);
  /// Input `index` of a node, or null where it is absent.
  static mlir::Value input(onnx::NodeOp node, unsigned index);

  /// The value that `value` is a copy of: looks through Identity, Dropout and
  /// casts between floating-point types.
  mlir::Value strip(mlir::Value value) const;

  /// Whether the contents of the model's inputs decide the value. Positions
  /// and, in generative models, masks are known beforehand and are not data.
  bool isData(mlir::Value value) const {
    return value && dependence.of(value) == Dependence::Activation;
  }
  bool isConstant(mlir::Value value) const {
    return value && dependence.of(value) == Dependence::Constant;
  }

  /// The number that all elements of a constant have.
  std::optional<double> scalar(mlir::Value value) const;
  /// The elements of a small constant of integers.
  std::optional<llvm::SmallVector<int64_t>> integers(mlir::Value value) const;
  /// The stated or fitted rank, or nothing.
  std::optional<int64_t> rank(mlir::Value value) const;
  /// The last dimension where it is fixed.
  std::optional<int64_t> lastDimension(mlir::Value value) const;
  /// Whether `axis` (possibly negative) is the last one of `value`.
  bool isLastAxis(mlir::Value value, int64_t axis) const;
  /// Whether two values have the same dimensions.
  bool sameShape(mlir::Value a, mlir::Value b) const;

  /// The place of a value's node in the graph; -1 for an input.
  int64_t order(mlir::Value value) const;

  /// The nearest value that all data in `value` comes through, and the nodes
  /// between: value = f(source, things that are not data). Nothing if there
  /// is none within a hundred nodes, or if `allow` refuses a node between.
  std::optional<mlir::Value>
  source(mlir::Value value, llvm::function_ref<bool(onnx::NodeOp)> allow) const;

  /// Results of products and lookups with weights, and their dimensions.
  /// Whoever evaluates a piece of the graph gives them no contents, so that a
  /// question about a shape somewhere does not read the weights of all layers
  /// before.
  llvm::ArrayRef<std::pair<mlir::Value, llvm::SmallVector<Extent>>>
  weighted() const {
    return weightedValues;
  }

private:
  const Roles &modelRoles;
  const FittedShapes &fitted;
  DependenceAnalysis dependence;
  llvm::DenseMap<mlir::Operation *, int64_t> orders;
  std::vector<std::pair<mlir::Value, llvm::SmallVector<Extent>>> weightedValues;
};

/// Whether a node computes each element from the elements at the same place
/// (after broadcasting).
bool isElementwise(onnx::NodeOp node);
/// Whether a node only moves elements: transposes, reshapes, slices, joins.
bool isMovement(onnx::NodeOp node);

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_MATCH_GRAPH_H
