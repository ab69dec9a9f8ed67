//===- Movement.cpp - Nodes that pass their operand on --------------------===//

#include "passes/raise/match/Match.h"
#include "passes/raise/match/Probe.h"

using namespace mlir;

namespace lq::raise {

static Match passOn(StringRef idiom, Value from, Value result) {
  return Match{idiom, {from}, [=](Emitter &emitter) -> LogicalResult {
                 Value lowered = emitter.get(from);
                 if (!lowered)
                   return failure();
                 emitter.bind(result, lowered);
                 return success();
               }};
}

std::optional<Match> matchCopy(const MatchContext &context, onnx::NodeOp root) {
  if (!root.is("Identity") && !root.is("Cast") && !root.is("Dropout"))
    return std::nullopt;
  Value from = root.getInputs()[0], result = root->getResult(0);
  const FittedShapes &shapes = context.graph.shapes();
  for (OpResult other : root->getResults().drop_front())
    if (!other.use_empty())
      return std::nullopt;
  if (shapes.elementKindOf(from) != shapes.elementKindOf(result) ||
      shapes.elementKindOf(from) == ElementKind::Other)
    return std::nullopt;
  return passOn("copy", from, result);
}

std::optional<Match> matchTranspose(const MatchContext &context,
                                    onnx::NodeOp root) {
  if (!root.is("Transpose") || !context.graph.isData(root.getInputs()[0]))
    return std::nullopt;
  Value x = root.getInputs()[0], result = root->getResult(0);
  std::optional<int64_t> rank = context.graph.rank(x);
  if (!rank || context.graph.rank(result) != rank)
    return std::nullopt;
  SmallVector<int64_t> permutation;
  if (auto given = root.getInts("perm"))
    permutation.assign(given->begin(), given->end());
  else
    permutation = llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(*rank)));
  return Match{"transpose",
               {x},
               [x, result, permutation](Emitter &emitter) -> LogicalResult {
                 Value lowered = emitter.get(x);
                 if (!lowered)
                   return failure();
                 emitter.bind(result, emitter.transpose(lowered, permutation));
                 return success();
               }};
}

/// The operand that a Where with a condition known beforehand always takes:
/// exporters zero the rows of an attention that see nothing, and with positions
/// and masks as a runtime gives them there are none.
static Value alwaysTaken(const Graph &graph, onnx::NodeOp where,
                         int64_t context) {
  bool hasPast = graph.roles().hasPast();
  Probe usual(graph), single(graph);
  single.set(kSequence, 1);
  single.set(kPast, hasPast ? context - 1 : 0);
  std::optional<bool> taken;
  for (const Probe *probe : {&usual, &single})
    for (double number : probe->run(where.getInputs()[0])) {
      if (taken && *taken != (number != 0))
        return {};
      taken = number != 0;
    }
  return taken ? where.getInputs()[*taken ? 1 : 2] : Value();
}

std::optional<Match> matchGuard(const MatchContext &context,
                                onnx::NodeOp root) {
  const Graph &graph = context.graph;
  if (!root.is("Where") || !graph.roles().isGenerative() ||
      graph.isData(root.getInputs()[0]))
    return std::nullopt;
  Value taken = alwaysTaken(graph, root, context.context);
  Value result = root->getResult(0);
  if (!taken || !graph.isData(taken) || !graph.sameShape(taken, result))
    return std::nullopt;
  return passOn("guard", taken, result);
}

} // namespace lq::raise
