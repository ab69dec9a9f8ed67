//===- Indexing.cpp - Lowerings of operators that read by index -----------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/raise/general/NodeLowering.h"

using namespace mlir;

namespace lq::general {
namespace {

/// An index of a dimension of size `dim`, counted from the end if it is
/// negative. ONNX leaves other indices undefined; a compiled model must not
/// read outside its buffers, so they are clamped.
Value wrapIndex(Scalars &s, Value raw, Value dim) {
  Value zero = arith::ConstantIndexOp::create(s.b, 0);
  Value one = arith::ConstantIndexOp::create(s.b, 1);
  Value i = s.toIndex(raw);
  if (!s.isUnsigned()) {
    Value isNegative = s.compare(Order::Less, i, zero);
    i = s.select(isNegative, arith::AddIOp::create(s.b, i, dim), i);
  }
  i = arith::MaxSIOp::create(s.b, i, zero);
  return arith::MinSIOp::create(s.b, i, arith::SubIOp::create(s.b, dim, one));
}

Value loopIndex(Scalars &s, int64_t d) {
  return linalg::IndexOp::create(s.b, d);
}

/// One row of `x` at an index that is known: a view.
LogicalResult gatherOne(NodeLowering &l, int64_t axis, Extent at) {
  const Lowered &x = l.in(0);
  if (at.isConstant() && at.constant < 0)
    at += x.shape[axis];
  SmallVector<OpFoldResult> offsets(x.rank(), l.b.getIndexAttr(0));
  offsets[axis] = l.sizes({at})[0];
  Extents row = x.shape;
  row[axis] = Extent(1);
  l.set(0, l.reshape(l.slice(x, offsets, row), l.out().shape).value);
  return success();
}

LogicalResult gather(NodeLowering &l) {
  const Lowered &x = l.in(0), &indices = l.in(1);
  auto axis = l.axis(l.node.getInt("axis", 0), x.rank());
  if (!axis)
    return l.fail("axis out of range");
  std::optional<Extents> known;
  if (l.extents(1, "", known) && known && known->size() == 1 &&
      (*known)[0].isConstant())
    return gatherOne(l, *axis, (*known)[0]);
  Loops loops = l.broadcastLoops({}, l.out().shape);
  SmallVector<AffineExpr> exprs;
  for (int64_t d = 0; d < indices.rank(); ++d)
    exprs.push_back(l.b.getAffineDimExpr(*axis + d));
  loops.inputMaps = {
      AffineMap::get(l.out().rank(), 0, exprs, l.b.getContext())};
  Value dim = l.index(x.shape[*axis]);
  auto body = [&](Scalars &s, ValueRange v) {
    SmallVector<Value> from;
    for (int64_t d = 0; d < x.rank(); ++d)
      from.push_back(d < *axis    ? loopIndex(s, d)
                     : d == *axis ? wrapIndex(s, v[0], dim)
                                  : loopIndex(s, d + indices.rank() - 1));
    return s.widen(tensor::ExtractOp::create(s.b, x.value, from), x.kind);
  };
  l.set(
      0,
      l.generic({indices}, loops, l.empty(l.out().shape, x.kind), body).value);
  return success();
}

LogicalResult gatherElements(NodeLowering &l) {
  const Lowered &x = l.in(0), &indices = l.in(1);
  auto axis = l.axis(l.node.getInt("axis", 0), x.rank());
  if (!axis)
    return l.fail("axis out of range");
  Value dim = l.index(x.shape[*axis]);
  auto body = [&](Scalars &s, ValueRange v) {
    SmallVector<Value> from;
    for (int64_t d = 0; d < x.rank(); ++d)
      from.push_back(d == *axis ? wrapIndex(s, v[0], dim) : loopIndex(s, d));
    return s.widen(tensor::ExtractOp::create(s.b, x.value, from), x.kind);
  };
  l.set(0, l.elementwise({indices}, l.out().shape, x.kind, body).value);
  return success();
}

LogicalResult gatherNd(NodeLowering &l) {
  const Lowered &x = l.in(0), &indices = l.in(1);
  int64_t batch = l.node.getInt("batch_dims", 0);
  const Extent &last = indices.shape.back();
  if (!last.isConstant())
    return l.fail("expected a fixed number of coordinates");
  int64_t width = last.constant, lead = indices.rank() - 1;
  SmallVector<Value> dims;
  for (const Extent &extent : x.shape)
    dims.push_back(l.index(extent));
  auto body = [&](Scalars &s, ValueRange out) {
    Scalars reader(s.b, s.b.getLoc(), indices.kind);
    SmallVector<Value> row(out.take_front(lead)), from;
    for (int64_t d = 0; d < x.rank(); ++d) {
      if (d < batch) {
        from.push_back(out[d]);
      } else if (d < batch + width) {
        row.push_back(arith::ConstantIndexOp::create(s.b, d - batch));
        Value raw = tensor::ExtractOp::create(s.b, indices.value, row);
        from.push_back(wrapIndex(reader, raw, dims[d]));
        row.pop_back();
      } else {
        from.push_back(out[lead + d - batch - width]);
      }
    }
    return s.widen(tensor::ExtractOp::create(s.b, x.value, from), x.kind);
  };
  l.set(0, l.fromIndices(l.out().shape, x.kind, body).value);
  return success();
}

/// out[.., i, ..] = values[index == i].
LogicalResult oneHot(NodeLowering &l) {
  const Lowered &indices = l.in(0), &values = l.in(2);
  auto axis = l.axis(l.node.getInt("axis", -1), indices.rank() + 1);
  if (!axis)
    return l.fail("axis out of range");
  Lowered whole =
      isFloat(indices.kind) ? l.cast(indices, ElementKind::I64) : indices;
  Loops loops = l.broadcastLoops({}, l.out().shape);
  SmallVector<AffineExpr> exprs;
  for (int64_t d = 0; d < indices.rank(); ++d)
    exprs.push_back(l.b.getAffineDimExpr(d < *axis ? d : d + 1));
  loops.inputMaps = {
      AffineMap::get(l.out().rank(), 0, exprs, l.b.getContext())};
  Value depth = l.index(l.out().shape[*axis]);
  Value off = l.element(values, {l.index(0)});
  Value on = l.element(values, {l.index(1)});
  auto body = [&](Scalars &s, ValueRange v) {
    Value at = s.toIndex(v[0]);
    Value zero = arith::ConstantIndexOp::create(s.b, 0);
    Value isNegative = s.compare(Order::Less, at, zero);
    at = s.select(isNegative, arith::AddIOp::create(s.b, at, depth), at);
    Value hot = s.compare(Order::Equal, at, loopIndex(s, *axis));
    return s.widen(s.select(hot, on, off), values.kind);
  };
  l.set(0, l.generic({whole}, loops, l.empty(l.out().shape, values.kind), body)
               .value);
  return success();
}

/// A cache with new rows written from the position that is given for each
/// batch: read backwards, row t is new if t - start is one of the update's.
LogicalResult tensorScatter(NodeLowering &l) {
  const Lowered &past = l.in(0), &update = l.in(1);
  auto axis = l.axis(l.node.getInt("axis", -2), past.rank());
  if (!axis || *axis == 0)
    return l.fail("axis out of range");
  bool circular = l.node.getString("mode", "linear") == "circular";
  Value length = l.index(past.shape[*axis]);
  Value rows = l.index(update.shape[*axis]);
  auto body = [&](Scalars &s, ValueRange v) {
    Value zero = arith::ConstantIndexOp::create(s.b, 0);
    Value start = zero;
    if (l.has(2)) {
      Scalars reader(s.b, s.b.getLoc(), l.in(2).kind);
      Value raw = tensor::ExtractOp::create(s.b, l.in(2).value,
                                            ValueRange{loopIndex(s, 0)});
      start = reader.toIndex(raw);
    }
    Value row = arith::SubIOp::create(s.b, loopIndex(s, *axis), start);
    if (circular) {
      row = arith::RemSIOp::create(s.b, row, length);
      Value isNegative = s.compare(Order::Less, row, zero);
      row = s.select(isNegative, arith::AddIOp::create(s.b, row, length), row);
    }
    Value isNew =
        arith::AndIOp::create(s.b, s.compare(Order::GreaterOrEqual, row, zero),
                              s.compare(Order::Less, row, rows));
    SmallVector<Value> from;
    for (int64_t d = 0; d < past.rank(); ++d)
      from.push_back(d == *axis ? s.select(isNew, row, zero) : loopIndex(s, d));
    Value fresh = s.widen(tensor::ExtractOp::create(s.b, update.value, from),
                          update.kind);
    return s.select(isNew, fresh, v[0]);
  };
  l.set(0, l.elementwise({past}, past.shape, past.kind, body).value);
  return success();
}

} // namespace

void addIndexingLowerings(LoweringTable &table) {
  table["Gather"] = {gather, 2};
  table["GatherElements"] = {gatherElements, 2};
  table["GatherND"] = {gatherNd, 2};
  table["OneHot"] = {oneHot, 3};
  table["TensorScatter"] = {tensorScatter, 2};
}

} // namespace lq::general
