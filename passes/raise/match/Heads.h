//===- Heads.h - Where the heads of an attention come from ------*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_MATCH_HEADS_H
#define LQ_PASSES_RAISE_MATCH_HEADS_H

#include "passes/raise/match/Graph.h"

namespace lq::raise {

/// How heads lie in a tensor.
enum class HeadLayout {
  /// [batch, heads, rows, size]
  HeadsFirst,
  /// [batch, rows, heads, size], as the lq dialect has them
  RowsFirst,
  /// [batch, rows, heads * size]
  Flat,
};

/// A tensor of heads: queries, keys or values.
struct Heads {
  mlir::Value value;
  HeadLayout layout = HeadLayout::HeadsFirst;
  int64_t count = 0;
  int64_t size = 0;
};

/// A tensor of heads that equals `scale` times another one with its heads
/// moved and perhaps repeated.
struct MovedHeads {
  Heads from;
  double scale = 1;
};

/// What the operand of an attention's product is: rows of heads [.., heads,
/// rows, size], or keys already transposed [.., heads, size, rows].
enum class Orientation { Rows, Columns };

/// The farthest tensor of heads that `value` is moved from; transposes,
/// reshapes, repeated groups and scales between are undone. Nothing if `value`
/// is not a tensor of heads with fixed number and size.
std::optional<MovedHeads> traceHeads(const Graph &graph, mlir::Value value,
                                     Orientation orientation);

/// The index of element (batch, head, row, column) of heads in memory.
struct HeadIndex {
  HeadLayout layout;
  int64_t heads, rows, size;
  int64_t operator()(int64_t batch, int64_t head, int64_t row,
                     int64_t column) const {
    return layout == HeadLayout::HeadsFirst
               ? ((batch * heads + head) * rows + row) * size + column
               : ((batch * rows + row) * heads + head) * size + column;
  }
};

/// The layouts that a value of the graph may have as heads of `size` elements,
/// with the number of heads that goes with each.
llvm::SmallVector<Heads> possibleHeads(const Graph &graph, mlir::Value value,
                                       int64_t size, const Extent &rows);

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_MATCH_HEADS_H
