//===- Embedding.cpp - Rows of constant tables ----------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/raise/match/Match.h"
#include "passes/raise/match/Probe.h"

using namespace mlir;

namespace lq::raise {
namespace {

struct EmbeddingMatch {
  Value ids, table, root;
  int64_t rows, size;
  /// The ids are the positions plus this, where `positional`.
  bool positional = false;
  int64_t offset = 0;
};

/// Ids that are the rows' positions plus a constant (learned positions); OPT
/// starts its table at 2, RoBERTa after the padding token.
bool findOffset(const Graph &graph, EmbeddingMatch &match) {
  if (graph.isData(match.ids))
    return false;
  Probe probe(graph);
  std::optional<SmallVector<Extent>> shape = graph.shapes().shapeOf(match.ids);
  std::vector<double> ids = probe.run(match.ids);
  if (!shape || shape->empty() || ids.empty() || shape->back().terms.empty() ||
      probe.evaluate(shape->back()) != static_cast<int64_t>(ids.size()))
    return false;
  match.offset = static_cast<int64_t>(ids[0]) - probe.past();
  for (auto [i, id] : llvm::enumerate(ids))
    if (id != static_cast<double>(probe.past() + match.offset + i))
      return false;
  return true;
}

std::optional<EmbeddingMatch> findEmbedding(const Graph &graph,
                                            onnx::NodeOp root) {
  if (!root.is("Gather") || root.getInt("axis", 0) != 0 ||
      !graph.isConstant(root.getInputs()[0]) ||
      graph.isConstant(root.getInputs()[1]) ||
      !isFloat(graph.shapes().elementKindOf(root->getResult(0))))
    return std::nullopt;
  auto shape = graph.shapes().staticShapeOf(root.getInputs()[0]);
  if (!shape || shape->size() != 2)
    return std::nullopt;
  EmbeddingMatch match{root.getInputs()[1], root.getInputs()[0],
                       root->getResult(0), (*shape)[0], (*shape)[1]};
  match.positional = findOffset(graph, match);
  return match;
}

/// A table of learned positions bounds the dimension that counts them.
void noteLimit(const MatchContext &context, const EmbeddingMatch &match) {
  auto shape = context.graph.shapes().shapeOf(match.ids);
  if (!match.positional || !shape || shape->empty())
    return;
  const Extent &count = shape->back();
  if (count.terms.empty() ||
      count != Extent::symbol(count.terms.begin()->first))
    return;
  int64_t &limit =
      context.limits.try_emplace(count.terms.begin()->first, match.rows)
          .first->second;
  limit = std::min(limit, match.rows - match.offset);
}

Value emitPositions(Emitter &emitter, const EmbeddingMatch &match) {
  Value row =
      emitter.positions(emitter.graph.shapes().shapeOf(match.ids)->back());
  if (match.offset != 0) {
    Value offset = arith::ConstantOp::create(
        emitter.builder, emitter.location,
        emitter.builder.getI64IntegerAttr(match.offset));
    row = emitter.elementwise(row, [&](OpBuilder &b, ValueRange x) {
      return arith::AddIOp::create(b, emitter.location, x[0], offset);
    });
  }
  return emitter.reshapeLeading(row, *emitter.graph.rank(match.ids));
}

LogicalResult emitEmbedding(Emitter &emitter, const EmbeddingMatch &match) {
  Value ids =
      match.positional ? emitPositions(emitter, match) : emitter.get(match.ids);
  Value table = emitter.table(match.table);
  if (!ids || !table)
    return failure();
  SmallVector<int64_t> shape(cast<RankedTensorType>(ids.getType()).getShape());
  shape.push_back(match.size);
  emitter.bind(match.root,
               EmbeddingOp::create(
                   emitter.builder, emitter.location,
                   RankedTensorType::get(shape, emitter.builder.getF32Type()),
                   ids, table));
  return success();
}

} // namespace

std::optional<Match> matchEmbedding(const MatchContext &context,
                                    onnx::NodeOp root) {
  std::optional<EmbeddingMatch> found = findEmbedding(context.graph, root);
  if (!found)
    return std::nullopt;
  noteLimit(context, *found);
  Match match{"embedding", {}, [found = *found](Emitter &emitter) {
                return emitEmbedding(emitter, found);
              }};
  if (!found->positional)
    match.inputs.push_back(found->ids);
  return match;
}

} // namespace lq::raise
