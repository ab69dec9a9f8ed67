//===- Scores.cpp - From q k^T to the softmax: scale and mask -------------===//

#include "passes/raise/match/Scores.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/raise/match/Probe.h"
#include <cmath>
#include <limits>

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

/// The window of an attention that has none.
static constexpr int64_t kNoWindow = std::numeric_limits<int64_t>::max();

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

/// Whether a causal attention with `window` positions shows `column` to a row
/// that stands at `position`.
bool isSeen(int64_t column, int64_t position, int64_t window) {
  return column <= position && column > position - window;
}

/// What a mask of `shape`, [batch, heads, rows, columns], hides. Causal is one
/// with `window` positions.
MaskKind classifyMask(ArrayRef<double> mask, ArrayRef<int64_t> shape,
                      int64_t past, int64_t window) {
  bool none = true, causal = true;
  int64_t rows = shape[2], columns = shape[3];
  for (auto [i, number] : llvm::enumerate(mask)) {
    int64_t column = i % columns, row = i / columns % rows;
    bool hidden = isHidden(number);
    bool plain = hidden || std::abs(number) < 1e-6;
    none &= plain && !hidden;
    causal &= plain && hidden != isSeen(column, past + row, window);
  }
  return none ? MaskKind::None : causal ? MaskKind::Causal : MaskKind::Tensor;
}

/// The window of an operand of a causal mask, whose last row stands at the last
/// of `columns` positions: all places that are seen hold one number, all that
/// are hidden another. Nothing if it is no such mask.
std::optional<int64_t> windowOf(ArrayRef<double> numbers, int64_t columns) {
  if (numbers.empty() || numbers.size() % columns != 0)
    return std::nullopt;
  int64_t rows = static_cast<int64_t>(numbers.size()) / columns, window = 0;
  double seen = numbers.back();
  while (window < columns && *(numbers.end() - 1 - window) == seen)
    ++window;
  std::optional<double> hidden;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column) {
      double number = numbers[row * columns + column];
      bool expected = isSeen(column, columns - rows + row, window);
      if (!expected && !hidden)
        hidden = number;
      if (number != (expected ? seen : *hidden) || hidden == seen)
        return std::nullopt;
    }
  return window;
}

/// The window of a mask that is causal for `context` positions; kNoWindow if a
/// row sees all before it. For the sake of memory the mask's own operands are
/// looked at, not the scores. Nothing if the mask is not causal.
std::optional<int64_t> findWindow(const Graph &graph, const Scores &scores,
                                  int64_t context) {
  bool hasPast = graph.roles().hasPast();
  int64_t columns = hasPast ? context : std::min(context, kMaxSquareMask);
  int64_t window = kNoWindow;
  Probe probe(graph);
  probe.set(kSequence, hasPast ? 1 : columns);
  probe.set(kPast, hasPast ? columns - 1 : 0);
  for (const Scores::Step &step : scores.steps) {
    if (!step.operand || graph.scalar(step.operand))
      continue;
    std::vector<double> numbers = probe.run(step.operand);
    if (static_cast<int64_t>(numbers.size()) !=
        (hasPast ? 1 : columns) * columns)
      return std::nullopt;
    std::optional<int64_t> found = windowOf(numbers, columns);
    if (!found)
      return std::nullopt;
    if (*found < columns)
      window = std::min(window, *found);
  }
  return window;
}

/// Says of `scores` what `mask` of `shape`, its numbers for few positions,
/// hides; what it hides of `context` must fit that.
void setMask(const Graph &graph, Scores &scores, ArrayRef<double> mask,
             ArrayRef<int64_t> shape, int64_t past, int64_t context) {
  scores.mask = classifyMask(mask, shape, past, kNoWindow);
  if (scores.mask == MaskKind::None)
    return;
  scores.mask = MaskKind::Tensor;
  if (!graph.roles().isGenerative())
    return;
  std::optional<int64_t> window =
      findWindow(graph, scores, std::max(context, shape[3]));
  if (!window || classifyMask(mask, shape, past, *window) != MaskKind::Causal)
    return;
  scores.mask = MaskKind::Causal;
  if (*window != kNoWindow)
    scores.window = window;
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
  setMask(graph, scores, mask, *probe.shapeOf(scores.product), probe.past(),
          context);
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
  scores.mask = MaskKind::Tensor;
  if (!numbers.empty())
    setMask(graph, scores, numbers, sizes, probe.past(), context);
  if (!causal)
    return scores;
  if (scores.mask != MaskKind::None)
    return std::nullopt;
  scores.mask = MaskKind::Causal;
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
