//===- FittedShapes.h - Shapes as functions of the dimensions ---*- C++ -*-===//
//
// Exporters bury a reshape's [1, sequence, 9, 64] under a dozen nodes of shape
// arithmetic, no two versions alike. Instead of recognising that arithmetic we
// run it: the evaluator computes every shape for several choices of the
// graph's symbolic dimensions, and an affine expression (with products of two
// symbols, as in a flattened [batch, sequence]) is fitted to each dimension,
// and to each element of the small integer tensors. The fit is
// exact, and checked on further choices, among them the smallest.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_RAISE_EVAL_FITTEDSHAPES_H
#define LQ_PASSES_RAISE_EVAL_FITTEDSHAPES_H

#include "passes/raise/eval/Evaluator.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace lq {

struct FitOptions {
  /// The smallest value that a symbol takes when the model runs (1 where there
  /// is none here). Fits are checked there too.
  llvm::StringMap<int64_t> minimum;
  /// Contents are fitted for tensors with at most so many elements.
  int64_t maxContents = 64;
};

/// What holds for every value of a graph whatever its dimensions are.
class FittedShapes {
public:
  /// Evaluates `graph`. `weights` may be null and must outlive this object.
  FittedShapes(mlir::func::FuncOp graph, WeightFiles *weights,
               InputExtents inputs, FitOptions options = {});
  ~FittedShapes();

  /// The dimensions of a value, or nothing if they are unknown or not such
  /// an expression.
  std::optional<llvm::SmallVector<Extent>> shapeOf(mlir::Value value) const;
  /// The dimensions if none depends on a symbol.
  std::optional<llvm::SmallVector<int64_t>>
  staticShapeOf(mlir::Value value) const;
  /// The element type of a value; Other if unknown.
  ElementKind elementKindOf(mlir::Value value) const;
  /// The elements, in row-major order, of an integer tensor of fixed shape
  /// that depends on constants and dimensions alone.
  std::optional<llvm::SmallVector<Extent>> contentsOf(mlir::Value value) const;
  /// The tensor if it is the same whatever the dimensions are and small enough
  /// to have been evaluated; null otherwise.
  const HostTensor *constantOf(mlir::Value value) const;

  /// Whether the tensor is known for every choice of dimensions that was tried,
  /// and `holds` of each.
  bool allKnown(mlir::Value value,
                llvm::function_ref<bool(const HostTensor &)> holds) const;

  const InputExtents &inputs() const { return inputExtents; }
  /// The symbols of the inputs' dimensions, sorted.
  llvm::ArrayRef<std::string> symbols() const { return symbolNames; }
  WeightFiles *weightFiles() const { return weights; }
  mlir::func::FuncOp graph() const { return func; }

private:
  struct Sample;
  void chooseSamples(const FitOptions &options);
  /// The expression through one number per sample, if there is one.
  std::optional<Extent> fit(llvm::ArrayRef<int64_t> numbers) const;
  /// The tensors of a value under each sample; empty if one is unknown.
  llvm::SmallVector<const HostTensor *> observe(mlir::Value value) const;

  mlir::func::FuncOp func;
  WeightFiles *weights;
  InputExtents inputExtents;
  FitOptions options;
  std::vector<std::string> symbolNames;
  /// Pairs of symbols whose products may occur.
  std::vector<std::pair<size_t, size_t>> pairs;
  std::vector<std::unique_ptr<Sample>> samples;
};

/// The dimensions of the graph's inputs as the file states them, dim_params
/// parsed as affine expressions where they are that. An input dimension
/// without a name gets the symbol "<input>.<index>".
InputExtents statedInputExtents(mlir::func::FuncOp graph);

} // namespace lq

#endif // LQ_PASSES_RAISE_EVAL_FITTEDSHAPES_H
