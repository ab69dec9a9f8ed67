//===- OriginalModel.h - the ONNX model that a module came from -*- C++ -*-===//
//
// What a file needs that is the ONNX model with other weights: where the graph
// has each weight of the module. Names do not tell, since they can be lost,
// shared and changed. So the model is imported and raised again, as it was for
// the module, and the two are walked side by side: the same operations in the
// same order read weights in the same places.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_CHECKPOINT_ORIGINALMODEL_H
#define LQ_PASSES_CHECKPOINT_ORIGINALMODEL_H

#include "dialects/common/WeightFile.h"
#include "dialects/lq/LqOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace lq::checkpoint {

/// An operand that is a weight, of the module and of the original model.
struct WeightPair {
  WeightOp weight, original;
  /// The node of the main graph that multiplies by it; -1: no linear reads the
  /// weight here.
  int product = -1;
  /// Of a linear whose input is permuted, the order: column j of the weight is
  /// the original's column order[j].
  WeightOp order = {};
};

class OriginalModel {
public:
  /// Imports and raises the model that `path` names (onnx::findModel), as
  /// `module` was. New weights go to `folder`. An error has been reported if
  /// this gives null.
  static std::unique_ptr<OriginalModel>
  open(mlir::ModuleOp module, llvm::StringRef path, llvm::StringRef folder);

  /// The .onnx file.
  llvm::StringRef file() const { return path; }
  /// What the original's weights are read with.
  WeightFiles &files() { return *weightFiles; }

  /// The weights that the functions of the module read, in the order of their
  /// operations. A failure has been reported where the operations differ.
  mlir::FailureOr<std::vector<WeightPair>> pair(mlir::ModuleOp module);

  /// The initializer of the main graph that a weight of the original is, as it
  /// stands or transposed; -1 if the graph computes it.
  static int initializerOf(WeightOp original);

private:
  OriginalModel() : context(mlir::MLIRContext::Threading::DISABLED) {}
  llvm::Error raise(mlir::ModuleOp module, llvm::StringRef folder);

  mlir::MLIRContext context;
  std::string path;
  mlir::OwningOpRef<mlir::ModuleOp> raised;
  std::unique_ptr<WeightFiles> weightFiles;
};

} // namespace lq::checkpoint

#endif // LQ_PASSES_CHECKPOINT_ORIGINALMODEL_H
