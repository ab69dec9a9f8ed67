//===- Graph.cpp - Questions that matchers ask about an ONNX graph --------===//

#include "passes/raise/match/Graph.h"
#include "llvm/ADT/StringSet.h"
#include <set>

using namespace mlir;

namespace lq::raise {

/// More nodes than any idiom of a single source has.
static constexpr unsigned kMaxRegion = 100;

static llvm::DenseSet<Value> sidesOf(const Roles &roles) {
  llvm::DenseSet<Value> sides;
  for (Value side : roles.sides())
    sides.insert(side);
  return sides;
}

/// Whether a node multiplies data by a constant, or selects rows of one.
static bool usesWeight(const Graph &graph, onnx::NodeOp node) {
  if (node.is("com.microsoft", "MatMulNBits"))
    return graph.isData(node->getResult(0));
  bool product = node.is("MatMul") || node.is("Gemm") || node.is("Gather");
  return product && graph.isData(node->getResult(0)) &&
         llvm::any_of(node.getInputs(), [&](Value input) {
           return graph.isConstant(input) && graph.rank(input) == 2;
         });
}

Graph::Graph(const Roles &roles, const FittedShapes &shapes)
    : modelRoles(roles), fitted(shapes),
      dependence(shapes.graph(), sidesOf(roles)) {
  func::FuncOp func = shapes.graph();
  int64_t next = 0;
  for (Operation &op : func.getBody().front()) {
    orders[&op] = next++;
    auto node = dyn_cast<onnx::NodeOp>(op);
    if (node && usesWeight(*this, node))
      if (auto shape = shapes.shapeOf(node->getResult(0)))
        weightedValues.emplace_back(node->getResult(0), *shape);
  }
}

onnx::NodeOp Graph::node(Value value, StringRef op) {
  onnx::NodeOp found = node(value);
  return found && found.is(op) ? found : onnx::NodeOp();
}

Value Graph::input(onnx::NodeOp node, unsigned index) {
  return node.getInputOrNull(index);
}

Value Graph::strip(Value value) const {
  while (onnx::NodeOp op = node(value)) {
    bool copies = op.is("Identity") ||
                  (op.is("Dropout") && value == op.getResult(0)) ||
                  (op.is("Cast") && isFloat(fitted.elementKindOf(value)) &&
                   isFloat(fitted.elementKindOf(op.getInputs()[0])));
    if (!copies)
      break;
    value = op.getInputs()[0];
  }
  return value;
}

std::optional<double> Graph::scalar(Value value) const {
  if (!isConstant(value))
    return std::nullopt;
  const HostTensor *tensor = fitted.constantOf(value);
  if (!tensor || !tensor->hasData || tensor->size() == 0)
    return std::nullopt;
  double first = tensor->number(0);
  for (int64_t i = 1, e = tensor->size(); i < e; ++i)
    if (tensor->number(i) != first)
      return std::nullopt;
  return first;
}

std::optional<SmallVector<int64_t>> Graph::integers(Value value) const {
  if (!value)
    return std::nullopt;
  const HostTensor *tensor = fitted.constantOf(value);
  if (!tensor || !tensor->hasData || !isInteger(tensor->kind))
    return std::nullopt;
  return SmallVector<int64_t>(tensor->ints.begin(), tensor->ints.end());
}

std::optional<int64_t> Graph::rank(Value value) const {
  if (std::optional<SmallVector<Extent>> shape = fitted.shapeOf(value))
    return shape->size();
  return std::nullopt;
}

std::optional<int64_t> Graph::lastDimension(Value value) const {
  std::optional<SmallVector<Extent>> shape = fitted.shapeOf(value);
  if (!shape || shape->empty() || !shape->back().isConstant())
    return std::nullopt;
  return shape->back().constant;
}

bool Graph::isLastAxis(Value value, int64_t axis) const {
  std::optional<int64_t> dimensions = rank(value);
  return axis == -1 || (dimensions && axis == *dimensions - 1);
}

bool Graph::sameShape(Value a, Value b) const {
  std::optional<SmallVector<Extent>> left = fitted.shapeOf(a);
  std::optional<SmallVector<Extent>> right = fitted.shapeOf(b);
  return left && right && *left == *right;
}

int64_t Graph::order(Value value) const {
  Operation *op = value.getDefiningOp();
  auto found = op ? orders.find(op) : orders.end();
  return found == orders.end() ? -1 : found->second;
}

std::optional<Value>
Graph::source(Value value, llvm::function_ref<bool(onnx::NodeOp)> allow) const {
  // Values whose producers are still to be replaced by their own inputs, the
  // one computed last at the end.
  auto later = [&](Value a, Value b) {
    int64_t left = order(a), right = order(b);
    return left != right ? left < right
                         : a.getAsOpaquePointer() < b.getAsOpaquePointer();
  };
  std::set<Value, decltype(later)> frontier(later);
  frontier.insert(value);
  for (unsigned steps = 0; steps < kMaxRegion; ++steps) {
    Value last = *frontier.rbegin();
    onnx::NodeOp op = node(last);
    if (!op || op->getNumRegions() != 0 || !allow(op))
      return std::nullopt;
    frontier.erase(last);
    for (Value operand : op.getInputs())
      if (isData(operand))
        frontier.insert(operand);
    if (frontier.empty())
      return std::nullopt;
    if (frontier.size() == 1)
      return *frontier.begin();
  }
  return std::nullopt;
}

bool isElementwise(onnx::NodeOp node) {
  static const llvm::StringSet<> names = {"Abs",
                                          "Add",
                                          "And",
                                          "Cast",
                                          "Ceil",
                                          "Clip",
                                          "Cos",
                                          "Div",
                                          "Dropout",
                                          "Elu",
                                          "Equal",
                                          "Erf",
                                          "Exp",
                                          "Floor",
                                          "Gelu",
                                          "Greater",
                                          "GreaterOrEqual",
                                          "HardSigmoid",
                                          "HardSwish",
                                          "Identity",
                                          "IsInf",
                                          "IsNaN",
                                          "LeakyRelu",
                                          "Less",
                                          "LessOrEqual",
                                          "Log",
                                          "Max",
                                          "Min",
                                          "Mish",
                                          "Mod",
                                          "Mul",
                                          "Neg",
                                          "Not",
                                          "Or",
                                          "Pow",
                                          "Reciprocal",
                                          "Relu",
                                          "Round",
                                          "Sigmoid",
                                          "Sign",
                                          "Sin",
                                          "Softplus",
                                          "Softsign",
                                          "Sqrt",
                                          "Sub",
                                          "Swish",
                                          "Tanh",
                                          "Where",
                                          "Xor"};
  static const llvm::StringSet<> microsoft = {"FastGelu", "Gelu", "QuickGelu"};
  if (node.getDomain().empty())
    return names.contains(node.getOpType());
  return node.getDomain() == "com.microsoft" &&
         microsoft.contains(node.getOpType()) && node.getInputs().size() == 1;
}

bool isMovement(onnx::NodeOp node) {
  static const llvm::StringSet<> names = {
      "Concat",   "DepthToSpace", "Expand",    "Flatten", "Gather",
      "Identity", "Reshape",      "Slice",     "Split",   "Squeeze",
      "Tile",     "Transpose",    "Unsqueeze", "Dropout", "Cast"};
  return node.getDomain().empty() && names.contains(node.getOpType());
}

} // namespace lq::raise
