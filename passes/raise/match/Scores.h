//===- Scores.h - From q k^T to the softmax: scale and mask -----*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_MATCH_SCORES_H
#define LQ_PASSES_RAISE_MATCH_SCORES_H

#include "passes/raise/match/Emitter.h"
#include "passes/raise/match/Graph.h"

namespace lq::raise {

/// What the mask of an attention hides.
enum class MaskKind {
  None,
  /// Row s sees the columns up to past + s.
  Causal,
  /// Numbers that are added to the scores.
  Tensor,
};

/// The nodes between the product q k^T and the softmax.
struct Scores {
  /// The product, [batch, heads, rows, columns].
  mlir::Value product;
  double scale = 1;
  MaskKind mask = MaskKind::None;
  /// Causal: how many positions a row sees, itself included; nothing if all
  /// that the model can have.
  std::optional<int64_t> window;

  /// The steps from the product on that have to do with the mask, in order.
  enum class StepKind { Scale, Add, Keep, Hide };
  struct Step {
    StepKind kind;
    /// Scale: by how much. Keep, Hide: what hidden scores become.
    double number = 0;
    /// Add: the summand. Keep and Hide: the condition under which a score
    /// stays, or is hidden.
    mlir::Value operand;
  };
  llvm::SmallVector<Step> steps;
};

/// The scores that `softmaxInput` is computed from. `context` positions are
/// looked at to find a sliding window.
std::optional<Scores> matchScores(const Graph &graph, mlir::Value softmaxInput,
                                  int64_t context);

/// The scores of an attention operator: scale and, if it is not null, a mask:
/// numbers that are added, or booleans that say what stays. `causal` is what
/// the operator says itself. [batch, heads, rows, columns] are the dimensions.
std::optional<Scores> operatorScores(const Graph &graph, double scale,
                                     mlir::Value mask, bool causal,
                                     llvm::ArrayRef<Extent> shape,
                                     int64_t context);

/// The values of the graph that emitMask() asks for.
llvm::SmallVector<mlir::Value> maskInputs(const Scores &scores);

/// The numbers to add to the scaled scores; null after an error.
mlir::Value emitMask(Emitter &emitter, const Scores &scores);

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_MATCH_SCORES_H
