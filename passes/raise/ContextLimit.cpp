//===- ContextLimit.cpp - How many positions a graph can tell apart -------===//

#include "passes/raise/ContextLimit.h"
#include "passes/raise/match/Probe.h"

using namespace mlir;

namespace lq::raise {

/// Larger values are looked at for their shapes alone: position ids and rows of
/// tables are smaller, square masks need not be.
static constexpr int64_t kMaxElements = int64_t(1) << 20;

/// The last of `positions` as the only new one or, where the graph keeps no
/// past, all of them.
static Probe lastOf(const Graph &graph, int64_t positions) {
  Probe probe(graph);
  bool hasPast = graph.roles().hasPast();
  probe.set(kSequence, hasPast ? 1 : positions);
  probe.set(kPast, hasPast ? positions - 1 : 0);
  return probe;
}

int64_t findContextLimit(const Graph &graph, int64_t wanted) {
  SmallVector<Value> values;
  func::FuncOp func = graph.shapes().graph();
  for (Operation &op : func.getBody().front())
    if (isa<onnx::NodeOp>(op))
      llvm::append_range(values, op.getResults());
  auto known = [&](int64_t positions) {
    return lastOf(graph, positions).countKnown(values, kMaxElements);
  };
  constexpr int64_t kFew = 2;
  if (wanted <= kFew)
    return wanted;
  size_t all = known(kFew);
  if (known(wanted) >= all)
    return wanted;
  int64_t good = kFew, bad = wanted;
  while (bad - good > 1) {
    int64_t middle = good + (bad - good) / 2;
    (known(middle) >= all ? good : bad) = middle;
  }
  return good;
}

} // namespace lq::raise
