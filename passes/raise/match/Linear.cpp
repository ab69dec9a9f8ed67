//===- Linear.cpp - Products with constant matrices -----------------------===//

#include "passes/raise/Quantized.h"
#include "passes/raise/match/Match.h"

using namespace mlir;

namespace lq::raise {
namespace {

struct LinearMatch {
  /// The node that multiplies, from which the linear's location is.
  onnx::NodeOp product;
  Value x, weight, bias, root;
  /// The constant is [K, N], as the second operand of a MatMul.
  bool transposed = false;
  int64_t outputs = 0;
  /// The weight is that of a MatMulNBits.
  std::optional<QuantizedMatrix> quantized = {};
};

/// The fixed dimensions of a constant matrix of floats, or nothing.
std::optional<SmallVector<int64_t>> matrixShape(const Graph &graph,
                                                Value value) {
  if (!graph.isConstant(value) || !isFloat(graph.shapes().elementKindOf(value)))
    return std::nullopt;
  std::optional<SmallVector<int64_t>> shape =
      graph.shapes().staticShapeOf(value);
  return shape && shape->size() == 2 ? shape : std::nullopt;
}

std::optional<LinearMatch> findMatMul(const Graph &graph, Value root) {
  onnx::NodeOp node = Graph::node(root, "MatMul");
  if (!node || !graph.isData(node.getInputs()[0]))
    return std::nullopt;
  auto shape = matrixShape(graph, node.getInputs()[1]);
  if (!shape || graph.lastDimension(node.getInputs()[0]) != (*shape)[0])
    return std::nullopt;
  return LinearMatch{node, node.getInputs()[0], node.getInputs()[1], {},
                     root, /*transposed=*/true, (*shape)[1]};
}

std::optional<LinearMatch> findGemm(const Graph &graph, Value root) {
  onnx::NodeOp node = Graph::node(root, "Gemm");
  if (!node || node.getInt("transA", 0) != 0 ||
      node.getFloat("alpha", 1) != 1 || !graph.isData(node.getInputs()[0]))
    return std::nullopt;
  auto shape = matrixShape(graph, node.getInputs()[1]);
  if (!shape)
    return std::nullopt;
  bool transposed = node.getInt("transB", 0) == 0;
  LinearMatch match{node, node.getInputs()[0], node.getInputs()[1],         {},
                    root, transposed,          (*shape)[transposed ? 1 : 0]};
  Value bias = Graph::input(node, 2);
  if (!bias)
    return match;
  std::optional<SmallVector<int64_t>> biasShape =
      graph.shapes().staticShapeOf(bias);
  if (node.getFloat("beta", 1) != 1 || !graph.isConstant(bias) || !biasShape ||
      elementCount(*biasShape) != match.outputs)
    return std::nullopt;
  match.bias = bias;
  return match;
}

/// A product whose rows were flattened before it and are split again after it,
/// as Conv1D of GPT-2 does: Reshape(Gemm(Reshape(x))).
std::optional<LinearMatch> findFlattened(const Graph &graph, Value root) {
  onnx::NodeOp after = Graph::node(root, "Reshape");
  if (!after)
    return std::nullopt;
  auto match = findGemm(graph, after.getInputs()[0]);
  if (!match)
    match = findMatMul(graph, after.getInputs()[0]);
  onnx::NodeOp before =
      match ? Graph::node(match->x, "Reshape") : onnx::NodeOp();
  if (!before)
    return std::nullopt;
  Value x = before.getInputs()[0];
  auto from = graph.shapes().shapeOf(x), to = graph.shapes().shapeOf(root);
  if (!from || !to || from->size() != to->size() || from->empty() ||
      graph.lastDimension(x) != graph.lastDimension(match->x) ||
      !to->back().is(match->outputs) ||
      ArrayRef(*from).drop_back() != ArrayRef(*to).drop_back())
    return std::nullopt;
  match->x = x;
  match->root = root;
  return match;
}

std::optional<LinearMatch> findNBits(const Graph &graph, Value root) {
  onnx::NodeOp node = Graph::node(root);
  auto matrix = node ? findMatMulNBits(graph, node) : std::nullopt;
  if (!matrix || !graph.isData(node.getInputs()[0]) ||
      graph.lastDimension(node.getInputs()[0]) != matrix->columns)
    return std::nullopt;
  LinearMatch match{node, node.getInputs()[0], {}, Graph::input(node, 5), root};
  match.outputs = matrix->rows;
  match.quantized = std::move(matrix);
  return match;
}

std::optional<LinearMatch> findProduct(const Graph &graph, Value root) {
  if (auto match = findNBits(graph, root))
    return match;
  if (auto match = findMatMul(graph, root))
    return match;
  if (auto match = findGemm(graph, root))
    return match;
  return findFlattened(graph, root);
}

/// A product with a constant vector added to each row.
std::optional<LinearMatch> findBiased(const Graph &graph, onnx::NodeOp root) {
  if (!root.is("Add"))
    return std::nullopt;
  for (unsigned side : {0, 1}) {
    Value bias = root.getInputs()[1 - side];
    std::optional<SmallVector<int64_t>> shape =
        graph.isConstant(bias) ? graph.shapes().staticShapeOf(bias)
                               : std::nullopt;
    if (!shape)
      continue;
    auto match = findProduct(graph, graph.strip(root.getInputs()[side]));
    if (!match || match->bias || elementCount(*shape) != match->outputs ||
        shape->back() != match->outputs ||
        graph.rank(bias) > graph.rank(match->x))
      continue;
    match->bias = bias;
    match->root = root->getResult(0);
    return match;
  }
  return std::nullopt;
}

LogicalResult emitLinear(Emitter &emitter, const LinearMatch &match) {
  Value x = emitter.get(match.x);
  Value weight = match.quantized
                     ? emitter.quantized(*match.quantized)
                     : emitter.matrix(match.weight, match.transposed);
  if (!x || !weight)
    return failure();
  Value bias;
  if (match.bias) {
    bias = emitter.vector(match.bias, match.outputs);
    if (!bias)
      return failure();
  }
  SmallVector<int64_t> shape(cast<RankedTensorType>(x.getType()).getShape());
  shape.back() = match.outputs;
  onnx::NodeOp product = match.product;
  emitter.bind(match.root,
               LinearOp::create(
                   emitter.builder, product.getLoc(),
                   RankedTensorType::get(shape, emitter.builder.getF32Type()),
                   x, weight, bias));
  return success();
}

} // namespace

std::optional<Match> matchLinear(const MatchContext &context,
                                 onnx::NodeOp root) {
  if (root.getNumResults() != 1)
    return std::nullopt;
  auto found = findBiased(context.graph, root);
  if (!found)
    found = findProduct(context.graph, root->getResult(0));
  if (!found)
    return std::nullopt;
  return Match{"linear", {found->x}, [found = *found](Emitter &emitter) {
                 return emitLinear(emitter, found);
               }};
}

} // namespace lq::raise
