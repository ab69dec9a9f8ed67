//===- Plan.h - Which idiom covers which node -------------------*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_PLAN_H
#define LQ_PASSES_RAISE_PLAN_H

#include "passes/raise/match/Match.h"
#include "passes/raise/match/Rope.h"
#include <map>

namespace lq::raise {

/// A cover of the graph: from the wanted results backwards, each value that is
/// needed is the root of an idiom or of a single node, which in turn needs its
/// inputs. What no idiom's inputs need (shape arithmetic, masks, positions,
/// inner values of idioms) is never visited.
class Plan {
public:
  /// `graph` must outlive the plan. `context` is the number of positions that
  /// the model shall hold.
  Plan(const Graph &graph, int64_t context);

  /// Covers what `results` need.
  void cover(llvm::ArrayRef<mlir::Value> results);

  /// Whether the plan for a generative model computes the right thing for
  /// later tokens: past keys and values are the graph's own, or else every
  /// attention is causal, and nothing else depends on positions.
  bool isGenerative() const;
  /// How many positions the graph can tell apart at most, by the dimension
  /// that counts them (see MatchContext::limits).
  const llvm::StringMap<int64_t> &limits() const { return limitOf; }
  /// Reports all nodes that can be neither raised nor lowered, in one error.
  mlir::LogicalResult checkSupported() const;
  /// Emits what was covered.
  mlir::LogicalResult emit(Emitter &emitter) const;

private:
  void need(mlir::Value value);
  void coverNode(onnx::NodeOp node);
  bool isKnown(mlir::Value value) const;

  const Graph &graph;
  int64_t context;
  RopeTables ropes;
  bool bidirectional = false;
  /// Whether something general depends on the number of rows.
  bool countsRows = false;
  /// Attentions recognised, and nodes that may be others.
  unsigned attentions = 0, softmaxes = 0;
  llvm::StringMap<int64_t> limitOf;
  llvm::DenseSet<mlir::Operation *> needed;
  /// Inputs of the graph that no idiom explains.
  llvm::SmallVector<std::pair<mlir::Value, mlir::Operation *>> strayInputs;
  /// The node that is being covered.
  mlir::Operation *current = nullptr;
  /// Roots in the order of the graph; those without an idiom are lowered one
  /// by one.
  llvm::DenseMap<mlir::Operation *, Match> matches;
  llvm::SmallVector<onnx::NodeOp> covered;
};

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_PLAN_H
