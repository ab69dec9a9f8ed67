//===- Scores.cpp - From q k^T to the softmax: scale and mask -------------===//

#include "passes/raise/match/Scores.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/raise/match/Probe.h"
#include <cmath>

using namespace mlir;

namespace lq::raise {

/// Nodes between the product and the softmax.
static constexpr unsigned kMaxSteps = 8;
/// Without past keys a mask of n positions has n^2 elements; a causal mask of
/// so many positions is taken as causal for more.
static constexpr int64_t kMaxSquareMask = 2048;
/// A score below this is hidden: exporters write -inf, the lowest f32 or f16
/// number, or -10000 (GPT-2, BERT).
static constexpr double kHidden = -5000;

static bool isHidden(double score) { return !(score > kHidden); }

namespace {

/// The product of two data tensors that `value` comes from through elementwise
/// nodes alone; null if there is none.
Value findProduct(const Graph &graph, Value value, unsigned depth) {
  onnx::NodeOp node = Graph::node(value);
  if (!node || depth == 0)
    return {};
  if (node.is("MatMul"))
    return graph.isData(node.getInputs()[0]) &&
                   graph.isData(node.getInputs()[1])
               ? value
               : Value();
  if (!isElementwise(node))
    return {};
  for (Value operand : node.getInputs())
    if (graph.isData(operand))
      if (Value product = findProduct(graph, operand, depth - 1))
        return product;
  return {};
}

/// What an operand that broadcasts to the scores is expanded from.
Value skipExpand(const Graph &graph, Value value) {
  while (onnx::NodeOp node = Graph::node(value, "Expand")) {
    Value from = node.getInputs()[0];
    if (graph.rank(from) != graph.rank(value))
      break;
    value = from;
  }
  return value;
}

/// The step that `node` does to its operand `scores`; nothing if it is none
/// that an attention has.
std::optional<Scores::Step> classify(const Graph &graph, onnx::NodeOp node,
                                     Value scores) {
  using Kind = Scores::StepKind;
  auto inputs = node.getInputs();
  auto other = [&] { return inputs[inputs[0] == scores ? 1 : 0]; };
  if (node.is("Identity") || node.is("Cast"))
    return Scores::Step{Kind::Scale, 1.0, {}};
  if (node.is("Mul") || (node.is("Div") && inputs[0] == scores)) {
    std::optional<double> factor = graph.scalar(other());
    if (!factor)
      return std::nullopt;
    return Scores::Step{
        Kind::Scale, node.is("Mul") ? *factor : 1 / *factor, {}};
  }
  if (node.is("Add"))
    return Scores::Step{Kind::Add, 0, skipExpand(graph, other())};
  if (node.is("Where") && inputs[0] != scores) {
    bool keeps = inputs[1] == scores;
    std::optional<double> hidden = graph.scalar(inputs[keeps ? 2 : 1]);
    if (!hidden || !isHidden(*hidden))
      return std::nullopt;
    return Scores::Step{keeps ? Kind::Keep : Kind::Hide, *hidden,
                        skipExpand(graph, inputs[0])};
  }
  return std::nullopt;
}

/// Collects the steps from the product to `value`; false if one is unknown.
bool collectSteps(const Graph &graph, Value value, Scores &scores) {
  if (value == scores.product)
    return true;
  onnx::NodeOp node = Graph::node(value);
  for (Value operand : node.getInputs()) {
    if (!graph.isData(operand) ||
        findProduct(graph, operand, kMaxSteps) != scores.product)
      continue;
    std::optional<Scores::Step> step = classify(graph, node, operand);
    if (!step || !collectSteps(graph, operand, scores))
      return false;
    scores.steps.push_back(*step);
    return true;
  }
  return false;
}

double totalScale(const Scores &scores) {
  double scale = 1;
  for (const Scores::Step &step : scores.steps)
    if (step.kind == Scores::StepKind::Scale)
      scale *= step.number;
  return scale;
}

/// The softmax's input where all products are zero: the mask. Empty if it
/// depends on data.
std::vector<double> runMask(const Graph &graph, const Scores &scores,
                            Value softmaxInput, Probe probe) {
  std::optional<int64_t> size = probe.sizeOf(scores.product);
  if (!size)
    return {};
  probe.replace(scores.product, std::vector<double>(*size));
  return probe.run(softmaxInput);
}

/// What a mask of `shape`, [batch, heads, rows, columns], hides.
MaskKind classifyMask(ArrayRef<double> mask, ArrayRef<int64_t> shape,
                      int64_t past) {
  bool none = true, causal = true;
  int64_t rows = shape[2], columns = shape[3];
  for (auto [i, number] : llvm::enumerate(mask)) {
    int64_t column = i % columns, row = i / columns % rows;
    bool hidden = isHidden(number);
    bool plain = hidden || std::abs(number) < 1e-6;
    none &= plain && !hidden;
    causal &= plain && hidden == (column > past + row);
  }
  return none ? MaskKind::None : causal ? MaskKind::Causal : MaskKind::Tensor;
}

/// Whether what was causal for few positions is so for `context` of them. For
/// the sake of memory the mask's own operands are looked at, not the scores:
/// all places that are seen hold one number, all that are hidden another.
bool isCausalFar(const Graph &graph, const Scores &scores, int64_t context) {
  bool hasPast = graph.roles().hasPast();
  context = hasPast ? context : std::min(context, kMaxSquareMask);
  Probe probe(graph);
  probe.set(kSequence, hasPast ? 1 : context);
  probe.set(kPast, hasPast ? context - 1 : 0);
  int64_t rows = hasPast ? 1 : context;
  for (const Scores::Step &step : scores.steps) {
    if (!step.operand || graph.scalar(step.operand))
      continue;
    std::vector<double> numbers = probe.run(step.operand);
    if (static_cast<int64_t>(numbers.size()) != rows * context)
      return false;
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t column = 0; column < context; ++column) {
        bool seen = column <= probe.past() + row;
        double expected = seen ? numbers[0] : numbers[context - 1];
        if (numbers[row * context + column] != expected)
          return false;
      }
  }
  return true;
}

} // namespace

std::optional<Scores> matchScores(const Graph &graph, Value softmaxInput,
                                  int64_t context) {
  Scores scores;
  scores.product = findProduct(graph, softmaxInput, kMaxSteps);
  if (!scores.product || graph.rank(scores.product) != 4 ||
      !collectSteps(graph, softmaxInput, scores))
    return std::nullopt;
  scores.scale = totalScale(scores);
  Probe probe(graph);
  std::vector<double> mask = runMask(graph, scores, softmaxInput, probe);
  if (mask.empty()) {
    scores.mask = MaskKind::Tensor;
    return scores;
  }
  scores.mask =
      classifyMask(mask, *probe.shapeOf(scores.product), probe.past());
  if (scores.mask == MaskKind::Causal &&
      (!graph.roles().isGenerative() || !isCausalFar(graph, scores, context)))
    scores.mask = MaskKind::Tensor;
  return scores;
}

/// The numbers that `mask` adds to scores of `shape`; empty if they depend on
/// data.
static std::vector<double> runOperatorMask(const Graph &graph, Value mask,
                                           ArrayRef<int64_t> shape) {
  Probe probe(graph);
  std::vector<double> numbers = probe.run(mask);
  std::optional<SmallVector<int64_t>> from = probe.shapeOf(mask);
  if (numbers.empty() || !from || from->size() > shape.size())
    return {};
  bool keeps = graph.shapes().elementKindOf(mask) == ElementKind::Bool;
  SmallVector<int64_t> strides = stridesOf(*from), sizes = stridesOf(shape);
  std::optional<int64_t> size = elementCount(shape);
  if (!size || *size > kMaxSquareMask * kMaxSquareMask)
    return {};
  std::vector<double> all(*size);
  for (auto [i, number] : llvm::enumerate(all)) {
    int64_t at = 0;
    for (size_t axis = 0; axis < from->size(); ++axis) {
      size_t to = shape.size() - from->size() + axis;
      if ((*from)[axis] != 1)
        at += i / sizes[to] % shape[to] * strides[axis];
    }
    number = !keeps             ? numbers[at]
             : numbers[at] != 0 ? 0
                                : -std::numeric_limits<double>::infinity();
  }
  return all;
}

std::optional<Scores> operatorScores(const Graph &graph, double scale,
                                     Value mask, bool causal,
                                     ArrayRef<Extent> shape, int64_t context) {
  Scores scores;
  scores.scale = scale;
  scores.mask = causal ? MaskKind::Causal : MaskKind::None;
  if (!mask)
    return scores;
  bool keeps = graph.shapes().elementKindOf(mask) == ElementKind::Bool;
  scores.steps.push_back(
      {keeps ? Scores::StepKind::Keep : Scores::StepKind::Add,
       keeps ? -std::numeric_limits<float>::infinity() : 0,
       skipExpand(graph, mask)});
  Probe probe(graph);
  SmallVector<int64_t> sizes;
  for (const Extent &extent : shape)
    sizes.push_back(probe.evaluate(extent).value_or(1));
  std::vector<double> numbers = runOperatorMask(graph, mask, sizes);
  MaskKind kind = numbers.empty() ? MaskKind::Tensor
                                  : classifyMask(numbers, sizes, probe.past());
  if (causal && kind != MaskKind::None)
    return std::nullopt;
  if (kind == MaskKind::Causal &&
      (!graph.roles().isGenerative() || !isCausalFar(graph, scores, context)))
    kind = MaskKind::Tensor;
  scores.mask = causal ? MaskKind::Causal : kind;
  return scores;
}

//===----------------------------------------------------------------------===//
// Masks as tensors
//===----------------------------------------------------------------------===//

SmallVector<Value> maskInputs(const Scores &scores) {
  SmallVector<Value> inputs;
  if (scores.mask == MaskKind::Tensor)
    for (const Scores::Step &step : scores.steps)
      if (step.operand)
        inputs.push_back(step.operand);
  return inputs;
}

namespace {

/// Creates the operations of a mask, step by step.
struct MaskEmitter {
  Emitter &emitter;
  Value mask;

  Value number(double value) {
    Type f32 = emitter.builder.getF32Type();
    return arith::ConstantOp::create(emitter.builder, emitter.location,
                                     emitter.builder.getFloatAttr(f32, value));
  }
  void scale(double factor) {
    if (!mask || factor == 1)
      return;
    Value by = number(factor);
    mask = emitter.elementwise(mask, [&](OpBuilder &b, ValueRange x) {
      return arith::MulFOp::create(b, emitter.location, x[0], by);
    });
  }
  void add(Value summand) {
    if (!mask) {
      mask = summand;
      return;
    }
    mask =
        emitter.elementwise({mask, summand}, [&](OpBuilder &b, ValueRange x) {
          return arith::AddFOp::create(b, emitter.location, x[0], x[1]);
        });
  }
  void select(Value condition, bool keeps, double hidden) {
    Value low = number(hidden), zero = number(0);
    Value chosen = emitter.elementwise(condition, [&](OpBuilder &b,
                                                      ValueRange x) {
      return arith::SelectOp::create(b, emitter.location, x[0],
                                     keeps ? zero : low, keeps ? low : zero);
    });
    add(chosen);
  }
};

} // namespace

Value emitMask(Emitter &emitter, const Scores &scores) {
  MaskEmitter masks{emitter, {}};
  for (const Scores::Step &step : scores.steps) {
    Value operand = step.operand ? emitter.get(step.operand) : Value();
    if (step.operand && !operand)
      return {};
    switch (step.kind) {
    case Scores::StepKind::Scale:
      masks.scale(step.number);
      break;
    case Scores::StepKind::Add:
      masks.add(operand);
      break;
    case Scores::StepKind::Keep:
    case Scores::StepKind::Hide:
      masks.select(operand, step.kind == Scores::StepKind::Keep, step.number);
      break;
    }
  }
  return masks.mask;
}

} // namespace lq::raise
