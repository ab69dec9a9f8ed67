//===- Plan.cpp - Which idiom covers which node ---------------------------===//

#include "passes/raise/Plan.h"
#include "passes/raise/Quantized.h"
#include "llvm/Support/Debug.h"
#include <map>

#define DEBUG_TYPE "lq-raise"

using namespace mlir;

namespace lq::raise {

/// Larger idioms come before those that they contain.
static constexpr Matcher kMatchers[] = {
    matchCopy,      matchAttention, matchAttentionOperator, matchLayerNorm,
    matchRmsNorm,   matchLinear,    matchActivation,        matchGlu,
    matchEmbedding, matchGuard,     matchTranspose,
};

Plan::Plan(const Graph &graph, int64_t context)
    : graph(graph), context(context) {}

bool Plan::isKnown(Value value) const {
  if (graph.isConstant(value) ||
      llvm::is_contained(graph.roles().sides(), value))
    return true;
  return !graph.isData(value) &&
         (graph.shapes().contentsOf(value) || graph.shapes().constantOf(value));
}

void Plan::need(Value value) {
  if (isa<NoneType>(value.getType()) || isKnown(value))
    return;
  if (value == graph.roles().tail)
    value = graph.roles().hidden;
  if (Operation *op = value.getDefiningOp())
    needed.insert(op);
  else if (graph.roles().isGenerative() && value != graph.roles().ids)
    strayInputs.emplace_back(value, current);
}

void Plan::coverNode(onnx::NodeOp node) {
  current = node;
  MatchContext matching{graph, context, ropes, bidirectional, limitOf};
  for (Matcher matcher : kMatchers) {
    std::optional<Match> match = matcher(matching, node);
    if (!match)
      continue;
    LLVM_DEBUG(llvm::dbgs()
               << match->idiom << " at " << node.describe() << "\n");
    for (Value input : match->inputs)
      need(input);
    attentions += match->idiom == "attention";
    matches.try_emplace(node, std::move(*match));
    return;
  }
  // Without a past the graph counts positions from the first row of a call.
  countsRows |= !graph.roles().hasPast() && !graph.isData(node->getResult(0));
  softmaxes += node.is("Softmax") || node.is("Attention");
  LLVM_DEBUG(llvm::dbgs() << "no idiom at " << node.describe() << "\n");
  for (Value input : node.getInputs())
    need(input);
  // Subgraphs read values around them.
  for (Region &region : node->getRegions())
    region.walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (!region.isAncestor(operand.getParentRegion()))
          need(operand);
    });
}

void Plan::cover(ArrayRef<Value> results) {
  for (Value result : results)
    need(result);
  // Producers stand before consumers: one walk backwards meets every node
  // after all that need it.
  Block &body = graph.shapes().graph().getBody().front();
  for (Operation &op : llvm::reverse(body)) {
    auto node = dyn_cast<onnx::NodeOp>(op);
    if (!node || !needed.contains(node))
      continue;
    coverNode(node);
    covered.push_back(node);
  }
  std::reverse(covered.begin(), covered.end());
}

bool Plan::isGenerative() const {
  return graph.roles().hasPast() ||
         (attentions > 0 && softmaxes == 0 && !bidirectional && !countsRows);
}

LogicalResult Plan::checkSupported() const {
  std::map<std::string, unsigned> counts;
  onnx::NodeOp first;
  for (onnx::NodeOp node : covered) {
    if (matches.contains(node) || GeneralLowering::supports(node))
      continue;
    if (isMatMulNBits(node))
      if (std::string reason = explainMatMulNBits(graph, node); !reason.empty())
        return node.emitError()
               << "cannot raise " << node.describe() << ": " << reason;
    std::string name = node.getDomain().empty()
                           ? node.getOpType().str()
                           : (node.getDomain() + "::" + node.getOpType()).str();
    ++counts[name];
    first = first ? first : node;
  }
  if (!counts.empty()) {
    InFlightDiagnostic diagnostic =
        emitError(graph.shapes().graph().getLoc())
        << "cannot raise or lower these operators: ";
    llvm::interleaveComma(counts, diagnostic, [&](const auto &entry) {
      diagnostic << entry.first << " (" << entry.second << ")";
    });
    diagnostic.attachNote(first.getLoc())
        << "the first one is " << first.describe();
    return failure();
  }
  if (strayInputs.empty())
    return success();
  auto &[input, user] = strayInputs.front();
  return emitError(user ? user->getLoc() : graph.shapes().graph().getLoc())
         << "cannot raise to a generative model: no attention was recognised "
            "that explains this use of the input '"
         << inputName(input) << "'";
}

LogicalResult Plan::emit(Emitter &emitter) const {
  for (onnx::NodeOp node : covered) {
    emitter.location = node.getLoc();
    auto found = matches.find(node);
    LogicalResult emitted = found == matches.end()
                                ? emitter.lower(node)
                                : found->second.emit(emitter);
    if (failed(emitted))
      return failure();
  }
  return success();
}

} // namespace lq::raise
