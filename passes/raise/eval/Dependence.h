//===- Dependence.h - What a value depends on -------------------*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_EVAL_DEPENDENCE_H
#define LQ_PASSES_RAISE_EVAL_DEPENDENCE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace lq {

/// The most that a value depends on; each class includes those before it.
enum class Dependence {
  /// Initializers and constants.
  Constant,
  /// The dimensions of the inputs.
  Shape,
  /// The contents of the side inputs: position_ids, attention_mask, ...
  Side,
  /// The contents of any other input.
  Activation,
};

/// The dependence of every value of a graph.
class DependenceAnalysis {
public:
  /// `sides` are the graph inputs that count as side inputs.
  DependenceAnalysis(mlir::func::FuncOp graph,
                     const llvm::DenseSet<mlir::Value> &sides);

  Dependence of(mlir::Value value) const { return classes.lookup(value); }
  /// Whether positions and masks alone (and constants, dimensions) decide it.
  bool isPositional(mlir::Value value) const {
    return of(value) <= Dependence::Side;
  }

private:
  void visit(mlir::Operation *node);

  llvm::DenseMap<mlir::Value, Dependence> classes;
};

} // namespace lq

#endif // LQ_PASSES_RAISE_EVAL_DEPENDENCE_H
