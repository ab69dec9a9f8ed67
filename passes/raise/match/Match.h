//===- Match.h - An idiom found in a graph, and how to emit it --*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_MATCH_MATCH_H
#define LQ_PASSES_RAISE_MATCH_MATCH_H

#include "passes/raise/match/Emitter.h"
#include "passes/raise/match/Graph.h"
#include "llvm/ADT/StringMap.h"
#include <functional>

namespace lq::raise {

/// A piece of the graph, recognised: the values that it needs, and how the
/// results of its root node are computed from them.
struct Match {
  /// The idiom's name, for --debug-only=lq-raise.
  llvm::StringRef idiom;
  /// Values of the graph that emit() asks for. Constants need not be listed.
  llvm::SmallVector<mlir::Value> inputs;
  /// Creates the operations and binds the root's demanded results. An error
  /// was reported if it fails.
  std::function<mlir::LogicalResult(Emitter &)> emit;
};

/// What all matchers of a model share.
struct MatchContext {
  const Graph &graph;
  /// Positions that the raised model can have, and rope tables must cover.
  int64_t context;
  /// Tables of rotary embeddings found so far.
  class RopeTables &ropes;
  /// Whether an attention was found that is not causal.
  bool &bidirectional;
  /// The number of positions that tables of learned positions have, by the
  /// dimension that counts them.
  llvm::StringMap<int64_t> &limits;
};

/// A matcher looks at the root node of its idiom. Where several apply, the
/// first in this order takes the root.
using Matcher = std::optional<Match> (*)(const MatchContext &context,
                                         onnx::NodeOp root);

std::optional<Match> matchAttention(const MatchContext &context,
                                    onnx::NodeOp root);
/// Attention of opset 23.
std::optional<Match> matchAttentionOperator(const MatchContext &context,
                                            onnx::NodeOp root);
/// Identity, and casts to the same type.
std::optional<Match> matchCopy(const MatchContext &context, onnx::NodeOp root);
/// Where with a condition that is the same for all that the model can be given.
std::optional<Match> matchGuard(const MatchContext &context, onnx::NodeOp root);
/// Transposes, so that they cancel with those around attention.
std::optional<Match> matchTranspose(const MatchContext &context,
                                    onnx::NodeOp root);
std::optional<Match> matchLayerNorm(const MatchContext &context,
                                    onnx::NodeOp root);
std::optional<Match> matchRmsNorm(const MatchContext &context,
                                  onnx::NodeOp root);
std::optional<Match> matchLinear(const MatchContext &context,
                                 onnx::NodeOp root);
std::optional<Match> matchActivation(const MatchContext &context,
                                     onnx::NodeOp root);
std::optional<Match> matchGlu(const MatchContext &context, onnx::NodeOp root);
std::optional<Match> matchEmbedding(const MatchContext &context,
                                    onnx::NodeOp root);

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_MATCH_MATCH_H
