//===- Spaces.h - values that one rotation serves ---------------*- C++ -*-===//

#ifndef LQ_PASSES_ROTATE_SPACES_H
#define LQ_PASSES_ROTATE_SPACES_H

#include "dialects/lq/LqOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"

#include <string>
#include <vector>

namespace lq {

/// What keeps a space from being rotated.
struct Obstacle {
  mlir::Operation *op = nullptr;
  /// "@w is quantized already", for a diagnostic.
  std::string reason;
};

/// Values between which vectors only pass as they are, are added or scaled, so
/// that all of them can be multiplied by one orthogonal matrix. Vectors lie in
/// the last dimension, one or several of `size` elements after another.
struct Space {
  int64_t size = 0;
  bool writes = false, reads = false;
  bool hasAddition = false, hasAttention = false;
  /// Without `op` if there is none.
  Obstacle obstacle;

  bool isRotatable() const {
    return !obstacle.op && writes && reads && size > 1;
  }
  /// Whether it is one that a user would expect to be rotated.
  bool isStream() const {
    return (reads || writes) && (hasAddition || hasAttention);
  }
};

/// What is to become of a weight where one operation reads it. Spaces are
/// numbers in `Spaces::all`, -1 for none.
struct WeightTransform {
  /// The space of what a linear writes: the rows, or a bias.
  int rows = -1;
  /// The space of a linear's input, or of an embedding's rows: the columns.
  int columns = -1;
  /// The norm before the linear, whose gamma multiplies the columns, before
  /// they are rotated.
  RmsNormOp norm;
  /// The gamma of such a norm, which becomes ones.
  bool becomesOnes = false;

  bool operator==(const WeightTransform &other) const {
    return rows == other.rows && columns == other.columns &&
           norm == other.norm && becomesOnes == other.becomesOnes;
  }
};

/// The spaces of a module, and what rotating all that can be and that is
/// wanted does to each weight.
struct Spaces {
  std::vector<Space> all;
  llvm::MapVector<mlir::OpOperand *, WeightTransform> transforms;
};

/// `wanted` chooses among the spaces that can be rotated.
Spaces findSpaces(mlir::ModuleOp module,
                  llvm::function_ref<bool(const Space &)> wanted);

/// The weight whose value it is; null if it is none.
WeightOp findWeight(mlir::Value value);

} // namespace lq

#endif // LQ_PASSES_ROTATE_SPACES_H
