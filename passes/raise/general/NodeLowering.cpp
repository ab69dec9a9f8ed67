//===- NodeLowering.cpp - What the lowerings of nodes share ---------------===//

#include "passes/raise/general/NodeLowering.h"
#include "dialects/lq/LqOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/raise/eval/Initializers.h"
#include "passes/raise/general/GeneralLowering.h"
#include <cmath>

using namespace mlir;

namespace lq::general {

NodeLowering::NodeLowering(OpBuilder &builder, const FittedShapes &shapes,
                           onnx::NodeOp node)
    : b(node.getLoc(), builder), shapes(shapes), node(node),
      opset(opsetOf(node)), results(node.getNumResults()) {}

LogicalResult NodeLowering::fail(const Twine &why) {
  return node.emitError() << "cannot lower " << node.describe() << ": " << why;
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

std::optional<int64_t> NodeLowering::axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return std::nullopt;
  return axis < 0 ? axis + rank : axis;
}

bool NodeLowering::extents(unsigned i, StringRef attribute,
                           std::optional<Extents> &values) const {
  onnx::NodeOp op = node;
  if (has(i)) {
    values = shapes.contentsOf(op.getInputs()[i]);
    return values.has_value();
  }
  if (auto list = op.getInts(attribute)) {
    values.emplace();
    for (int64_t value : *list)
      values->emplace_back(value);
  }
  return true;
}

bool NodeLowering::integers(unsigned i, StringRef attribute,
                            std::optional<SmallVector<int64_t>> &values) const {
  std::optional<Extents> found;
  if (!extents(i, attribute, found))
    return false;
  if (!found)
    return true;
  values.emplace();
  for (const Extent &extent : *found) {
    if (!extent.isConstant())
      return false;
    values->push_back(extent.constant);
  }
  return true;
}

const HostTensor *NodeLowering::constant(unsigned i) const {
  onnx::NodeOp op = node;
  const HostTensor *tensor = shapes.constantOf(op.getInputs()[i]);
  return tensor && tensor->size() == 1 ? tensor : nullptr;
}

Value NodeLowering::index(const Extent &extent) {
  return GeneralLowering(b, shapes).materialize(b.getLoc(), extent);
}

SmallVector<OpFoldResult> NodeLowering::sizes(ArrayRef<Extent> shape) {
  SmallVector<OpFoldResult> sizes;
  for (const Extent &extent : shape)
    sizes.push_back(extent.isConstant()
                        ? OpFoldResult(b.getIndexAttr(extent.constant))
                        : OpFoldResult(index(extent)));
  return sizes;
}

Value NodeLowering::count(ArrayRef<Extent> shape) {
  int64_t known = 1;
  Value product;
  for (const Extent &extent : shape) {
    if (extent.isConstant()) {
      known *= extent.constant;
      continue;
    }
    Value size = index(extent);
    product = product ? Value(arith::MulIOp::create(b, product, size)) : size;
  }
  if (!product)
    return index(known);
  return known == 1 ? product
                    : Value(arith::MulIOp::create(b, product, index(known)));
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

Type NodeLowering::elementType(ElementKind kind) {
  return signlessType(kind, b.getContext());
}

RankedTensorType NodeLowering::typeOf(ArrayRef<Extent> shape,
                                      ElementKind kind) {
  SmallVector<int64_t> dims;
  for (const Extent &extent : shape)
    dims.push_back(extent.isConstant() ? extent.constant
                                       : ShapedType::kDynamic);
  return RankedTensorType::get(dims, elementType(kind));
}

void NodeLowering::set(unsigned i, Value value) {
  // A result that the node leaves out has no type.
  if (i >= results.size() || !elementType(results[i].kind))
    return;
  RankedTensorType type = typeOf(results[i].shape, results[i].kind);
  if (value.getType() != type)
    value = tensor::CastOp::create(b, type, value);
  results[i].value = value;
}

Lowered NodeLowering::empty(ArrayRef<Extent> shape, ElementKind kind) {
  Value value = tensor::EmptyOp::create(b, sizes(shape), elementType(kind));
  return {value, Extents(shape), kind};
}

Lowered NodeLowering::filled(ArrayRef<Extent> shape, ElementKind kind,
                             Value scalar) {
  Lowered tensor = empty(shape, kind);
  tensor.value =
      linalg::FillOp::create(b, ValueRange{scalar}, ValueRange{tensor.value})
          .getResult(0);
  return tensor;
}

Lowered NodeLowering::filled(ArrayRef<Extent> shape, ElementKind kind,
                             double value) {
  Scalars s(b, b.getLoc(), kind);
  return filled(shape, kind, s.narrow(s.constant(value), kind));
}

Lowered NodeLowering::generic(ArrayRef<Lowered> inputs, const Loops &loops,
                              const Lowered &init, Body body) {
  SmallVector<Value> values;
  for (const Lowered &input : inputs)
    values.push_back(input.value);
  SmallVector<AffineMap> maps(loops.inputMaps);
  maps.push_back(loops.outputMap);
  bool accumulates =
      llvm::is_contained(loops.iterators, utils::IteratorType::reduction);
  auto build = [&](OpBuilder &inner, Location loc, ValueRange elements) {
    Scalars s(inner, loc, inputs.empty() ? init.kind : inputs[0].kind);
    SmallVector<Value> wide;
    for (auto [input, element] : llvm::zip(inputs, elements))
      wide.push_back(s.widen(element, input.kind));
    if (accumulates)
      wide.push_back(s.widen(elements.back(), init.kind));
    Value result = body(s, wide);
    linalg::YieldOp::create(inner, loc, s.narrow(result, init.kind));
  };
  auto op = linalg::GenericOp::create(b, TypeRange{init.value.getType()},
                                      values, ValueRange{init.value}, maps,
                                      loops.iterators, build);
  return {op.getResult(0), init.shape, init.kind};
}

AffineMap NodeLowering::broadcastMap(ArrayRef<Extent> from,
                                     ArrayRef<Extent> to) {
  SmallVector<AffineExpr> exprs;
  size_t lead = to.size() - from.size();
  for (size_t d = 0; d < from.size(); ++d)
    exprs.push_back(from[d].is(1) && !to[lead + d].is(1)
                        ? b.getAffineConstantExpr(0)
                        : b.getAffineDimExpr(lead + d));
  return AffineMap::get(to.size(), 0, exprs, b.getContext());
}

Loops NodeLowering::broadcastLoops(ArrayRef<Lowered> inputs,
                                   ArrayRef<Extent> shape) {
  Loops loops;
  loops.count = shape.size();
  for (const Lowered &input : inputs)
    loops.inputMaps.push_back(broadcastMap(input.shape, shape));
  loops.outputMap = b.getMultiDimIdentityMap(shape.size());
  loops.iterators.assign(shape.size(), utils::IteratorType::parallel);
  return loops;
}

Lowered NodeLowering::elementwise(ArrayRef<Lowered> inputs,
                                  ArrayRef<Extent> shape, ElementKind kind,
                                  Body body) {
  return generic(inputs, broadcastLoops(inputs, shape), empty(shape, kind),
                 body);
}

Lowered NodeLowering::fromIndices(ArrayRef<Extent> shape, ElementKind kind,
                                  Body body) {
  auto withIndices = [&](Scalars &s, ValueRange) {
    SmallVector<Value> indices;
    for (size_t d = 0; d < shape.size(); ++d)
      indices.push_back(linalg::IndexOp::create(s.b, d));
    return body(s, indices);
  };
  return elementwise({}, shape, kind, withIndices);
}

Value NodeLowering::element(const Lowered &tensor, ValueRange indices) {
  return tensor::ExtractOp::create(b, tensor.value, indices);
}

Lowered NodeLowering::cast(const Lowered &tensor, ElementKind kind) {
  if (tensor.kind == kind)
    return tensor;
  return elementwise({tensor}, tensor.shape, kind,
                     [&](Scalars &s, ValueRange x) {
                       return s.cast(x[0], tensor.kind, kind);
                     });
}

Lowered NodeLowering::transpose(const Lowered &tensor,
                                ArrayRef<int64_t> order) {
  if (llvm::is_sorted(order))
    return tensor;
  Extents shape;
  SmallVector<AffineExpr> exprs(order.size());
  for (auto [to, from] : llvm::enumerate(order)) {
    shape.push_back(tensor.shape[from]);
    exprs[from] = b.getAffineDimExpr(to);
  }
  Loops loops = broadcastLoops({}, shape);
  loops.inputMaps = {AffineMap::get(order.size(), 0, exprs, b.getContext())};
  return generic({tensor}, loops, empty(shape, tensor.kind),
                 [](Scalars &, ValueRange x) { return x[0]; });
}

Lowered NodeLowering::slice(const Lowered &tensor,
                            ArrayRef<OpFoldResult> offsets,
                            ArrayRef<Extent> shape, ArrayRef<int64_t> strides) {
  // A view that starts at the end of a dimension does not verify.
  if (llvm::any_of(shape, [](const Extent &extent) { return extent.is(0); }))
    return empty(shape, tensor.kind);
  SmallVector<OpFoldResult> steps;
  for (size_t d = 0; d < shape.size(); ++d)
    steps.push_back(b.getIndexAttr(strides.empty() ? 1 : strides[d]));
  Value value = tensor::ExtractSliceOp::create(b, typeOf(shape, tensor.kind),
                                               tensor.value, offsets,
                                               sizes(shape), steps);
  return {value, Extents(shape), tensor.kind};
}

Lowered NodeLowering::insert(const Lowered &part, const Lowered &into,
                             ArrayRef<OpFoldResult> offsets) {
  SmallVector<OpFoldResult> steps(part.shape.size(), b.getIndexAttr(1));
  Value value = tensor::InsertSliceOp::create(
      b, part.value, into.value, offsets, sizes(part.shape), steps);
  return {value, into.shape, into.kind};
}

//===----------------------------------------------------------------------===//
// Reshape
//===----------------------------------------------------------------------===//

namespace {
/// Consecutive dimensions of the source and of the target with equally many
/// elements.
struct ReshapeGroup {
  ReassociationIndices source, target;
};
} // namespace

/// The product of dimensions under an assignment of large primes, modulo 2^64:
/// two products agree there only if they agree as polynomials.
static uint64_t fingerprint(const Extent &extent,
                            ArrayRef<std::string> symbols) {
  static constexpr uint64_t kPrimes[] = {1000003, 1000033, 1000037, 1000039,
                                         1000081, 1000099, 1000117, 1000121};
  uint64_t value = extent.constant;
  for (const auto &[term, coefficient] : extent.terms) {
    uint64_t product = coefficient;
    for (StringRef name : Extent::symbolsOf(term)) {
      size_t s = llvm::find(symbols, name) - symbols.begin();
      product *= kPrimes[s % std::size(kPrimes)] + s / std::size(kPrimes) * 2;
    }
    value += product;
  }
  return value;
}

/// The finest groups, or nothing if the sizes differ.
static std::optional<SmallVector<ReshapeGroup>>
groupDimensions(ArrayRef<Extent> source, ArrayRef<Extent> target,
                ArrayRef<std::string> symbols) {
  SmallVector<ReshapeGroup> groups;
  size_t i = 0, j = 0;
  while (i < source.size() && j < target.size()) {
    ReshapeGroup group;
    group.source.push_back(i);
    group.target.push_back(j);
    uint64_t left = fingerprint(source[i++], symbols);
    uint64_t right = fingerprint(target[j++], symbols);
    while (left != right) {
      // The smaller side grows; fingerprints are ordered like the sizes as
      // long as they do not wrap, and any order finds some grouping.
      bool growLeft = left < right ? i < source.size() : j >= target.size();
      if (growLeft && i < source.size()) {
        left *= fingerprint(source[i], symbols);
        group.source.push_back(i++);
      } else if (j < target.size()) {
        right *= fingerprint(target[j], symbols);
        group.target.push_back(j++);
      } else {
        return std::nullopt;
      }
    }
    groups.push_back(std::move(group));
  }
  // What is left over are dimensions of 1, which belong to any group.
  for (; i < source.size(); ++i) {
    if (!source[i].is(1))
      return std::nullopt;
    if (!groups.empty())
      groups.back().source.push_back(i);
  }
  for (; j < target.size(); ++j) {
    if (!target[j].is(1))
      return std::nullopt;
    if (!groups.empty())
      groups.back().target.push_back(j);
  }
  return groups;
}

Lowered NodeLowering::splitByIndex(const Lowered &tensor,
                                   ArrayRef<Extent> shape,
                                   ArrayRef<ReassociationIndices> groups) {
  SmallVector<Value> dims;
  for (const Extent &extent : shape)
    dims.push_back(index(extent));
  auto body = [&](Scalars &s, ValueRange at) {
    SmallVector<Value> from;
    for (const ReassociationIndices &group : groups) {
      Value linear = at[group[0]];
      for (int64_t d : ArrayRef(group).drop_front()) {
        linear = arith::MulIOp::create(s.b, linear, dims[d]);
        linear = arith::AddIOp::create(s.b, linear, at[d]);
      }
      from.push_back(linear);
    }
    return s.widen(tensor::ExtractOp::create(s.b, tensor.value, from),
                   tensor.kind);
  };
  return fromIndices(shape, tensor.kind, body);
}

Lowered NodeLowering::reshape(const Lowered &tensor, ArrayRef<Extent> shape) {
  if (ArrayRef<Extent>(tensor.shape) == shape)
    return tensor;
  auto isZero = [](const Extent &extent) { return extent.is(0); };
  if (llvm::any_of(shape, isZero))
    return empty(shape, tensor.kind);
  auto groups = groupDimensions(tensor.shape, shape, shapes.symbols());
  if (!groups) {
    // A single group always fits: all elements in a row.
    groups.emplace();
    groups->emplace_back();
    llvm::append_range(groups->back().source,
                       llvm::seq<int64_t>(0, tensor.rank()));
    llvm::append_range(groups->back().target,
                       llvm::seq<int64_t>(0, shape.size()));
  }
  SmallVector<ReassociationIndices> collapse, expand;
  Extents middle;
  bool collapses = false, expands = false;
  for (const ReshapeGroup &group : *groups) {
    collapse.push_back(group.source);
    expand.push_back(group.target);
    collapses |= group.source.size() > 1;
    expands |= group.target.size() > 1;
    if (group.target.size() == 1) {
      middle.push_back(shape[group.target[0]]);
    } else if (group.source.size() == 1) {
      middle.push_back(tensor.shape[group.source[0]]);
    } else {
      Extent product(1);
      bool known = true;
      for (int64_t d : group.source) {
        known &= tensor.shape[d].isConstant();
        product *= tensor.shape[d].constant;
      }
      // Only the type needs it: a `?` of unknown expression.
      middle.push_back(known ? product : Extent::symbol("?"));
    }
  }
  collapses |= groups->empty() && tensor.rank() > 0;
  expands |= groups->empty() && !shape.empty();
  Value value = tensor.value;
  if (collapses)
    value = tensor::CollapseShapeOp::create(b, typeOf(middle, tensor.kind),
                                            value, collapse);
  bool ambiguous = llvm::any_of(expand, [&](const ReassociationIndices &group) {
    return llvm::count_if(
               group, [&](int64_t d) { return !shape[d].isConstant(); }) > 1;
  });
  if (ambiguous)
    return splitByIndex({value, middle, tensor.kind}, shape, expand);
  if (expands)
    value = tensor::ExpandShapeOp::create(b, typeOf(shape, tensor.kind), value,
                                          expand, sizes(shape));
  RankedTensorType type = typeOf(shape, tensor.kind);
  if (value.getType() != type)
    value = tensor::CastOp::create(b, type, value);
  return {value, Extents(shape), tensor.kind};
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

ElementKind accumulatorKind(ElementKind kind) {
  return kind == ElementKind::F16 || kind == ElementKind::BF16
             ? ElementKind::F32
             : kind;
}

Extents NodeLowering::kept(ArrayRef<Extent> shape, ArrayRef<int64_t> axes) {
  Extents result(shape);
  for (int64_t axis : axes)
    result[axis] = Extent(1);
  return result;
}

Lowered NodeLowering::reduce(const Lowered &tensor, ArrayRef<int64_t> axes,
                             double start, Body step) {
  if (axes.empty())
    return elementwise({tensor}, tensor.shape, accumulatorKind(tensor.kind),
                       [&](Scalars &s, ValueRange v) {
                         return step(s, {v[0], s.constant(start)});
                       });
  Loops loops = broadcastLoops({tensor}, tensor.shape);
  Extents shape;
  SmallVector<AffineExpr> exprs;
  for (int64_t d = 0; d < tensor.rank(); ++d) {
    if (llvm::is_contained(axes, d)) {
      loops.iterators[d] = utils::IteratorType::reduction;
      continue;
    }
    shape.push_back(tensor.shape[d]);
    exprs.push_back(b.getAffineDimExpr(d));
  }
  loops.outputMap = AffineMap::get(tensor.rank(), 0, exprs, b.getContext());
  return generic({tensor}, loops,
                 filled(shape, accumulatorKind(tensor.kind), start), step);
}

} // namespace lq::general
