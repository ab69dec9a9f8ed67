//===- ContextLimit.h - How many positions a graph has ----------*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_CONTEXTLIMIT_H
#define LQ_PASSES_RAISE_CONTEXTLIMIT_H

#include "passes/raise/match/Graph.h"

namespace lq::raise {

/// The largest number of positions up to `wanted` for which a generative graph
/// can be evaluated: tables of learned positions, of rotations or of masks that
/// are too short for more make it smaller.
int64_t findContextLimit(const Graph &graph, int64_t wanted);

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_CONTEXTLIMIT_H
