//===- Norm.cpp - RMS norm and layer norm ---------------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "passes/raise/match/Match.h"
#include <cmath>

using namespace mlir;

namespace lq::raise {

namespace {

/// A factor of a product, or what it is divided by.
struct Factor {
  Value value;
  bool divides = false;
};

/// The factors of `value`, which Mul and Div nodes join in any order and
/// grouping; `whole` is not divided further. At most `limit`; nothing if there
/// are more.
std::optional<SmallVector<Factor>> factorsOf(const Graph &graph, Value value,
                                             unsigned limit, Value whole = {}) {
  SmallVector<Factor> factors, open = {{value, false}};
  while (!open.empty()) {
    if (open.size() + factors.size() > limit)
      return std::nullopt;
    Factor factor = open.pop_back_val();
    Value stripped = graph.strip(factor.value);
    onnx::NodeOp node = Graph::node(stripped);
    if (!node || !graph.isData(stripped) || stripped == whole ||
        !(node.is("Mul") || node.is("Div"))) {
      factors.push_back({stripped, factor.divides});
      continue;
    }
    open.push_back({node.getInputs()[0], factor.divides});
    open.push_back({node.getInputs()[1],
                    node.is("Div") ? !factor.divides : factor.divides});
  }
  return factors;
}

struct NormMatch {
  Value x, gamma, beta, root;
  double epsilon = 0;
  int64_t size = 0;
  /// Whether the mean is subtracted.
  bool centred = false;
};

/// The mean of `value`'s operand over its last axis, dimension kept.
Value meanOperand(const Graph &graph, Value value) {
  onnx::NodeOp node = Graph::node(graph.strip(value), "ReduceMean");
  if (!node || node.getInt("keepdims", 1) != 1)
    return {};
  Value x = node.getInputs()[0];
  SmallVector<int64_t> axes;
  if (auto attribute = node.getInts("axes"))
    axes.assign(attribute->begin(), attribute->end());
  else if (auto input = graph.integers(Graph::input(node, 1)))
    axes = *input;
  return axes.size() == 1 && graph.isLastAxis(x, axes[0]) ? x : Value();
}

/// The value that `value` is the square of.
Value squareOperand(const Graph &graph, Value value) {
  onnx::NodeOp node = Graph::node(graph.strip(value));
  if (!node)
    return {};
  if (node.is("Pow") && graph.scalar(node.getInputs()[1]) == 2.0)
    return graph.strip(node.getInputs()[0]);
  if (node.is("Mul") &&
      graph.strip(node.getInputs()[0]) == graph.strip(node.getInputs()[1]))
    return graph.strip(node.getInputs()[0]);
  return {};
}

/// What `variance` = mean(x^2) + epsilon is made of.
struct MeanSquare {
  Value x;
  double epsilon;
};
std::optional<MeanSquare> findMeanSquare(const Graph &graph, Value variance) {
  onnx::NodeOp add = Graph::node(graph.strip(variance), "Add");
  if (!add)
    return std::nullopt;
  for (unsigned side : {0, 1}) {
    std::optional<double> epsilon = graph.scalar(add.getInputs()[1 - side]);
    Value squares =
        epsilon ? meanOperand(graph, add.getInputs()[side]) : Value();
    Value x = squares ? squareOperand(graph, squares) : Value();
    if (x)
      return MeanSquare{x, *epsilon};
  }
  return std::nullopt;
}

/// 1 / sqrt(mean(x^2) + epsilon), as a factor of a product.
std::optional<MeanSquare> findInverseRoot(const Graph &graph, Factor factor) {
  onnx::NodeOp node = Graph::node(factor.value);
  if (!node)
    return std::nullopt;
  if (node.is("Reciprocal"))
    return findInverseRoot(graph,
                           {graph.strip(node.getInputs()[0]), !factor.divides});
  if (node.is("Sqrt") && factor.divides)
    return findMeanSquare(graph, node.getInputs()[0]);
  if (node.is("Pow") &&
      graph.scalar(node.getInputs()[1]) == (factor.divides ? 0.5 : -0.5))
    return findMeanSquare(graph, node.getInputs()[0]);
  return std::nullopt;
}

/// The value that `centred` is with its mean subtracted, or null.
Value uncentred(const Graph &graph, Value centred) {
  onnx::NodeOp sub = Graph::node(centred, "Sub");
  if (!sub)
    return {};
  Value x = graph.strip(sub.getInputs()[0]);
  Value averaged = meanOperand(graph, sub.getInputs()[1]);
  return averaged && graph.strip(averaged) == x ? x : Value();
}

/// The first 1 / sqrt(mean(x^2) + epsilon) among the factors of `root`.
std::optional<MeanSquare> findInverseRoot(const Graph &graph, Value root) {
  // x may itself be a product of a few.
  if (auto factors = factorsOf(graph, root, 8))
    for (const Factor &factor : *factors)
      if (auto found = findInverseRoot(graph, factor))
        return found;
  return std::nullopt;
}

/// x * gamma / sqrt(mean(x^2) + epsilon), in any order.
std::optional<NormMatch> findNormProduct(const Graph &graph, Value root) {
  std::optional<MeanSquare> first = findInverseRoot(graph, root);
  if (!first)
    return std::nullopt;
  std::optional<SmallVector<Factor>> factors =
      factorsOf(graph, root, 4, first->x);
  if (!factors)
    return std::nullopt;
  NormMatch match;
  match.root = root;
  Value x;
  std::optional<MeanSquare> square;
  for (const Factor &factor : *factors) {
    if (std::optional<double> one = graph.scalar(factor.value);
        one == 1.0 && graph.rank(factor.value) == 0)
      continue;
    if (graph.isConstant(factor.value)) {
      if (match.gamma || factor.divides)
        return std::nullopt;
      match.gamma = factor.value;
    } else if (auto found = findInverseRoot(graph, factor)) {
      if (square)
        return std::nullopt;
      square = found;
    } else if (!x && !factor.divides) {
      x = factor.value;
    } else {
      return std::nullopt;
    }
  }
  if (!x || !square || square->x != x || !match.gamma)
    return std::nullopt;
  match.x = x;
  match.epsilon = square->epsilon;
  return match;
}

/// Fills in the size; nothing if gamma does not fit it.
std::optional<NormMatch> checked(const Graph &graph, NormMatch match) {
  std::optional<int64_t> size = graph.lastDimension(match.x);
  for (Value parameter : {match.gamma, match.beta}) {
    if (!parameter)
      continue;
    std::optional<SmallVector<int64_t>> shape =
        graph.isConstant(parameter) ? graph.shapes().staticShapeOf(parameter)
                                    : std::nullopt;
    if (!size || !shape)
      return std::nullopt;
    std::optional<int64_t> count = elementCount(*shape);
    if (count != 1 && (count != *size || shape->back() != *size))
      return std::nullopt;
  }
  match.size = *size;
  return match;
}

bool isLastKept(ArrayRef<int64_t> permutation) {
  return permutation.back() == static_cast<int64_t>(permutation.size()) - 1;
}

LogicalResult emitNorm(Emitter &emitter, const NormMatch &match) {
  Value x = emitter.get(match.x);
  Value gamma = emitter.vector(match.gamma, match.size);
  if (!x || !gamma)
    return failure();
  FloatAttr epsilon = emitter.builder.getF32FloatAttr(match.epsilon);
  if (!match.centred) {
    // Heads are normed before they are transposed, so that the transpose
    // cancels with that of the attention.
    auto transpose = x.getDefiningOp<linalg::TransposeOp>();
    bool moves = transpose && isLastKept(transpose.getPermutation());
    Value from = moves ? transpose.getInput() : x;
    Value norm = RmsNormOp::create(emitter.builder, emitter.location,
                                   from.getType(), from, gamma, epsilon);
    if (moves)
      norm = emitter.transpose(norm, transpose.getPermutation());
    emitter.bind(match.root, norm);
    return success();
  }
  Value beta;
  if (match.beta) {
    beta = emitter.vector(match.beta, match.size);
    if (!beta)
      return failure();
  }
  emitter.bind(match.root,
               LayerNormOp::create(emitter.builder, emitter.location,
                                   x.getType(), x, gamma, beta, epsilon));
  return success();
}

Match asMatch(StringRef idiom, const NormMatch &found) {
  return Match{idiom, {found.x}, [found](Emitter &emitter) {
                 return emitNorm(emitter, found);
               }};
}

/// Whether more than the first result of a node is used.
bool hasFurtherUses(onnx::NodeOp node) {
  return llvm::any_of(node->getResults().drop_front(),
                      [](OpResult result) { return !result.use_empty(); });
}

/// RMSNormalization (opset 23), SimplifiedLayerNormalization (ONNX Runtime).
std::optional<NormMatch> findRmsOperator(const Graph &graph,
                                         onnx::NodeOp root) {
  if (!root.is("RMSNormalization") && !root.is("SimplifiedLayerNormalization"))
    return std::nullopt;
  if (hasFurtherUses(root) ||
      !graph.isLastAxis(root.getInputs()[0], root.getInt("axis", -1)))
    return std::nullopt;
  NormMatch match;
  match.x = root.getInputs()[0];
  match.gamma = root.getInputs()[1];
  match.root = root->getResult(0);
  match.epsilon = root.getFloat("epsilon", 1e-5f);
  return match;
}

std::optional<NormMatch> findLayerOperator(const Graph &graph,
                                           onnx::NodeOp root) {
  if (!root.is("LayerNormalization") || hasFurtherUses(root) ||
      !graph.isLastAxis(root.getInputs()[0], root.getInt("axis", -1)))
    return std::nullopt;
  NormMatch match;
  match.centred = true;
  match.x = root.getInputs()[0];
  match.gamma = root.getInputs()[1];
  match.beta = Graph::input(root, 2);
  match.root = root->getResult(0);
  match.epsilon = root.getFloat("epsilon", 1e-5f);
  return match;
}

/// (x - mean(x)) * gamma / sqrt(mean((x - mean(x))^2) + epsilon) + beta
std::optional<NormMatch> findLayerProduct(const Graph &graph,
                                          onnx::NodeOp root) {
  std::optional<NormMatch> match;
  if (root.is("Add")) {
    for (unsigned side : {0, 1})
      if (graph.isConstant(root.getInputs()[1 - side]) && !match) {
        match = findNormProduct(graph, graph.strip(root.getInputs()[side]));
        if (match)
          match->beta = root.getInputs()[1 - side];
      }
  } else if (root.getNumResults() == 1) {
    match = findNormProduct(graph, root->getResult(0));
  }
  Value x = match ? uncentred(graph, match->x) : Value();
  if (!x)
    return std::nullopt;
  match->x = x;
  match->root = root->getResult(0);
  match->centred = true;
  return match;
}

} // namespace

std::optional<Match> matchRmsNorm(const MatchContext &context,
                                  onnx::NodeOp root) {
  const Graph &graph = context.graph;
  auto found = findRmsOperator(graph, root);
  if (!found && (root.is("Mul") || root.is("Div")))
    found = findNormProduct(graph, root->getResult(0));
  if (found)
    found = checked(graph, *found);
  return found ? std::optional(asMatch("rms_norm", *found)) : std::nullopt;
}

std::optional<Match> matchLayerNorm(const MatchContext &context,
                                    onnx::NodeOp root) {
  const Graph &graph = context.graph;
  auto found = findLayerOperator(graph, root);
  if (!found && (root.is("Add") || root.is("Mul") || root.is("Div")))
    found = findLayerProduct(graph, root);
  if (found)
    found = checked(graph, *found);
  return found ? std::optional(asMatch("layer_norm", *found)) : std::nullopt;
}

} // namespace lq::raise
