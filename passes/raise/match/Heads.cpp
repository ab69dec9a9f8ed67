//===- Heads.cpp - Where the heads of an attention come from --------------===//

#include "passes/raise/match/Heads.h"
#include "passes/raise/match/Probe.h"
#include <cmath>
#include <numeric>

using namespace mlir;

namespace lq::raise {

/// Steps without success after which a trace gives up.
static constexpr unsigned kMaxMisses = 8;

SmallVector<Heads> possibleHeads(const Graph &graph, Value value, int64_t size,
                                 const Extent &rows) {
  SmallVector<Heads> found;
  std::optional<SmallVector<Extent>> shape = graph.shapes().shapeOf(value);
  if (!shape)
    return found;
  if (shape->size() == 4 && (*shape)[3].is(size)) {
    if ((*shape)[2] == rows && (*shape)[1].isConstant())
      found.push_back(
          {value, HeadLayout::HeadsFirst, (*shape)[1].constant, size});
    if ((*shape)[1] == rows && (*shape)[2].isConstant())
      found.push_back(
          {value, HeadLayout::RowsFirst, (*shape)[2].constant, size});
  }
  if (shape->size() == 3 && (*shape)[1] == rows && (*shape)[2].isConstant() &&
      size > 0 && (*shape)[2].constant % size == 0)
    found.push_back(
        {value, HeadLayout::Flat, (*shape)[2].constant / size, size});
  return found;
}

namespace {

/// The operand of an attention's product that is traced: its dimensions as the
/// graph has them and under a probe.
struct Target {
  Value value;
  Orientation orientation;
  Extent rowExtent;
  int64_t batch, heads, rows, size;

  int64_t index(int64_t b, int64_t h, int64_t r, int64_t c) const {
    int64_t head = b * heads + h;
    return orientation == Orientation::Rows ? (head * rows + r) * size + c
                                            : (head * size + c) * rows + r;
  }
};

std::optional<Target> describe(const Graph &graph, const Probe &probe,
                               Value value, Orientation orientation) {
  std::optional<SmallVector<Extent>> extents = graph.shapes().shapeOf(value);
  std::optional<SmallVector<int64_t>> shape = probe.shapeOf(value);
  if (!extents || !shape || shape->size() != 4)
    return std::nullopt;
  unsigned row = orientation == Orientation::Rows ? 2 : 3;
  unsigned column = 5 - row;
  if (!(*extents)[1].isConstant() || !(*extents)[column].isConstant())
    return std::nullopt;
  return Target{value,       orientation,   (*extents)[row], (*shape)[0],
                (*shape)[1], (*shape)[row], (*shape)[column]};
}

/// The scale of `target` = scale * moved `from`, or nothing if it is not that.
/// `numbers` is the target where element i of `from` is i + 1.
std::optional<double> matchMoved(const Target &target, const Heads &from,
                                 ArrayRef<double> numbers) {
  if (from.count == 0 || target.heads % from.count != 0)
    return std::nullopt;
  int64_t repeat = target.heads / from.count;
  HeadIndex source{from.layout, from.count, target.rows, target.size};
  double scale = numbers[0];
  for (int64_t b = 0; b < target.batch; ++b)
    for (int64_t h = 0; h < target.heads; ++h)
      for (int64_t r = 0; r < target.rows; ++r)
        for (int64_t c = 0; c < target.size; ++c) {
          double want = scale * (source(b, h / repeat, r, c) + 1);
          double got = numbers[target.index(b, h, r, c)];
          if (!(std::abs(got - want) <= 1e-5 * std::abs(want)))
            return std::nullopt;
        }
  return scale;
}

/// `target` as moved from `value`, in whatever layout `value` has.
std::optional<MovedHeads> matchFrom(const Graph &graph, const Target &target,
                                    Value value) {
  SmallVector<Heads> candidates =
      possibleHeads(graph, value, target.size, target.rowExtent);
  if (candidates.empty())
    return std::nullopt;
  Probe probe(graph);
  std::optional<int64_t> size = probe.sizeOf(value);
  if (!size)
    return std::nullopt;
  std::vector<double> counted(*size);
  std::iota(counted.begin(), counted.end(), 1.0);
  probe.replace(value, counted);
  std::vector<double> numbers = probe.run(target.value);
  if (static_cast<int64_t>(numbers.size()) !=
          target.batch * target.heads * target.rows * target.size ||
      numbers.empty() || numbers[0] == 0)
    return std::nullopt;
  for (const Heads &candidate : candidates)
    if (std::optional<double> scale = matchMoved(target, candidate, numbers))
      return MovedHeads{candidate, *scale};
  return std::nullopt;
}

bool isMovementOrScale(onnx::NodeOp node) {
  return isMovement(node) || node.is("Mul") || node.is("Div");
}

} // namespace

std::optional<MovedHeads> traceHeads(const Graph &graph, Value value,
                                     Orientation orientation) {
  Probe probe(graph);
  std::optional<Target> target = describe(graph, probe, value, orientation);
  if (!target)
    return std::nullopt;
  std::optional<MovedHeads> best;
  Value current = value;
  for (unsigned misses = 0; misses < kMaxMisses;) {
    if (std::optional<MovedHeads> found = matchFrom(graph, *target, current)) {
      best = found;
      misses = 0;
    } else {
      ++misses;
    }
    std::optional<Value> next = graph.source(current, isMovementOrScale);
    if (!next)
      break;
    current = *next;
  }
  return best;
}

} // namespace lq::raise
