//===- Shape.cpp - Lowerings of operators that make or change shapes ------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/raise/eval/Initializers.h"
#include "passes/raise/general/NodeLowering.h"

using namespace mlir;

namespace lq::general {
namespace {

LogicalResult identity(NodeLowering &l) {
  l.set(0, l.in(0).value);
  return success();
}

/// Reshape, Flatten, Squeeze, Unsqueeze: the fitted shape of the result says
/// it all.
LogicalResult reshape(NodeLowering &l) {
  l.set(0, l.reshape(l.in(0), l.out().shape).value);
  return success();
}

LogicalResult dropout(NodeLowering &l) {
  l.set(0, l.in(0).value);
  if (l.results.size() > 1 && l.out(1).kind == ElementKind::Bool)
    l.set(1, l.filled(l.out(1).shape, ElementKind::Bool, 1).value);
  return success();
}

LogicalResult expand(NodeLowering &l) {
  l.set(0, l.elementwise({l.in(0)}, l.out().shape, l.out().kind,
                         [](Scalars &, ValueRange v) { return v[0]; })
               .value);
  return success();
}

LogicalResult constantOfShape(NodeLowering &l) {
  HostTensor value = HostTensor::withData(ElementKind::F32, {1});
  if (auto given = tensorAttribute(l.node, "value", l.shapes.weightFiles(), 1))
    value = std::move(*given);
  if (!value.hasData || value.size() != 1)
    return l.fail("expected a value of one element");
  auto attribute = value.toAttribute(l.b.getContext());
  Value scalar = arith::ConstantOp::create(
      l.b, cast<TypedAttr>(*attribute.value_begin<Attribute>()));
  l.set(0, l.filled(l.out().shape, l.out().kind, scalar).value);
  return success();
}

/// start + i * delta.
LogicalResult range(NodeLowering &l) {
  auto scalar = [&](unsigned i) { return l.reshape(l.in(i), {}); };
  SmallVector<Lowered> inputs{scalar(0), scalar(2)};
  ElementKind kind = l.out().kind;
  l.set(
      0,
      l.elementwise(inputs, l.out().shape, kind, [&](Scalars &s, ValueRange v) {
         Value i = linalg::IndexOp::create(s.b, 0);
         return s.add(v[0], s.mul(s.fromIndex(i, kind), v[1]));
       }).value);
  return success();
}

LogicalResult eyeLike(NodeLowering &l) {
  int64_t k = l.node.getInt("k", 0);
  ElementKind kind = l.out().kind;
  l.set(0, l.fromIndices(l.out().shape, kind, [&](Scalars &s, ValueRange i) {
              Value offset = arith::ConstantIndexOp::create(s.b, k);
              Value diagonal = arith::AddIOp::create(s.b, i[0], offset);
              Value on = s.compare(Order::Equal, diagonal, i[1]);
              return s.select(on, s.constant(kind, 1), s.constant(kind, 0));
            }).value);
  return success();
}

/// Shape and Size, where the dimensions do not fit contents that are known.
LogicalResult shapeOf(NodeLowering &l) {
  SmallVector<Value> values;
  Scalars s(l.b, l.b.getLoc(), ElementKind::I64);
  if (l.node.is("Size")) {
    values.push_back(s.fromIndex(l.count(l.in(0).shape), ElementKind::I64));
  } else {
    int64_t rank = l.in(0).rank();
    auto bound = [&](StringRef name, int64_t otherwise) {
      int64_t at = l.node.getInt(name, otherwise);
      return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
    };
    for (int64_t d = bound("start", 0); d < bound("end", rank); ++d)
      values.push_back(
          s.fromIndex(l.index(l.in(0).shape[d]), ElementKind::I64));
  }
  l.set(0, tensor::FromElementsOp::create(
               l.b, l.typeOf(l.out().shape, l.out().kind), values));
  return success();
}

} // namespace

void addShapeLowerings(LoweringTable &table) {
  table["Identity"] = identity;
  table["Reshape"] = reshape;
  table["Flatten"] = reshape;
  table["Squeeze"] = reshape;
  table["Unsqueeze"] = reshape;
  table["Dropout"] = dropout;
  table["Expand"] = expand;
  table["ConstantOfShape"] = constantOfShape;
  table["Range"] = {range, 3};
  table["EyeLike"] = eyeLike;
  table["Shape"] = shapeOf;
  table["Size"] = shapeOf;
}

} // namespace lq::general
