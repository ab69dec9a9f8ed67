//===- Probe.cpp - Find out what a piece of a graph does by running it ----===//

#include "passes/raise/match/Probe.h"

using namespace mlir;

namespace lq::raise {

// Primes, larger than a usual number of heads, so that no two dimensions of a
// probed tensor are the same by accident.
static constexpr int64_t kProbeSequence = 13;
static constexpr int64_t kProbePast = 4;
static constexpr int64_t kProbeOthers[] = {2, 17, 19, 23, 29, 31};

/// A gigabyte of numbers.
static constexpr int64_t kMaxProbedElements = int64_t(1) << 27;

Probe::Probe(const Graph &graph) : graph(graph) {
  unsigned next = 0;
  for (StringRef symbol : graph.shapes().symbols())
    dimensions[symbol] =
        kProbeOthers[std::min<size_t>(next++, std::size(kProbeOthers) - 1)];
  dimensions[kSequence] = kProbeSequence;
  dimensions[kPast] = graph.roles().hasPast() ? kProbePast : 0;
  dimensions[kLogits] = 3;
}

std::optional<SmallVector<int64_t>> Probe::shapeOf(Value value) const {
  std::optional<SmallVector<Extent>> extents = graph.shapes().shapeOf(value);
  return extents ? evaluate(*extents) : std::nullopt;
}

std::optional<SmallVector<int64_t>>
Probe::evaluate(ArrayRef<Extent> extents) const {
  SmallVector<int64_t> shape;
  for (const Extent &extent : extents) {
    std::optional<int64_t> size = extent.evaluate(dimensions);
    if (!size)
      return std::nullopt;
    shape.push_back(*size);
  }
  return shape;
}

std::optional<int64_t> Probe::sizeOf(Value value) const {
  std::optional<SmallVector<int64_t>> shape = shapeOf(value);
  std::optional<int64_t> size = shape ? elementCount(*shape) : std::nullopt;
  return size && *size <= kMaxProbedElements ? size : std::nullopt;
}

void Probe::replace(Value value, ArrayRef<double> numbers) {
  std::optional<SmallVector<int64_t>> shape = shapeOf(value);
  assert(shape && "a replaced value has a shape");
  HostTensor tensor =
      HostTensor::withData(graph.shapes().elementKindOf(value), *shape);
  assert(tensor.size() == static_cast<int64_t>(numbers.size()));
  for (auto [i, number] : llvm::enumerate(numbers))
    tensor.setNumber(i, number);
  replacements.emplace_back(value, std::move(tensor));
}

void Probe::addSides(Evaluator &evaluator) const {
  const Roles &roles = graph.roles();
  auto fill = [&](Value side, llvm::function_ref<int64_t(int64_t)> element) {
    std::optional<SmallVector<int64_t>> shape =
        side ? shapeOf(side) : std::nullopt;
    if (!shape)
      return;
    HostTensor tensor =
        HostTensor::withData(graph.shapes().elementKindOf(side), *shape);
    for (int64_t i = 0, e = tensor.size(); i < e; ++i)
      tensor.setInteger(i, element(i));
    evaluator.override(side, std::move(tensor));
  };
  fill(roles.positions, [&](int64_t i) { return past() + i; });
  fill(roles.mask, [](int64_t) { return 1; });
  fill(roles.logitsToKeep, [](int64_t) { return 0; });
}

void Probe::prepare(Evaluator &evaluator) const {
  for (const auto &[value, extents] : graph.weighted())
    if (std::optional<SmallVector<int64_t>> shape = evaluate(extents);
        shape && elementCount(*shape))
      evaluator.override(value,
                         HostTensor::withoutData(ElementKind::F32, *shape));
  addSides(evaluator);
  for (const auto &[replaced, tensor] : replacements)
    evaluator.override(replaced, tensor);
}

size_t Probe::countKnown(ArrayRef<Value> values, int64_t maxElements) const {
  EvaluatorOptions options;
  options.maxElements = maxElements;
  Evaluator evaluator(graph.shapes().graph(), graph.shapes().weightFiles(),
                      graph.shapes().inputs(), dimensions, options);
  prepare(evaluator);
  return llvm::count_if(
      values, [&](Value value) { return evaluator.get(value) != nullptr; });
}

std::vector<double> Probe::run(Value value, WeightFiles *weights) const {
  EvaluatorOptions options;
  for (const auto &[replaced, tensor] : replacements)
    options.maxElements = std::max(options.maxElements, 4 * tensor.size());
  Evaluator evaluator(graph.shapes().graph(), weights, graph.shapes().inputs(),
                      dimensions, options);
  prepare(evaluator);
  const HostTensor *tensor = evaluator.get(value);
  if (!tensor || !tensor->hasData)
    return {};
  std::vector<double> numbers(tensor->size());
  for (int64_t i = 0, e = tensor->size(); i < e; ++i)
    numbers[i] = tensor->number(i);
  return numbers;
}

std::vector<double> noise(int64_t count, unsigned seed) {
  // The linear congruential generator of Numerical Recipes.
  std::vector<double> numbers(count);
  uint32_t state = seed * 2654435761u + 12345u;
  for (double &number : numbers) {
    state = state * 1664525u + 1013904223u;
    number = (static_cast<double>(state >> 8) / (1 << 23)) - 1.0;
  }
  return numbers;
}

} // namespace lq::raise
