//===- FittedShapes.cpp - Shapes as functions of the dimensions -----------===//

#include "passes/raise/eval/FittedShapes.h"
#include <set>

using namespace mlir;

namespace lq {

namespace {
/// Larger tensors never describe a shape, and the evaluation of a whole graph
/// is repeated for each sample.
constexpr int64_t kMaxElements = 1 << 16;

/// Distinct primes: two dimensions agree in a sample because they are the same
/// expression, not by chance, and neither is a 1 that would broadcast.
constexpr int64_t kPrimes[] = {5,  7,  11, 13, 17, 19, 23, 29, 31, 37,
                               41, 43, 47, 53, 59, 61, 67, 71, 73, 79};

/// Products of symbols are fitted for graphs with at most so many: each pair is
/// one more sample.
constexpr size_t kMaxSymbolsForProducts = 6;

/// The step from the first sample to the one that finds a coefficient.
constexpr int64_t kStep = 6;
} // namespace

struct FittedShapes::Sample {
  Sample(func::FuncOp graph, WeightFiles *weights, const InputExtents &inputs,
         Assignment symbols)
      : assignment(symbols), evaluator(graph, weights, inputs, assignment,
                                       {kMaxElements, kMaxElements}) {}

  Assignment assignment;
  mutable Evaluator evaluator;
};

FittedShapes::FittedShapes(func::FuncOp graph, WeightFiles *weights,
                           InputExtents inputs, FitOptions options)
    : func(graph), weights(weights), inputExtents(std::move(inputs)),
      options(options) {
  std::set<std::string> names;
  for (const auto &[value, extents] : inputExtents)
    for (const Extent &extent : extents)
      for (const auto &[name, coefficient] : extent.terms)
        for (StringRef symbol : Extent::symbolsOf(name))
          names.insert(symbol.str());
  symbolNames.assign(names.begin(), names.end());
  chooseSamples(options);
}

FittedShapes::~FittedShapes() = default;

/// The first sample is a base, the next ones change one symbol each, then two
/// each, so that they determine the coefficients; the others check: one changes
/// all symbols, and one has the smallest values.
void FittedShapes::chooseSamples(const FitOptions &options) {
  auto prime = [](size_t i) {
    constexpr size_t count = std::size(kPrimes);
    return kPrimes[i % count] + int64_t(i / count) * 101;
  };
  auto minimum = [&](StringRef name) {
    auto it = options.minimum.find(name);
    return it == options.minimum.end() ? 1 : it->second;
  };
  size_t count = symbolNames.size();
  for (size_t a = 0; count <= kMaxSymbolsForProducts && a < count; ++a)
    for (size_t b = a + 1; b < count; ++b)
      pairs.emplace_back(a, b);
  std::vector<Assignment> all(1 + count + pairs.size() + 2);
  for (size_t s = 0; s < count; ++s) {
    const std::string &name = symbolNames[s];
    int64_t low = minimum(name);
    int64_t value = low + prime(s);
    for (Assignment &assignment : all)
      assignment[name] = value;
    all[s + 1][name] = value + kStep;
    for (auto [p, pair] : llvm::enumerate(pairs))
      if (pair.first == s || pair.second == s)
        all[1 + count + p][name] = value + kStep;
    all[all.size() - 2][name] = low + prime(count - s) + 3;
    all[all.size() - 1][name] = low;
  }
  for (const Assignment &assignment : all)
    samples.push_back(
        std::make_unique<Sample>(func, weights, inputExtents, assignment));
}

SmallVector<const HostTensor *> FittedShapes::observe(Value value) const {
  SmallVector<const HostTensor *> tensors;
  for (const auto &sample : samples) {
    const HostTensor *tensor = sample->evaluator.get(value);
    if (!tensor || (!tensors.empty() && tensors[0]->rank() != tensor->rank()))
      return {};
    tensors.push_back(tensor);
  }
  return tensors;
}

std::optional<Extent> FittedShapes::fit(ArrayRef<int64_t> numbers) const {
  if (llvm::all_equal(numbers))
    return Extent(numbers[0]);
  // Dimensions are small; contents may hold anything up to INT64_MAX.
  constexpr int64_t kLimit = int64_t(1) << 40;
  if (llvm::any_of(numbers,
                   [](int64_t n) { return n > kLimit || n < -kLimit; }))
    return std::nullopt;
  const Assignment &base = samples[0]->assignment;
  size_t count = symbolNames.size();
  SmallVector<int64_t> slopes;
  for (size_t s = 0; s < count; ++s)
    slopes.push_back(numbers[1 + s] - numbers[0]);
  Extent extent;
  int64_t rest = numbers[0];
  for (auto [p, pair] : llvm::enumerate(pairs)) {
    auto [a, b] = pair;
    int64_t mixed =
        numbers[1 + count + p] - numbers[1 + a] - numbers[1 + b] + numbers[0];
    if (mixed % (kStep * kStep) != 0)
      return std::nullopt;
    int64_t coefficient = mixed / (kStep * kStep);
    int64_t x = base.lookup(symbolNames[a]), y = base.lookup(symbolNames[b]);
    slopes[a] -= coefficient * y * kStep;
    slopes[b] -= coefficient * x * kStep;
    rest -= coefficient * x * y;
    if (coefficient != 0)
      extent += Extent::product(symbolNames[a], symbolNames[b], coefficient);
  }
  for (auto [name, slope] : llvm::zip(symbolNames, slopes)) {
    if (slope % kStep != 0)
      return std::nullopt;
    extent += Extent::symbol(name, slope / kStep);
    rest -= slope / kStep * base.lookup(name);
  }
  extent.constant = rest;
  for (auto [sample, number] : llvm::zip(samples, numbers))
    if (extent.evaluate(sample->assignment) != number)
      return std::nullopt;
  return extent;
}

std::optional<SmallVector<Extent>> FittedShapes::shapeOf(Value value) const {
  SmallVector<const HostTensor *> tensors = observe(value);
  if (tensors.empty())
    return std::nullopt;
  SmallVector<Extent> shape;
  for (int64_t d = 0; d < tensors[0]->rank(); ++d) {
    SmallVector<int64_t> numbers;
    for (const HostTensor *tensor : tensors)
      numbers.push_back(tensor->shape[d]);
    std::optional<Extent> extent = fit(numbers);
    if (!extent)
      return std::nullopt;
    shape.push_back(std::move(*extent));
  }
  return shape;
}

std::optional<SmallVector<int64_t>>
FittedShapes::staticShapeOf(Value value) const {
  std::optional<SmallVector<Extent>> extents = shapeOf(value);
  if (!extents)
    return std::nullopt;
  SmallVector<int64_t> shape;
  for (const Extent &extent : *extents) {
    if (!extent.isConstant())
      return std::nullopt;
    shape.push_back(extent.constant);
  }
  return shape;
}

ElementKind FittedShapes::elementKindOf(Value value) const {
  const HostTensor *tensor = samples[0]->evaluator.get(value);
  if (tensor)
    return tensor->kind;
  auto type = dyn_cast<ShapedType>(value.getType());
  return type ? lq::elementKindOf(type.getElementType()) : ElementKind::Other;
}

std::optional<SmallVector<Extent>> FittedShapes::contentsOf(Value value) const {
  SmallVector<const HostTensor *> tensors = observe(value);
  if (tensors.empty())
    return std::nullopt;
  for (const HostTensor *tensor : tensors)
    if (!tensor->hasData || tensor->isFloat() ||
        tensor->shape != tensors[0]->shape ||
        tensor->size() > options.maxContents)
      return std::nullopt;
  SmallVector<Extent> contents;
  for (int64_t i = 0, n = tensors[0]->size(); i < n; ++i) {
    SmallVector<int64_t> numbers;
    for (const HostTensor *tensor : tensors)
      numbers.push_back(tensor->ints[i]);
    std::optional<Extent> extent = fit(numbers);
    if (!extent)
      return std::nullopt;
    contents.push_back(std::move(*extent));
  }
  return contents;
}

const HostTensor *FittedShapes::constantOf(Value value) const {
  SmallVector<const HostTensor *> tensors = observe(value);
  if (tensors.empty())
    return nullptr;
  const HostTensor *first = tensors[0];
  for (const HostTensor *tensor : tensors)
    if (!tensor->hasData || tensor->shape != first->shape ||
        tensor->ints != first->ints || tensor->floats != first->floats)
      return nullptr;
  return first;
}

bool FittedShapes::allKnown(
    Value value, function_ref<bool(const HostTensor &)> holds) const {
  SmallVector<const HostTensor *> tensors = observe(value);
  return !tensors.empty() && llvm::all_of(tensors, [&](const HostTensor *t) {
    return t->hasData && holds(*t);
  });
}

InputExtents statedInputExtents(func::FuncOp graph) {
  InputExtents inputs;
  for (BlockArgument input : graph.getArguments()) {
    auto dims =
        graph.getArgAttrOfType<ArrayAttr>(input.getArgNumber(), "onnx.dims");
    auto inputName =
        graph.getArgAttrOfType<StringAttr>(input.getArgNumber(), "onnx.name");
    if (!dims)
      continue;
    SmallVector<Extent> &extents = inputs[input];
    for (auto [index, dim] : llvm::enumerate(dims)) {
      if (auto fixed = dyn_cast<IntegerAttr>(dim)) {
        extents.emplace_back(fixed.getValue().getSExtValue());
      } else if (auto name = dyn_cast<StringAttr>(dim);
                 name && !name.getValue().empty()) {
        std::optional<Extent> parsed = Extent::parse(name);
        extents.push_back(parsed ? *parsed : Extent::symbol(name));
      } else {
        StringRef owner = inputName ? inputName.getValue() : "input";
        extents.push_back(
            Extent::symbol((owner + "." + llvm::Twine(index)).str()));
      }
    }
  }
  return inputs;
}

} // namespace lq
