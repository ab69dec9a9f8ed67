//===- HeadRows.h - Compute logits of the wanted rows alone -----*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_HEADROWS_H
#define LQ_PASSES_RAISE_HEADROWS_H

#include "passes/raise/match/Graph.h"

namespace lq::raise {

/// Cuts a generative graph where the rows of the logits begin to be
/// independent of each other, which is as a rule before the last MLP: what
/// follows uses a new argument of the graph, [1, logits, size], that stands for
/// the last rows of the value cut at. Sets `hidden` and `tail`. `graph` and all
/// that was derived from it are out of date afterwards.
void cutHeadRows(const Graph &graph, Roles &roles);

/// Takes back what cutHeadRows() did to `graph`.
void restoreHeadRows(mlir::func::FuncOp graph, Roles &roles);

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_HEADROWS_H
