//===- Blocks.cpp - a model as a row of blocks ----------------------------===//

#include "passes/calibrate/Blocks.h"

#include "dialects/lq/LqOps.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/CSE.h"
#include "passes/calibrate/BlockDimensions.h"
#include "passes/calibrate/SingleCall.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace lq;

//===----------------------------------------------------------------------===//
// Where to cut
//===----------------------------------------------------------------------===//

/// Calls `visit` for the values from outside that the operation and those in it
/// read.
static void forOperands(Operation *op, llvm::function_ref<void(Value)> visit) {
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (operand.getParentRegion() == op->getParentRegion())
        visit(operand);
  });
}

namespace {

/// A value through which everything goes that embeddings and products feed, and
/// the operation that makes it, by its place in the function.
struct Neck {
  size_t position;
  Value value;
};

/// The operations of a function in order, and which of them depend on embeddings
/// or products.
class Graph {
public:
  explicit Graph(func::FuncOp main) : main(main) {
    for (Operation &op : main.getBody().front().without_terminator()) {
      bool depends = isa<EmbeddingOp, LinearOp>(op);
      forOperands(&op, [&](Value value) {
        depends |= dependent.contains(value.getDefiningOp());
      });
      if (depends)
        dependent.insert(&op);
      places[&op] = ops.size();
      ops.push_back(&op);
    }
  }

  std::vector<Neck> findNecks() const;
  /// The necks to cut at, and which layer each block between them is.
  std::vector<Neck> findCuts(std::vector<int64_t> &layers) const;

  func::FuncOp main;
  std::vector<Operation *> ops;
  llvm::DenseMap<Operation *, size_t> places;
  llvm::DenseSet<Operation *> dependent;

private:
  size_t lastUse(Value value) const {
    size_t last = 0;
    for (Operation *user : value.getUsers()) {
      Operation *op = value.getParentBlock()->findAncestorOpInBlock(*user);
      // What the function returns is a result of the block that makes it.
      if (places.contains(op))
        last = std::max(last, places.lookup(op));
    }
    return last;
  }
  /// Whether the segment before each neck, and what follows the last, holds an
  /// attention.
  std::vector<bool> findAttentions(ArrayRef<Neck> necks) const;
  size_t findEnd(ArrayRef<Neck> necks, ArrayRef<size_t> segments) const;
};

} // namespace

std::vector<Neck> Graph::findNecks() const {
  std::vector<Neck> necks;
  // Values that are read later, by the place of their last use.
  std::multimap<size_t, Value> live;
  for (size_t i = 0; i < ops.size(); ++i) {
    live.erase(live.begin(), live.upper_bound(i));
    if (!dependent.contains(ops[i]))
      continue;
    for (Value result : ops[i]->getResults())
      if (size_t last = lastUse(result); last > i)
        live.emplace(last, result);
    if (live.size() != 1 || live.begin()->second.getDefiningOp() != ops[i])
      continue;
    Value value = live.begin()->second;
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (type && type.getElementType().isF32() && !type.getEncoding() &&
        shapeOf(value, main))
      necks.push_back({i, value});
  }
  return necks;
}

std::vector<bool> Graph::findAttentions(ArrayRef<Neck> necks) const {
  std::vector<bool> found(necks.size() + 1);
  for (size_t i = 0, segment = 0; i < ops.size(); ++i) {
    if (isa<AttentionOp>(ops[i]))
      found[segment] = true;
    if (segment < necks.size() && necks[segment].position == i)
      ++segment;
  }
  return found;
}

/// The neck that the last layer ends at, given the segments with attentions: as
/// long a layer as the one before it; of a single layer, the last neck that is a
/// sum with the one before.
size_t Graph::findEnd(ArrayRef<Neck> necks, ArrayRef<size_t> segments) const {
  size_t last = segments.back();
  if (segments.size() > 1)
    return last + (last - segments[segments.size() - 2]) - 1;
  size_t end = last;
  for (size_t i = last; i < necks.size(); ++i)
    if (i > 0 && !necks[i - 1].value.hasOneUse())
      end = i;
  return end;
}

std::vector<Neck> Graph::findCuts(std::vector<int64_t> &layers) const {
  std::vector<Neck> necks = findNecks();
  std::vector<bool> attentions = findAttentions(necks);
  std::vector<size_t> segments;
  for (auto [i, hasAttention] : llvm::enumerate(attentions))
    if (hasAttention)
      segments.push_back(i);
  std::vector<Neck> cuts;
  if (segments.empty() || necks.empty()) {
    layers = {-1};
    return cuts;
  }
  // Segment i lies between the necks i - 1 and i.
  if (segments.front() > 0)
    layers.push_back(-1);
  for (auto [layer, segment] : llvm::enumerate(segments)) {
    if (segment > 0)
      cuts.push_back(necks[segment - 1]);
    layers.push_back(static_cast<int64_t>(layer));
  }
  if (size_t end = findEnd(necks, segments); end < necks.size()) {
    cuts.push_back(necks[end]);
    layers.push_back(-1);
  }
  return cuts;
}

//===----------------------------------------------------------------------===//
// Cutting
//===----------------------------------------------------------------------===//

/// The names of dimensions in a shape.
static void namesIn(ArrayAttr shape, llvm::SetVector<StringRef> &names,
                    ModuleOp module) {
  for (Attribute dim : shape)
    if (auto text = dyn_cast<StringAttr>(dim))
      for (auto dimension : module.getOps<DimensionOp>())
        // A text such as "past + sequence".
        for (StringRef word : llvm::split(text.getValue(), ' '))
          if (word == dimension.getSymName())
            names.insert(dimension.getSymName());
}

namespace {

/// A tensor that enters or leaves a block.
struct Port {
  Value value;
  Attribute name;
  ArrayAttr shape;
};

/// Makes a module of the operations of a model between two cuts.
class BlockBuilder {
public:
  BlockBuilder(ModuleOp model, const Graph &graph)
      : model(model), graph(graph), main(graph.main) {}

  OwningOpRef<ModuleOp> build(const Neck *from, const Neck *to);

private:
  void collect(size_t begin, size_t end);
  void addInputs();
  void collectDimensions();
  Port streamPort(Value value) {
    return {value, StringAttr::get(model.getContext(), streamName),
            shapeOf(value, main)};
  }
  func::FuncOp createFunction(OpBuilder &builder);
  void cloneWithOperands(OpBuilder &builder, Operation *op, IRMapping &mapping);

  ModuleOp model;
  const Graph &graph;
  func::FuncOp main;

  /// The stream that enters; null in the first block.
  Value stream;
  std::vector<Port> inputs, outputs;
  llvm::SetVector<Operation *> needed;
  llvm::SetVector<StringRef> dimensions;
};

} // namespace

/// Finds what the block computes: what depends on products and lies in it, and
/// all that this needs, up to the stream.
void BlockBuilder::collect(size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i)
    if (graph.dependent.contains(graph.ops[i]))
      needed.insert(graph.ops[i]);
  for (OpOperand &operand :
       main.getBody().front().getTerminator()->getOpOperands()) {
    Operation *op = operand.get().getDefiningOp();
    unsigned index = operand.getOperandNumber();
    // What depends on no product is given by the last block.
    size_t place = op && graph.dependent.contains(op) ? graph.places.lookup(op)
                                                      : graph.ops.size() - 1;
    if (place < begin || place >= end)
      continue;
    outputs.push_back(
        {operand.get(), main.getResultAttr(index, portNameAttr),
         main.getResultAttrOfType<ArrayAttr>(index, portShapeAttr)});
    if (op)
      needed.insert(op);
  }
  for (size_t i = 0; i < needed.size(); ++i)
    forOperands(needed[i], [&](Value value) {
      if (value != stream && value.getDefiningOp())
        needed.insert(value.getDefiningOp());
    });
}

void BlockBuilder::collectDimensions() {
  for (Operation *op : needed)
    op->walk(
        [&](ExtentOp extent) { dimensions.insert(extent.getDimension()); });
  for (const Port &output : outputs)
    namesIn(output.shape, dimensions, model);
}

/// Adds the model's inputs that the block reads, and those that its dimensions
/// follow from.
void BlockBuilder::addInputs() {
  llvm::DenseSet<Value> read;
  for (Operation *op : needed)
    forOperands(op, [&](Value value) { read.insert(value); });
  for (const Port &output : outputs)
    read.insert(output.value);
  llvm::SetVector<StringRef> known;
  for (const Port &input : inputs)
    namesIn(input.shape, known, model);
  for (BlockArgument argument : main.getArguments()) {
    unsigned index = argument.getArgNumber();
    auto shape = main.getArgAttrOfType<ArrayAttr>(index, portShapeAttr);
    llvm::SetVector<StringRef> names;
    namesIn(shape, names, model);
    bool gives = llvm::any_of(names, [&](StringRef name) {
      return dimensions.contains(name) && !known.contains(name);
    });
    if (!read.contains(argument) && !gives)
      continue;
    inputs.push_back({argument, main.getArgAttr(index, portNameAttr), shape});
    known.insert_range(names);
  }
  dimensions.insert_range(known);
}

/// Clones an operation and before it what it needs, unless that was done. So the
/// order of operations is the same in blocks that are alike, wherever the model
/// computes what they share.
void BlockBuilder::cloneWithOperands(OpBuilder &builder, Operation *op,
                                     IRMapping &mapping) {
  if (mapping.contains(op))
    return;
  forOperands(op, [&](Value value) {
    if (!mapping.contains(value))
      cloneWithOperands(builder, value.getDefiningOp(), mapping);
  });
  builder.clone(*op, mapping);
}

func::FuncOp BlockBuilder::createFunction(OpBuilder &builder) {
  SmallVector<Type> argumentTypes, resultTypes;
  for (const Port &input : inputs)
    argumentTypes.push_back(input.value.getType());
  for (const Port &output : outputs)
    resultTypes.push_back(output.value.getType());
  auto function =
      func::FuncOp::create(builder, main.getLoc(), "main",
                           builder.getFunctionType(argumentTypes, resultTypes));
  for (auto [i, input] : llvm::enumerate(inputs)) {
    function.setArgAttr(i, portNameAttr, input.name);
    function.setArgAttr(i, portShapeAttr, input.shape);
  }
  for (auto [i, output] : llvm::enumerate(outputs)) {
    function.setResultAttr(i, portNameAttr, output.name);
    function.setResultAttr(i, portShapeAttr, output.shape);
  }
  builder.setInsertionPointToStart(function.addEntryBlock());
  IRMapping mapping;
  for (auto [input, argument] :
       llvm::zip_equal(inputs, function.getArguments()))
    mapping.map(input.value, argument);
  for (Operation *op : graph.ops)
    if (needed.contains(op) && graph.dependent.contains(op))
      cloneWithOperands(builder, op, mapping);
  SmallVector<Value> results;
  for (const Port &output : outputs) {
    if (Operation *op = output.value.getDefiningOp())
      cloneWithOperands(builder, op, mapping);
    results.push_back(mapping.lookup(output.value));
  }
  func::ReturnOp::create(builder, main.getLoc(), results);
  return function;
}

OwningOpRef<ModuleOp> BlockBuilder::build(const Neck *from, const Neck *to) {
  if (from) {
    stream = from->value;
    inputs.push_back(streamPort(stream));
  }
  if (to)
    outputs.push_back(streamPort(to->value));
  collect(from ? from->position + 1 : 0,
          to ? to->position + 1 : graph.ops.size());
  collectDimensions();
  addInputs();
  OwningOpRef<ModuleOp> module = ModuleOp::create(model.getLoc());
  (*module)->setAttrs(model->getAttrDictionary());
  OpBuilder builder(module->getBodyRegion());
  func::FuncOp function = createFunction(builder);
  eraseDead(function);
  llvm::SetVector<StringRef> symbols;
  function.walk([&](GetOp get) { symbols.insert(get.getWeight()); });
  symbols.insert_range(dimensions);
  builder.setInsertionPoint(function);
  for (StringRef symbol : symbols)
    if (Operation *op = model.lookupSymbol(symbol))
      builder.clone(*op);
  return module;
}

/// Fails unless the module is a model as lq-raise makes it.
static LogicalResult checkModel(ModuleOp model) {
  auto kind = model->getAttrOfType<DictionaryAttr>("lq.model");
  auto main = model.lookupSymbol<func::FuncOp>("main");
  if (!kind || !kind.getAs<StringAttr>("kind") || !main)
    return emitError(model.getLoc())
           << "expected a model with a function @main, as lq-raise makes it";
  auto isPort = [](DictionaryAttr attributes) {
    return attributes && attributes.getAs<StringAttr>(portNameAttr) &&
           attributes.getAs<ArrayAttr>(portShapeAttr);
  };
  bool hasAll = true;
  for (unsigned i = 0; i < main.getNumArguments(); ++i)
    hasAll &= isPort(main.getArgAttrDict(i));
  for (unsigned i = 0; i < main.getNumResults(); ++i)
    hasAll &= isPort(main.getResultAttrDict(i));
  if (!hasAll)
    return emitError(main.getLoc())
           << "expected lq.name and lq.shape on every argument and result, as "
              "lq-raise sets them";
  return success();
}

FailureOr<std::vector<ModelBlock>>
lq::cutIntoBlocks(ModuleOp model, const BlockOptions &options) {
  if (failed(checkModel(model)))
    return failure();
  OwningOpRef<ModuleOp> whole = model.clone();
  auto main = whole->lookupSymbol<func::FuncOp>("main");
  makeSingleCall(*whole, main, options);
  IRRewriter rewriter(main.getContext());
  DominanceInfo dominance(main);
  eliminateCommonSubExpressions(rewriter, dominance, main);

  Graph graph(main);
  std::vector<int64_t> layers;
  std::vector<Neck> cuts = graph.findCuts(layers);
  std::vector<ModelBlock> blocks;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    ModelBlock &block = blocks.emplace_back();
    block.layer = layers[i];
    block.name = layers[i] >= 0 ? "layer " + std::to_string(layers[i])
                 : cuts.empty() ? "model"
                 : i == 0       ? "embedding"
                                : "head";
    block.module = BlockBuilder(*whole, graph)
                       .build(i > 0 ? &cuts[i - 1] : nullptr,
                              i < cuts.size() ? &cuts[i] : nullptr);
  }
  return blocks;
}
