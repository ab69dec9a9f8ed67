//===- InputScaling.h - where a scale of linears' inputs folds --*- C++ -*-===//
//
// The product (x / s) (W s)^T is x W^T for any scale s of the columns, and what
// makes x can give x / s as it is, if it ends in something that may be divided:
// the weight of a norm, rows of a product. This finds, for any graph, what that
// is.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_AWQ_INPUTSCALING_H
#define LQ_PASSES_AWQ_INPUTSCALING_H

#include "dialects/common/WeightFile.h"
#include "dialects/lq/LqOps.h"
#include <string>
#include <vector>

namespace lq {

/// A use of a weight, as a vector or as a matrix, that an input's scale is divided
/// out of: element or row i by the scale of class classes[i]; -1: it stays.
struct ScaleFold {
  mlir::OpOperand *use;
  std::vector<int32_t> classes;
};

/// The input [..., K] of linears.
struct ScalableInput {
  mlir::Value x;
  /// All that read it.
  llvm::SmallVector<LinearOp> linears;
  /// The class of each of the K columns. Columns of a class must have one scale,
  /// such as those of query heads that share a value head; -1: no scale but 1.
  std::vector<int32_t> classes;
  int32_t classCount = 0;
  std::vector<ScaleFold> folds;
  /// Why it cannot be scaled, as the end of a sentence; empty if it can.
  std::string obstacle;
};

/// The inputs of a module's linears, raised and not packed, in the order of the
/// first linear. The files are those of the module's weights. A diagnostic if the
/// order of an lq.permute cannot be read.
mlir::FailureOr<std::vector<ScalableInput>>
findScalableInputs(mlir::ModuleOp module, WeightFiles &files);

} // namespace lq

#endif // LQ_PASSES_AWQ_INPUTSCALING_H
