//===- Emitter.cpp - Creates the operations of the raised model -----------===//

#include "passes/raise/match/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/raise/match/Rope.h"

using namespace mlir;

namespace lq::raise {

/// Constants with more elements are weights, not attributes in the IR.
static constexpr int64_t kMaxInlineElements = 64;

static RankedTensorType tensorType(Value value) {
  return cast<RankedTensorType>(value.getType());
}

//===----------------------------------------------------------------------===//
// Values of the graph
//===----------------------------------------------------------------------===//

Value Emitter::get(Value value) {
  if (Value lowered = bound.lookup(value))
    return lowered;
  Value lowered;
  if (value == graph.roles().tail) {
    Value hidden = get(graph.roles().hidden);
    lowered = hidden ? lastRows(hidden) : Value();
  } else if (llvm::is_contained(graph.roles().sides(), value)) {
    lowered = materializeSide(value);
  } else if (graph.isConstant(value)) {
    auto shape = graph.shapes().staticShapeOf(value);
    if (shape && elementCount(*shape).value_or(0) <= kMaxInlineElements)
      lowered = general.materializeKnown(value);
    if (!lowered)
      if (WeightOp weight = weights.tensor(location, value))
        lowered = getWeight(weight);
  } else {
    lowered = general.materializeKnown(value);
    if (!lowered)
      emitError(location) << "cannot compute a value that this needs";
  }
  bind(value, lowered);
  return lowered;
}

void Emitter::bindInput(Value input, Value argument) {
  RankedTensorType type = general.typeOf(input);
  if (type != argument.getType())
    argument = elementwise(argument, [&](OpBuilder &b, ValueRange x) {
      return arith::TruncIOp::create(b, location, type.getElementType(), x[0]);
    });
  bind(input, argument);
}

/// Positions, or a mask of ones, as the graph had them for an input.
Value Emitter::materializeSide(Value value) {
  RankedTensorType type = general.typeOf(value);
  if (value == graph.roles().positions) {
    Value row = positions(Extent::symbol(kSequence));
    if (type.getElementType() == builder.getI64Type())
      return row;
    return elementwise(row, [&](OpBuilder &b, ValueRange x) {
      return arith::TruncIOp::create(b, location, type.getElementType(), x[0]);
    });
  }
  int64_t number = value == graph.roles().mask ? 1 : 0;
  SmallVector<Value> sizes;
  std::optional<SmallVector<Extent>> shape = graph.shapes().shapeOf(value);
  for (const Extent &extent : *shape)
    if (!extent.isConstant())
      sizes.push_back(general.materialize(location, extent));
  Value fill = arith::ConstantOp::create(
      builder, location, builder.getIntegerAttr(type.getElementType(), number));
  return tensor::SplatOp::create(builder, location, fill, type, sizes);
}

LogicalResult Emitter::lower(onnx::NodeOp node) {
  SmallVector<Value> operands, results;
  for (Value input : node.getInputs()) {
    bool absent = isa<NoneType>(input.getType());
    bool data = !absent && (graph.isData(input) || bound.lookup(input));
    bool known =
        !absent && !data &&
        (graph.shapes().contentsOf(input) ||
         (graph.shapes().constantOf(input) &&
          graph.shapes().constantOf(input)->size() <= kMaxInlineElements));
    operands.push_back(absent || known ? Value() : get(input));
    if (!absent && !known && !operands.back())
      return failure();
  }
  if (failed(general.lower(node, operands, results)))
    return failure();
  for (auto [result, lowered] : llvm::zip_equal(node->getResults(), results))
    bind(result, lowered);
  return success();
}

Value Emitter::extent(StringRef name) {
  return general.materialize(location, Extent::symbol(name));
}

Value Emitter::positions(const Extent &count) {
  Value rows = general.materialize(location, count);
  Value first =
      graph.roles().isGenerative()
          ? past()
          : Value(arith::ConstantIndexOp::create(builder, location, 0));
  Type i64 = builder.getI64Type();
  Value empty = tensor::EmptyOp::create(
      builder, location, ArrayRef<OpFoldResult>{builder.getIndexAttr(1), rows},
      i64);
  AffineMap map = builder.getMultiDimIdentityMap(2);
  SmallVector<utils::IteratorType> loops(2, utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             builder, location, empty.getType(), ValueRange(), empty, map,
             loops,
             [&](OpBuilder &b, Location loc, ValueRange) {
               Value row = linalg::IndexOp::create(b, loc, 1);
               Value position = arith::AddIOp::create(b, loc, row, first);
               linalg::YieldOp::create(
                   b, loc,
                   Value(arith::IndexCastOp::create(b, loc, i64, position)));
             })
      .getResult(0);
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

Value Emitter::getWeight(WeightOp weight) {
  return weight ? Value(GetOp::create(builder, location, weight.getTensorType(),
                                      weight.getSymName()))
                : Value();
}

Value Emitter::matrix(Value constant, bool transposed) {
  return getWeight(weights.matrix(location, constant, transposed));
}

Value Emitter::quantized(const QuantizedMatrix &matrix) {
  return getWeight(weights.quantized(location, matrix));
}

Value Emitter::table(Value constant) {
  WeightOp weight = weights.matrix(location, constant, /*transposed=*/false);
  if (weight)
    weights.noteTable(weight);
  return getWeight(weight);
}

Value Emitter::vector(Value constant, int64_t size) {
  return getWeight(weights.vector(location, constant, size));
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

Value Emitter::transpose(Value value, ArrayRef<int64_t> permutation) {
  auto inner = value.getDefiningOp<linalg::TransposeOp>();
  if (inner) {
    SmallVector<int64_t> both;
    for (int64_t axis : permutation)
      both.push_back(inner.getPermutation()[axis]);
    if (llvm::equal(both, llvm::seq<int64_t>(both.size())))
      return inner.getInput();
  }
  SmallVector<OpFoldResult> sizes;
  SmallVector<OpFoldResult> from =
      tensor::getMixedSizes(builder, location, value);
  for (int64_t axis : permutation)
    sizes.push_back(from[axis]);
  Value empty = tensor::EmptyOp::create(builder, location, sizes,
                                        tensorType(value).getElementType());
  return linalg::TransposeOp::create(builder, location, value, empty,
                                     permutation)
      ->getResult(0);
}

SmallVector<OpFoldResult> Emitter::sizesOf(Value value) {
  SmallVector<OpFoldResult> sizes;
  std::optional<SmallVector<Extent>> shape = graph.shapes().shapeOf(value);
  for (const Extent &extent : *shape)
    sizes.push_back(extent.isConstant()
                        ? OpFoldResult(builder.getIndexAttr(extent.constant))
                        : OpFoldResult(general.materialize(location, extent)));
  return sizes;
}

static constexpr int64_t kSwapRowsAndHeads[] = {0, 2, 1, 3};
static const ReassociationIndices kFlatHeads[] = {{0}, {1}, {2, 3}};

Value Emitter::getRowsFirst(const Heads &heads) {
  Value value = get(heads.value);
  if (!value || heads.layout == HeadLayout::RowsFirst)
    return value;
  if (heads.layout == HeadLayout::HeadsFirst)
    return transpose(value, kSwapRowsAndHeads);
  SmallVector<OpFoldResult> sizes = sizesOf(heads.value);
  sizes.back() = builder.getIndexAttr(heads.count);
  sizes.push_back(builder.getIndexAttr(heads.size));
  SmallVector<int64_t> shape(tensorType(value).getShape());
  shape.back() = heads.count;
  shape.push_back(heads.size);
  return tensor::ExpandShapeOp::create(
      builder, location,
      RankedTensorType::get(shape, tensorType(value).getElementType()), value,
      kFlatHeads, sizes);
}

void Emitter::bindRowsFirst(const Heads &heads, Value value) {
  if (heads.layout == HeadLayout::HeadsFirst)
    value = transpose(value, kSwapRowsAndHeads);
  else if (heads.layout == HeadLayout::Flat)
    value = tensor::CollapseShapeOp::create(builder, location, value,
                                            ArrayRef(kFlatHeads));
  bind(heads.value, value);
}

Value Emitter::reshapeLeading(Value value, int64_t rank) {
  RankedTensorType type = tensorType(value);
  int64_t added = rank - type.getRank();
  if (added == 0)
    return value;
  // The first group holds the dimensions that are added or removed.
  int64_t ones = std::abs(added) + 1;
  SmallVector<ReassociationIndices> groups(1);
  for (int64_t i = 0, e = std::max(rank, type.getRank()); i < e; ++i) {
    if (i >= ones)
      groups.emplace_back();
    groups.back().push_back(i);
  }
  if (added < 0)
    return tensor::CollapseShapeOp::create(builder, location, value, groups);
  SmallVector<OpFoldResult> sizes(added, builder.getIndexAttr(1));
  llvm::append_range(sizes, tensor::getMixedSizes(builder, location, value));
  SmallVector<int64_t> shape(added, 1);
  llvm::append_range(shape, type.getShape());
  return tensor::ExpandShapeOp::create(
      builder, location, RankedTensorType::get(shape, type.getElementType()),
      value, groups, sizes);
}

Value Emitter::lastRows(Value value) {
  Value rows = extent(kLogits), all = extent(kSequence);
  Value first = arith::SubIOp::create(builder, location, all, rows);
  int64_t size = tensorType(value).getDimSize(2);
  SmallVector<OpFoldResult> offsets = {builder.getIndexAttr(0), first,
                                       builder.getIndexAttr(0)};
  SmallVector<OpFoldResult> sizes = {builder.getIndexAttr(1), rows,
                                     builder.getIndexAttr(size)};
  SmallVector<OpFoldResult> strides(3, builder.getIndexAttr(1));
  return tensor::ExtractSliceOp::create(builder, location, value, offsets,
                                        sizes, strides);
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

namespace {

/// The dimensions of tensors broadcast together, from the last one backwards.
struct Broadcast {
  SmallVector<OpFoldResult> sizes;
  SmallVector<int64_t> shape;

  void take(int64_t axis, int64_t size, OpFoldResult value) {
    if (size == 1)
      return;
    shape[axis] = size;
    sizes[axis] = value;
  }
};

} // namespace

Value Emitter::elementwise(
    ValueRange operands,
    llvm::function_ref<Value(OpBuilder &, ValueRange)> body) {
  int64_t rank = 0;
  for (Value operand : operands)
    rank = std::max(rank, tensorType(operand).getRank());
  Broadcast result{
      SmallVector<OpFoldResult>(rank, OpFoldResult(builder.getIndexAttr(1))),
      SmallVector<int64_t>(rank, 1)};
  SmallVector<AffineMap> maps;
  for (Value operand : operands) {
    ArrayRef<int64_t> shape = tensorType(operand).getShape();
    SmallVector<OpFoldResult> sizes =
        tensor::getMixedSizes(builder, location, operand);
    SmallVector<AffineExpr> expressions;
    for (int64_t i = 0, e = shape.size(); i < e; ++i) {
      int64_t axis = rank - e + i;
      result.take(axis, shape[i], sizes[i]);
      expressions.push_back(shape[i] == 1 ? builder.getAffineConstantExpr(0)
                                          : builder.getAffineDimExpr(axis));
    }
    maps.push_back(AffineMap::get(rank, 0, expressions, builder.getContext()));
  }
  maps.push_back(builder.getMultiDimIdentityMap(rank));
  // The body's type is known only once it was made: make it on the side.
  Type elementType;
  {
    Region scratch;
    Block &block = scratch.emplaceBlock();
    for (Value operand : operands)
      block.addArgument(tensorType(operand).getElementType(), location);
    OpBuilder inner(builder.getContext());
    inner.setInsertionPointToStart(&block);
    elementType = body(inner, block.getArguments()).getType();
  }
  Value empty =
      tensor::EmptyOp::create(builder, location, result.sizes, elementType);
  SmallVector<utils::IteratorType> loops(rank, utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             builder, location, empty.getType(), operands, empty, maps, loops,
             [&](OpBuilder &b, Location loc, ValueRange arguments) {
               linalg::YieldOp::create(b, loc, body(b, arguments.drop_back()));
             })
      .getResult(0);
}

//===----------------------------------------------------------------------===//
// Rotations and caches
//===----------------------------------------------------------------------===//

Value Emitter::rotate(Value heads, const RotatedHeads &rotation) {
  RopeTable &table = *rotation.table;
  if (!table.cosWeight) {
    int64_t shape[] = {table.positions, table.pairs};
    table.cosWeight = weights.add(location, "rope.cos", shape, table.cos);
    table.sinWeight = weights.add(location, "rope.sin", shape, table.sin);
  }
  Value cos = getWeight(table.cosWeight), sin = getWeight(table.sinWeight);
  if (!cos || !sin)
    return {};
  Value first =
      graph.roles().isGenerative()
          ? past()
          : Value(arith::ConstantIndexOp::create(builder, location, 0));
  return RopeOp::create(builder, location, heads.getType(), heads, cos, sin,
                        first, rotation.interleaved);
}

Value Emitter::append(Value key, Value heads, CacheRole role) {
  Value &result = appended[{key, static_cast<unsigned>(role)}];
  if (result)
    return result;
  bool keys = role == CacheRole::Keys;
  RankedTensorType type = tensorType(heads);
  std::string name =
      ("blk." + Twine(cached[keys ? 0 : 1]++) + (keys ? ".k" : ".v")).str();
  CacheOp cache = weights.addCache(location, name, role, type.getDimSize(2),
                                   type.getDimSize(3), cacheType);
  auto stored = RankedTensorType::get(type.getShape(), type.getElementType(),
                                      CachedAttr::get(builder.getContext()));
  result = AppendOp::create(builder, location, stored, heads,
                            cache.getSymName(), past());
  return result;
}

} // namespace lq::raise
