//===- Probe.h - Run a piece of a graph to see what it does -----*- C++ -*-===//
//
// No two exporters spell rotary embeddings, masks or repeated heads alike, but
// what they compute is the same. So a matcher replaces a value inside the
// graph by numbers it chose, evaluates another value, and compares with the
// idiom's definition. A piece that is linear in the replaced value is
// determined by few such runs; the runs use dimensions that differ from each
// other and from usual numbers of heads.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_RAISE_MATCH_PROBE_H
#define LQ_PASSES_RAISE_MATCH_PROBE_H

#include "passes/raise/match/Graph.h"

namespace lq::raise {

/// One choice of dimensions, and values of the graph that are replaced.
class Probe {
public:
  /// Small, mutually different dimensions.
  explicit Probe(const Graph &graph);
  /// Chooses a dimension; before anything else.
  void set(llvm::StringRef symbol, int64_t size) { dimensions[symbol] = size; }

  /// The number of elements of a value here; nothing if it is unknown or more
  /// than a probe should hold.
  std::optional<int64_t> sizeOf(mlir::Value value) const;
  /// The dimensions of a value here, or nothing.
  std::optional<llvm::SmallVector<int64_t>> shapeOf(mlir::Value value) const;
  /// Tokens before the first row.
  int64_t past() const { return dimensions.lookup(kPast); }
  std::optional<int64_t> evaluate(const Extent &extent) const {
    return extent.evaluate(dimensions);
  }
  std::optional<llvm::SmallVector<int64_t>>
  evaluate(llvm::ArrayRef<Extent> extents) const;

  /// Replaces `value`; its size must be that of its shape here.
  void replace(mlir::Value value, llvm::ArrayRef<double> numbers);
  /// The numbers of `value`; empty if they cannot be computed.
  std::vector<double> run(mlir::Value value, WeightFiles *weights) const;
  std::vector<double> run(mlir::Value value) const {
    return run(value, graph.shapes().weightFiles());
  }

  /// How many of `values` have a shape that can be told, evaluating contents of
  /// at most `maxElements`.
  size_t countKnown(llvm::ArrayRef<mlir::Value> values,
                    int64_t maxElements) const;

private:
  void prepare(Evaluator &evaluator) const;
  void addSides(Evaluator &evaluator) const;

  const Graph &graph;
  Assignment dimensions;
  llvm::SmallVector<std::pair<mlir::Value, HostTensor>> replacements;
};

/// `count` numbers between -1 and 1 that look random, the same every time.
std::vector<double> noise(int64_t count, unsigned seed);

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_MATCH_PROBE_H
