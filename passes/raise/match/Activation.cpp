//===- Activation.cpp - Activation functions and gated linear units -------===//
//
// GELU alone has half a dozen spellings. What an elementwise piece of a graph
// computes is seen from its values on a grid: each known function differs
// from the others by far more than rounding somewhere in [-6, 6].
//
//===----------------------------------------------------------------------===//

#include "passes/raise/match/Match.h"
#include "passes/raise/match/Probe.h"
#include <cmath>

using namespace mlir;

namespace lq::raise {
namespace {

constexpr double kGridEnd = 6;
constexpr double kTolerance = 2e-5;
/// Nodes of one input that an activation is made of, as steps of sources.
constexpr unsigned kMaxSteps = 4;

struct Known {
  ActivationKind kind;
  double (*function)(double);
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

const Known kKnown[] = {
    {ActivationKind::Silu, [](double x) { return x * sigmoid(x); }},
    {ActivationKind::Gelu,
     [](double x) { return 0.5 * x * (1 + std::erf(x * M_SQRT1_2)); }},
    {ActivationKind::GeluTanh,
     [](double x) {
       double inner = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
       return 0.5 * x * (1 + std::tanh(inner));
     }},
    {ActivationKind::QuickGelu,
     [](double x) { return x * sigmoid(1.702 * x); }},
    {ActivationKind::Relu, [](double x) { return std::max(x, 0.0); }},
    {ActivationKind::Relu2,
     [](double x) { return std::max(x, 0.0) * std::max(x, 0.0); }},
    {ActivationKind::Tanh, [](double x) { return std::tanh(x); }},
    {ActivationKind::Sigmoid, sigmoid},
};

struct Activation {
  ActivationKind kind;
  Value x;
};

/// The function that `value` is of `x`, if it is a known one.
std::optional<ActivationKind> identify(const Graph &graph, Value value,
                                       Value x) {
  if (!graph.sameShape(value, x))
    return std::nullopt;
  Probe probe(graph);
  std::optional<int64_t> count = probe.sizeOf(x);
  if (!count || *count < 32)
    return std::nullopt;
  std::vector<double> grid(*count);
  for (auto [i, number] : llvm::enumerate(grid))
    number = kGridEnd * (2.0 * i / (*count - 1) - 1);
  probe.replace(x, grid);
  std::vector<double> result = probe.run(value);
  if (result.size() != grid.size())
    return std::nullopt;
  for (const Known &known : kKnown) {
    bool same = true;
    for (size_t i = 0; same && i < grid.size(); ++i) {
      double want = known.function(grid[i]);
      same = std::abs(result[i] - want) <=
             kTolerance * std::max(1.0, std::abs(want));
    }
    if (same)
      return known.kind;
  }
  return std::nullopt;
}

/// The activation that ends in `value`, of the farthest value that fits.
std::optional<Activation> findActivation(const Graph &graph, Value value) {
  onnx::NodeOp root = Graph::node(value);
  if (!root || !isElementwise(root))
    return std::nullopt;
  std::optional<Activation> best;
  Value x = value;
  for (unsigned step = 0; step < kMaxSteps; ++step) {
    std::optional<Value> next = graph.source(x, isElementwise);
    if (!next)
      break;
    x = *next;
    if (auto kind = identify(graph, value, x))
      best = {*kind, x};
  }
  return best;
}

} // namespace

std::optional<Match> matchActivation(const MatchContext &context,
                                     onnx::NodeOp root) {
  if (root.getNumResults() != 1)
    return std::nullopt;
  Value result = root->getResult(0);
  std::optional<Activation> found = findActivation(context.graph, result);
  if (!found)
    return std::nullopt;
  return Match{"activation",
               {found->x},
               [found = *found, result](Emitter &emitter) -> LogicalResult {
                 Value x = emitter.get(found.x);
                 if (!x)
                   return failure();
                 emitter.bind(result, ActivationOp::create(emitter.builder,
                                                           emitter.location,
                                                           found.kind, x));
                 return success();
               }};
}

std::optional<Match> matchGlu(const MatchContext &context, onnx::NodeOp root) {
  const Graph &graph = context.graph;
  if (!root.is("Mul") ||
      !graph.sameShape(root.getInputs()[0], root.getInputs()[1]))
    return std::nullopt;
  for (unsigned side : {0, 1}) {
    Value up = graph.strip(root.getInputs()[1 - side]);
    std::optional<Activation> gate =
        graph.isData(up)
            ? findActivation(graph, graph.strip(root.getInputs()[side]))
            : std::nullopt;
    if (!gate)
      continue;
    Value result = root->getResult(0);
    return Match{"glu",
                 {gate->x, up},
                 [gate = *gate, up, result](Emitter &emitter) -> LogicalResult {
                   Value x = emitter.get(gate.x), y = emitter.get(up);
                   if (!x || !y)
                     return failure();
                   emitter.bind(result,
                                GluOp::create(emitter.builder, emitter.location,
                                              x.getType(), gate.kind, x, y));
                   return success();
                 }};
  }
  return std::nullopt;
}

} // namespace lq::raise
