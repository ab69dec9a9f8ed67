//===- Attention.cpp - softmax(q k^T) v with its cache and rotation -------===//

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/raise/match/Heads.h"
#include "passes/raise/match/Match.h"
#include "passes/raise/match/Probe.h"
#include "passes/raise/match/Rope.h"
#include "passes/raise/match/Scores.h"
#include "llvm/Support/Debug.h"
#include <cmath>

#define DEBUG_TYPE "lq-raise"

using namespace mlir;

namespace lq::raise {
namespace {

/// Queries, or the new keys or values, as the graph makes them.
struct Source {
  Heads heads;
  double scale = 1;
  std::optional<RotatedHeads> rotated;
  /// The value that is past and new positions joined; null where the graph
  /// keeps no past.
  Value joined;

  /// What has to be emitted before the heads can be.
  Value input() const { return rotated ? rotated->from.value : heads.value; }
};

struct AttentionMatch {
  Source q, k, v;
  Scores scores;
  int64_t queryHeads, keySize, valueSize;
  Value root;

  double scale() const { return scores.scale * q.scale * k.scale; }
};

/// The heads that are appended to past ones in `heads`; nothing if `heads` are
/// not the join of past keys or values with new ones.
std::optional<Heads> findAppended(const Graph &graph, const Heads &heads) {
  onnx::NodeOp concat = Graph::node(graph.strip(heads.value), "Concat");
  if (!concat || concat.getInputs().size() != 2 ||
      heads.layout == HeadLayout::Flat)
    return std::nullopt;
  int64_t axis = concat.getInt("axis", 0);
  if ((axis + 4) % 4 != (heads.layout == HeadLayout::HeadsFirst ? 2 : 1))
    return std::nullopt;
  Value past = concat.getInputs()[0];
  while (!isa<BlockArgument>(past)) {
    std::optional<Value> source = graph.source(past, isMovement);
    if (!source)
      return std::nullopt;
    past = *source;
  }
  if (!llvm::is_contained(graph.roles().pasts, past))
    return std::nullopt;
  return Heads{concat.getInputs()[1], heads.layout, heads.count, heads.size};
}

/// The same heads as far back as they can be traced.
std::optional<Source> traceSource(const MatchContext &context, Value operand,
                                  Orientation orientation, bool rotates) {
  const Graph &graph = context.graph;
  std::optional<MovedHeads> moved = traceHeads(graph, operand, orientation);
  if (!moved)
    return std::nullopt;
  Source source{moved->from, moved->scale, std::nullopt, {}};
  if (std::optional<Heads> appended = findAppended(graph, moved->from)) {
    source.joined = moved->from.value;
    moved = traceHeads(graph, appended->value, Orientation::Rows);
    if (!moved || moved->from.count != source.heads.count ||
        std::abs(moved->scale - 1) > 1e-6)
      source.heads = *appended;
    else
      source.heads = moved->from;
  }
  if (!rotates)
    return source;
  source.rotated =
      matchRope(graph, source.heads, context.context, context.ropes);
  if (!source.rotated)
    return source;
  // What the rotation itself starts from may be moved as well.
  Heads &from = source.rotated->from;
  if (from.layout == HeadLayout::HeadsFirst)
    if (auto before = traceHeads(graph, from.value, Orientation::Rows))
      if (before->from.count == from.count && before->scale == 1)
        from = before->from;
  return source;
}

/// The softmax whose probabilities `value` holds, perhaps with NaNs of empty
/// rows replaced, as PyTorch's exporter does.
onnx::NodeOp findSoftmax(const Graph &graph, Value value) {
  value = graph.strip(value);
  if (onnx::NodeOp where = Graph::node(value, "Where")) {
    onnx::NodeOp test = Graph::node(where.getInputs()[0], "IsNaN");
    if (!test || graph.scalar(where.getInputs()[1]) != 0.0 ||
        graph.strip(test.getInputs()[0]) != graph.strip(where.getInputs()[2]))
      return {};
    value = graph.strip(where.getInputs()[2]);
  }
  onnx::NodeOp softmax = Graph::node(value, "Softmax");
  return softmax && graph.isLastAxis(value, softmax.getInt("axis", -1))
             ? softmax
             : onnx::NodeOp();
}

/// Whether a generative model can run the attention: its keys and values are
/// cached, and every row sees its own past alone.
bool isDecoder(const MatchContext &context, const AttentionMatch &match) {
  const Roles &roles = context.graph.roles();
  if (match.scores.mask == MaskKind::None)
    context.bidirectional = true;
  if (match.scores.mask == MaskKind::Tensor && !roles.hasPast())
    context.bidirectional = true;
  bool joined = match.k.joined && match.v.joined;
  return !context.bidirectional && joined == roles.hasPast();
}

/// A reason not to match, for --debug-only.
std::nullopt_t refuse(onnx::NodeOp root, const char *reason) {
  LLVM_DEBUG(llvm::dbgs() << "no attention at " << root.describe() << ": "
                          << reason << "\n");
  return std::nullopt;
}

/// The operands of an attention as the graph has them.
struct Operands {
  Value q, k, v;
  Orientation keys = Orientation::Columns;
};

std::optional<AttentionMatch> assemble(const MatchContext &context,
                                       onnx::NodeOp root,
                                       const Operands &operands,
                                       const Scores &scores) {
  const Graph &graph = context.graph;
  auto q = traceSource(context, operands.q, Orientation::Rows,
                       /*rotates=*/true);
  auto k = traceSource(context, operands.k, operands.keys, /*rotates=*/true);
  auto v = traceSource(context, operands.v, Orientation::Rows,
                       /*rotates=*/false);
  if (!q || !k || !v)
    return refuse(root, !q   ? "queries are not heads"
                        : !k ? "keys are not heads"
                             : "values are not heads");
  if (q->joined || std::abs(v->scale - 1) > 1e-6 ||
      k->heads.count != v->heads.count || q->heads.count % k->heads.count != 0)
    return refuse(root, "heads do not fit each other");
  AttentionMatch match{*q,
                       *k,
                       *v,
                       scores,
                       q->heads.count,
                       k->heads.size,
                       v->heads.size,
                       root->getResult(0)};
  if (graph.roles().isGenerative() && !isDecoder(context, match))
    return refuse(root, "not causal, or its keys and values are not cached");
  return match;
}

std::optional<AttentionMatch> findAttention(const MatchContext &context,
                                            onnx::NodeOp root) {
  const Graph &graph = context.graph;
  if (!root.is("MatMul"))
    return std::nullopt;
  onnx::NodeOp softmax = findSoftmax(graph, root.getInputs()[0]);
  if (!softmax)
    return std::nullopt;
  std::optional<Scores> scores =
      matchScores(graph, softmax.getInputs()[0], context.context);
  if (!scores)
    return refuse(root, "unknown nodes between product and softmax");
  onnx::NodeOp product = Graph::node(scores->product);
  return assemble(context, root,
                  {product.getInputs()[0], product.getInputs()[1],
                   root.getInputs()[1], Orientation::Columns},
                  *scores);
}

/// The Attention of opset 23 over [batch, heads, rows, size]. Past keys and
/// values as operands of its own, score outputs and caps are not covered.
std::optional<AttentionMatch> findAttentionOperator(const MatchContext &context,
                                                    onnx::NodeOp root) {
  const Graph &graph = context.graph;
  if (!root.is("Attention"))
    return std::nullopt;
  Operands operands{root.getInputs()[0], root.getInputs()[1],
                    root.getInputs()[2], Orientation::Rows};
  auto q = graph.shapes().shapeOf(operands.q);
  auto k = graph.shapes().shapeOf(operands.k);
  if (!q || !k || q->size() != 4 || k->size() != 4 || !(*q)[3].isConstant() ||
      Graph::input(root, 4) || Graph::input(root, 5) ||
      root.getFloat("softcap", 0) != 0)
    return refuse(root, "an operand or attribute is not covered");
  for (OpResult result : root->getResults().drop_front())
    if (!result.use_empty())
      return refuse(root, "a further output is used");
  double scale = root.getFloat("scale", 1 / std::sqrt((*q)[3].constant));
  bool causal = root.getInt("is_causal", 0) != 0;
  // The operator's own causal mask counts columns from the first row on, which
  // is right only if there is no past.
  if (causal && graph.roles().hasPast())
    return refuse(root, "its causal mask disregards the past");
  std::optional<Scores> scores =
      operatorScores(graph, scale, Graph::input(root, 3), causal,
                     {(*q)[0], (*q)[1], (*q)[2], (*k)[2]}, context.context);
  if (!scores || (causal && !graph.roles().isGenerative()))
    return refuse(root, "causal and masked at once");
  return assemble(context, root, operands, *scores);
}

//===----------------------------------------------------------------------===//
// Emission
//===----------------------------------------------------------------------===//

/// Keys or values as `lq.attention` reads them: stored in a new cache where the
/// model is generative.
Value emitCached(Emitter &emitter, const Source &source, Value heads,
                 CacheRole role) {
  if (!emitter.graph.roles().isGenerative())
    return heads;
  Value key = source.joined ? source.joined : source.heads.value;
  return emitter.append(key, heads, role);
}

Value emitHeads(Emitter &emitter, const Source &source) {
  const Heads &heads = source.rotated ? source.rotated->from : source.heads;
  Value value = emitter.getRowsFirst(heads);
  return value && source.rotated ? emitter.rotate(value, *source.rotated)
                                 : value;
}

LogicalResult emitAttention(Emitter &emitter, const AttentionMatch &match) {
  Value q = emitHeads(emitter, match.q);
  Value k = emitHeads(emitter, match.k);
  Value v = emitHeads(emitter, match.v);
  if (!q || !k || !v)
    return failure();
  k = emitCached(emitter, match.k, k, CacheRole::Keys);
  v = emitCached(emitter, match.v, v, CacheRole::Values);
  Value mask, past;
  IntegerAttr window;
  if (match.scores.mask == MaskKind::Tensor) {
    mask = emitMask(emitter, match.scores);
    if (!mask)
      return failure();
  }
  if (match.scores.mask == MaskKind::Causal) {
    past = emitter.past();
    if (match.scores.window)
      window = emitter.builder.getI64IntegerAttr(*match.scores.window);
  }
  auto type = cast<RankedTensorType>(q.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[3] = match.valueSize;
  Value out = AttentionOp::create(
      emitter.builder, emitter.location,
      RankedTensorType::get(shape, emitter.builder.getF32Type()), q, k, v, mask,
      past, emitter.builder.getF32FloatAttr(match.scale()), window);
  emitter.bindRowsFirst(
      {match.root, HeadLayout::HeadsFirst, match.queryHeads, match.valueSize},
      out);
  return success();
}

} // namespace

static Match asMatch(const AttentionMatch &found) {
  Match match{
      "attention",
      {found.q.input(), found.k.input(), found.v.input()},
      [found](Emitter &emitter) { return emitAttention(emitter, found); }};
  llvm::append_range(match.inputs, maskInputs(found.scores));
  return match;
}

std::optional<Match> matchAttention(const MatchContext &context,
                                    onnx::NodeOp root) {
  auto found = findAttention(context, root);
  return found ? std::optional(asMatch(*found)) : std::nullopt;
}

std::optional<Match> matchAttentionOperator(const MatchContext &context,
                                            onnx::NodeOp root) {
  auto found = findAttentionOperator(context, root);
  return found ? std::optional(asMatch(*found)) : std::nullopt;
}

} // namespace lq::raise
