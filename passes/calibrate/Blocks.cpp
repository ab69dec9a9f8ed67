//===- Blocks.cpp - a model as a row of blocks ----------------------------===//

#include "passes/calibrate/Blocks.h"

#include "dialects/lq/LqOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Transforms/CSE.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace lq;

static constexpr StringLiteral nameAttr = "lq.name", shapeAttr = "lq.shape",
                               modelAttr = "lq.model";

//===----------------------------------------------------------------------===//
// One call on an empty cache
//===----------------------------------------------------------------------===//

/// Applies `map` to each dimension of the shapes of arguments and results.
static void mapShapes(func::FuncOp main,
                      llvm::function_ref<Attribute(Attribute)> map) {
  auto mapped = [&](Attribute shape) {
    return ArrayAttr::get(main.getContext(),
                          llvm::map_to_vector(cast<ArrayAttr>(shape), map));
  };
  for (unsigned i = 0; i < main.getNumArguments(); ++i)
    main.setArgAttr(i, shapeAttr, mapped(main.getArgAttr(i, shapeAttr)));
  for (unsigned i = 0; i < main.getNumResults(); ++i)
    main.setResultAttr(i, shapeAttr, mapped(main.getResultAttr(i, shapeAttr)));
}

/// Makes dimensions constants.
static void fixDimensions(ModuleOp module, func::FuncOp main,
                          const llvm::StringMap<int64_t> &fixed) {
  Builder attributes(module.getContext());
  main.walk([&](ExtentOp extent) {
    auto found = fixed.find(extent.getDimension());
    if (found == fixed.end())
      return;
    OpBuilder builder(extent);
    Value constant =
        arith::ConstantIndexOp::create(builder, extent.getLoc(), found->second);
    extent.replaceAllUsesWith(constant);
    extent.erase();
  });
  mapShapes(main, [&](Attribute dim) -> Attribute {
    auto text = dyn_cast<StringAttr>(dim);
    auto found = text ? fixed.find(text.getValue()) : fixed.end();
    return found == fixed.end() ? dim
                                : attributes.getI64IntegerAttr(found->second);
  });
  for (auto dimension :
       llvm::make_early_inc_range(module.getOps<DimensionOp>()))
    if (fixed.contains(dimension.getSymName()))
      dimension.erase();
}

/// Rows of logits that are left out where fewer are wanted than there are tokens.
static bool isLogitsSlice(tensor::ExtractSliceOp slice) {
  return slice.getType() == slice.getSourceType() &&
         llvm::any_of(slice.getSizes(), [](Value size) {
           auto extent = size.getDefiningOp<ExtentOp>();
           return extent && extent.getDimension() == "logits";
         });
}

/// Replaces caches by the tensors that are appended to them.
static void dropCaches(ModuleOp module) {
  module.walk([](AppendOp append) {
    append.replaceAllUsesWith(append.getX());
    append.erase();
  });
  for (auto cache : llvm::make_early_inc_range(module.getOps<CacheOp>()))
    cache.erase();
}

/// Makes a generative model one that is called once, on an empty cache, for the
/// logits of all tokens.
static void simplifyGenerative(ModuleOp module, func::FuncOp main,
                               int64_t maxSequence) {
  dropCaches(module);
  main.walk([](tensor::ExtractSliceOp slice) {
    if (isLogitsSlice(slice))
      slice.replaceAllUsesWith(slice.getSource());
  });
  main.walk([](ExtentOp extent) {
    if (extent.getDimension() == "logits")
      extent.setDimension("sequence");
  });
  Builder builder(module.getContext());
  mapShapes(main, [&](Attribute dim) -> Attribute {
    bool isLogits = dim == builder.getStringAttr("logits");
    return isLogits ? builder.getStringAttr("sequence") : dim;
  });
  for (auto dimension :
       llvm::make_early_inc_range(module.getOps<DimensionOp>()))
    if (dimension.getSymName() == "logits")
      dimension.erase();
    else if (maxSequence && dimension.getSymName() == "sequence")
      dimension.setMax(maxSequence);
  fixDimensions(module, main, {{"past", 0}});
}

static void eraseDead(func::FuncOp main) {
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(main.getBody().front())))
    if (isOpTriviallyDead(&op))
      op.erase();
}

//===----------------------------------------------------------------------===//
// Sizes by name
//===----------------------------------------------------------------------===//

static Attribute dimensionOf(Value value, int64_t dim, func::FuncOp main);

/// An index as an entry of `lq.shape`; null if it cannot be written as one.
static Attribute sizeOf(Value index, func::FuncOp main) {
  APInt constant;
  Builder builder(main.getContext());
  if (matchPattern(index, m_ConstantInt(&constant)))
    return builder.getI64IntegerAttr(constant.getSExtValue());
  if (auto extent = index.getDefiningOp<ExtentOp>())
    return builder.getStringAttr(extent.getDimension());
  if (auto dim = index.getDefiningOp<tensor::DimOp>())
    if (auto position = dim.getConstantIndex())
      return dimensionOf(dim.getSource(), *position, main);
  return {};
}

static Attribute sizeOf(OpFoldResult size, func::FuncOp main) {
  if (auto value = dyn_cast<Value>(size))
    return sizeOf(value, main);
  return cast<Attribute>(size);
}

/// The product of sizes of a tensor, of which one may be a dimension's.
static Attribute productOf(Value value, ArrayRef<int64_t> dims,
                           func::FuncOp main) {
  Builder builder(main.getContext());
  int64_t factor = 1;
  StringAttr name;
  for (int64_t dim : dims) {
    Attribute size = dimensionOf(value, dim, main);
    auto number = dyn_cast_or_null<IntegerAttr>(size);
    if (!number && (!size || name))
      return {};
    if (number)
      factor *= number.getInt();
    else
      name = cast<StringAttr>(size);
  }
  if (!name)
    return builder.getI64IntegerAttr(factor);
  if (factor == 1)
    return name;
  // A text with operators would need brackets.
  bool isName = llvm::none_of(name.getValue(), [](char c) { return c == ' '; });
  return isName ? builder.getStringAttr(llvm::Twine(factor) + " * " +
                                        name.getValue())
                : Attribute();
}

/// A size of a tensor as an entry of `lq.shape`; null if it is not known.
static Attribute dimensionOf(Value value, int64_t dim, func::FuncOp main) {
  auto type = cast<RankedTensorType>(value.getType());
  if (!type.isDynamicDim(dim))
    return Builder(main.getContext()).getI64IntegerAttr(type.getDimSize(dim));
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto shape =
        main.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), shapeAttr);
    return shape ? shape[dim] : Attribute();
  }
  unsigned dynamic =
      llvm::count_if(type.getShape().take_front(dim), ShapedType::isDynamic);
  return llvm::TypeSwitch<Operation *, Attribute>(value.getDefiningOp())
      .Case<LinearOp, PermuteOp, EmbeddingOp, RmsNormOp, LayerNormOp, RopeOp,
            AttentionOp, ActivationOp, GluOp>([&](Operation *op) {
        // The last dimension is that of a weight or a head, and static.
        return dimensionOf(op->getOperand(0), dim, main);
      })
      .Case([&](tensor::EmptyOp empty) {
        return sizeOf(empty.getDynamicSizes()[dynamic], main);
      })
      .Case([&](tensor::CastOp cast) {
        return dimensionOf(cast.getSource(), dim, main);
      })
      .Case([&](tensor::ExpandShapeOp expand) {
        return sizeOf(expand.getMixedOutputShape()[dim], main);
      })
      .Case([&](tensor::ExtractSliceOp slice) {
        return slice.getSourceType().getRank() == type.getRank()
                   ? sizeOf(slice.getMixedSizes()[dim], main)
                   : Attribute();
      })
      .Case([&](tensor::CollapseShapeOp collapse) {
        return productOf(collapse.getSrc(),
                         collapse.getReassociationIndices()[dim], main);
      })
      .Case([&](DestinationStyleOpInterface op) {
        return dimensionOf(op.getTiedOpOperand(cast<OpResult>(value))->get(),
                           dim, main);
      })
      .Default(Attribute());
}

/// The sizes of a tensor as `lq.shape`; null if they are not known.
static ArrayAttr shapeOf(Value value, func::FuncOp main) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<Attribute> dims;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (Attribute dim = dimensionOf(value, i, main))
      dims.push_back(dim);
    else
      return {};
  return ArrayAttr::get(main.getContext(), dims);
}

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
    outputs.push_back({operand.get(), main.getResultAttr(index, nameAttr),
                       main.getResultAttrOfType<ArrayAttr>(index, shapeAttr)});
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
    auto shape = main.getArgAttrOfType<ArrayAttr>(index, shapeAttr);
    llvm::SetVector<StringRef> names;
    namesIn(shape, names, model);
    bool gives = llvm::any_of(names, [&](StringRef name) {
      return dimensions.contains(name) && !known.contains(name);
    });
    if (!read.contains(argument) && !gives)
      continue;
    inputs.push_back({argument, main.getArgAttr(index, nameAttr), shape});
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
    function.setArgAttr(i, nameAttr, input.name);
    function.setArgAttr(i, shapeAttr, input.shape);
  }
  for (auto [i, output] : llvm::enumerate(outputs)) {
    function.setResultAttr(i, nameAttr, output.name);
    function.setResultAttr(i, shapeAttr, output.shape);
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

/// Says that the module is a model of named tensors.
static void setKind(ModuleOp module) {
  Builder builder(module.getContext());
  module->setAttr(modelAttr, builder.getDictionaryAttr(builder.getNamedAttr(
                                 "kind", builder.getStringAttr("tensors"))));
}

FailureOr<std::vector<ModelBlock>>
lq::cutIntoBlocks(ModuleOp model, const BlockOptions &options) {
  auto kind = model->getAttrOfType<DictionaryAttr>(modelAttr);
  if (!kind || !kind.getAs<StringAttr>("kind") ||
      !model.lookupSymbol<func::FuncOp>("main"))
    return emitError(model.getLoc())
           << "expected a model with a function @main, as lq-raise makes it";
  OwningOpRef<ModuleOp> whole = model.clone();
  auto main = whole->lookupSymbol<func::FuncOp>("main");
  for (unsigned i = 0; i < main.getNumArguments() + main.getNumResults(); ++i) {
    unsigned result = i - main.getNumArguments();
    bool isArgument = i < main.getNumArguments();
    auto attributes =
        isArgument ? main.getArgAttrDict(i) : main.getResultAttrDict(result);
    if (!attributes || !attributes.getAs<StringAttr>(nameAttr) ||
        !attributes.getAs<ArrayAttr>(shapeAttr))
      return emitError(main.getLoc()) << "expected lq.name and lq.shape on "
                                         "every argument and result, as "
                                         "lq-raise sets them";
  }
  if (kind.getAs<StringAttr>("kind") == "generative")
    simplifyGenerative(*whole, main, options.maxSequence);
  fixDimensions(*whole, main, options.fixed);
  setKind(*whole);
  eraseDead(main);
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

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

FailureOr<std::vector<Tap>> lq::addTaps(ModelBlock &block) {
  auto main = block.module->lookupSymbol<func::FuncOp>("main");
  Operation *terminator = main.getBody().front().getTerminator();
  llvm::MapVector<Value, Tap> taps;
  main.walk([&](LinearOp linear) {
    auto get = linear.getWeight().getDefiningOp<GetOp>();
    if (!get)
      return;
    Tap &tap = taps[linear.getX()];
    if (!llvm::is_contained(tap.weights, get.getWeight()))
      tap.weights.push_back(get.getWeight().str());
    tap.columns = linear.getX().getType().getShape().back();
  });
  Builder builder(main.getContext());
  std::vector<Tap> result;
  for (auto &[value, tap] : taps) {
    ArrayAttr shape = shapeOf(value, main);
    if (!shape)
      return emitError(value.getLoc())
             << "the size of what weight @" << tap.weights.front()
             << " is multiplied by does not follow from the inputs' shapes";
    tap.result = "tap " + std::to_string(result.size());
    unsigned index = main.getNumResults();
    (void)main.insertResult(
        index, value.getType(),
        builder.getDictionaryAttr(
            {builder.getNamedAttr(nameAttr, builder.getStringAttr(tap.result)),
             builder.getNamedAttr(shapeAttr, shape)}));
    terminator->insertOperands(index, value);
    result.push_back(std::move(tap));
  }
  return result;
}

void lq::dropResults(ModelBlock &block,
                     llvm::function_ref<bool(StringRef)> isDropped) {
  auto main = block.module->lookupSymbol<func::FuncOp>("main");
  Operation *terminator = main.getBody().front().getTerminator();
  BitVector dropped(main.getNumResults());
  for (unsigned i = 0; i < main.getNumResults(); ++i)
    dropped[i] =
        isDropped(main.getResultAttrOfType<StringAttr>(i, nameAttr).getValue());
  terminator->eraseOperands(dropped);
  (void)main.eraseResults(dropped);
  eraseDead(main);
  for (auto weight :
       llvm::make_early_inc_range(block.module->getOps<WeightOp>()))
    if (SymbolTable::symbolKnownUseEmpty(weight, *block.module))
      weight.erase();
}
