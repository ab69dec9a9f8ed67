//===- Evaluator.h - Evaluate an ONNX graph on the host ---------*- C++ -*-===//
//
// Computes values of an imported graph for one concrete choice of its
// dimensions: whole tensors where all they depend on is known and small (shape
// arithmetic, masks, position tables, folded constants), shapes elsewhere. It
// serves the compiler's own questions about a graph; models are executed by
// compiled code alone.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_RAISE_EVAL_EVALUATOR_H
#define LQ_PASSES_RAISE_EVAL_EVALUATOR_H

#include "dialects/common/WeightFile.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/eval/Extent.h"
#include "passes/raise/eval/HostTensor.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include <memory>

namespace lq {

/// The dimensions of each input of a graph. Roles decide them, not names: the
/// caller may say that the attention mask is [1, past + sequence] whatever
/// the exporter called that dimension.
using InputExtents = llvm::DenseMap<mlir::Value, llvm::SmallVector<Extent>>;

struct EvaluatorOptions {
  /// A value with more elements is known by its shape alone.
  int64_t maxElements = int64_t(4) << 20;
  /// An initializer with more elements is not read.
  int64_t maxInitializerElements = int64_t(4) << 20;
};

/// Evaluates values of one graph under one assignment, each once, when asked.
class Evaluator {
public:
  /// `weights` may be null: then no initializer has data. It must outlive the
  /// evaluator.
  Evaluator(mlir::func::FuncOp graph, WeightFiles *weights,
            const InputExtents &inputs, const Assignment &assignment,
            EvaluatorOptions options = {});
  ~Evaluator();

  /// Gives `value` a tensor, whatever computes it: contents for an input, or
  /// a replacement inside the graph. Call it before any get().
  void override(mlir::Value value, HostTensor tensor);

  /// The tensor of a value; null if not even its shape can be found. Valid as
  /// long as the evaluator.
  const HostTensor *get(mlir::Value value);

private:
  void evaluateNode(mlir::Operation *node);
  void evaluateInput(mlir::BlockArgument input);

  const InputExtents &inputs;
  Assignment assignment;
  WeightFiles *weights;
  EvaluatorOptions options;
  mlir::func::FuncOp graph;
  /// Null: tried, and not known.
  llvm::DenseMap<mlir::Value, std::unique_ptr<HostTensor>> tensors;
};

} // namespace lq

#endif // LQ_PASSES_RAISE_EVAL_EVALUATOR_H
