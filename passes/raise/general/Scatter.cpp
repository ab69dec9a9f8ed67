//===- Scatter.cpp - Lowerings of operators that write by index -----------===//
//
// Threads must not race for one element of the result, so an element looks for
// the updates that name it, and not the other way round.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/raise/general/NodeLowering.h"

using namespace mlir;

namespace lq::general {
namespace {

/// What the attribute `reduction` makes of an element and its update.
Value combine(Scalars &s, StringRef reduction, Value old, Value update) {
  if (reduction == "add")
    return s.add(old, update);
  if (reduction == "mul")
    return s.mul(old, update);
  if (reduction == "max")
    return s.max(old, update);
  if (reduction == "min")
    return s.min(old, update);
  return update;
}

/// An index that may count from the end of a dimension.
Value fromFront(Scalars &s, Value raw, ElementKind kind, Value dim) {
  Scalars reader(s.b, s.b.getLoc(), kind);
  Value i = reader.toIndex(raw);
  Value zero = arith::ConstantIndexOp::create(s.b, 0);
  Value isNegative = s.compare(Order::Less, i, zero);
  return s.select(isNegative, arith::AddIOp::create(s.b, i, dim), i);
}

/// Whether each row of coordinates is its own position: exporters write an
/// assignment to a block, x[:s, :t] = y, with all its coordinates.
bool isBlock(const HostTensor &indices) {
  int64_t width = indices.rank() - 1;
  if (indices.isFloat() || indices.shape.back() != width)
    return false;
  SmallVector<int64_t> strides = stridesOf(indices.shape);
  for (int64_t i = 0, n = indices.size(); i < n; ++i) {
    int64_t d = i % width;
    if (indices.ints[i] != i / strides[d] % indices.shape[d])
      return false;
  }
  return true;
}

/// The loops of a scatter: over the result, then over updates.
Loops scatterLoops(NodeLowering &l, int64_t rank,
                   ArrayRef<AffineExpr> indexExprs) {
  Loops loops;
  MLIRContext *context = l.b.getContext();
  loops.inputMaps = {AffineMap::get(rank + 1, 0, indexExprs, context)};
  loops.outputMap =
      AffineMap::getMultiDimIdentityMap(rank + 1, context).getMajorSubMap(rank);
  loops.iterators.assign(rank, utils::IteratorType::parallel);
  loops.iterators.push_back(utils::IteratorType::reduction);
  return loops;
}

/// A copy of x that the loops may update.
Lowered startFrom(NodeLowering &l, const Lowered &x) {
  return l.elementwise({x}, x.shape, x.kind,
                       [](Scalars &, ValueRange v) { return v[0]; });
}

LogicalResult scatterNd(NodeLowering &l) {
  const Lowered &x = l.in(0), &indices = l.in(1), &updates = l.in(2);
  StringRef reduction = l.node.getString("reduction", "none");
  if (indices.rank() < 1 || !indices.shape.back().isConstant())
    return l.fail("expected a fixed number of coordinates");
  int64_t width = indices.shape.back().constant;
  if (width < 1 || width > x.rank())
    return l.fail("expected coordinates of the operand's dimensions");
  if (reduction == "none" &&
      l.shapes.allKnown(l.node.getInputs()[1], isBlock)) {
    SmallVector<OpFoldResult> zeros(x.rank(), l.b.getIndexAttr(0));
    l.set(0, l.insert(updates, x, zeros).value);
    return success();
  }
  // [rows, width] and [rows, rest]: rows are the loop behind the result's.
  ArrayRef<Extent> lead = ArrayRef(indices.shape).drop_back();
  Extent rows(1);
  for (const Extent &extent : lead) {
    if (!extent.isConstant() && !rows.is(1))
      return l.fail("expected rows of coordinates with one open dimension");
    rows =
        extent.isConstant() ? rows * extent.constant : extent * rows.constant;
  }
  Lowered table = l.reshape(indices, {rows, width});
  Extents flat{rows};
  llvm::append_range(flat, ArrayRef(x.shape).drop_front(width));
  Lowered values = l.reshape(updates, flat);
  SmallVector<Value> dims;
  for (int64_t d = 0; d < width; ++d)
    dims.push_back(l.index(x.shape[d]));
  Loops loops = scatterLoops(
      l, x.rank(),
      {l.b.getAffineDimExpr(x.rank()), l.b.getAffineConstantExpr(0)});
  auto body = [&](Scalars &outer, ValueRange v) {
    Scalars s(outer.b, outer.b.getLoc(), x.kind);
    Value row = linalg::IndexOp::create(s.b, x.rank()), hit = s.truth(true);
    SmallVector<Value> from{row};
    for (int64_t d = 0; d < x.rank(); ++d) {
      Value here = linalg::IndexOp::create(s.b, d);
      if (d >= width) {
        from.push_back(here);
        continue;
      }
      Value column = arith::ConstantIndexOp::create(s.b, d);
      Value raw =
          tensor::ExtractOp::create(s.b, table.value, ValueRange{row, column});
      Value at = fromFront(s, raw, indices.kind, dims[d]);
      hit = arith::AndIOp::create(s.b, hit, s.compare(Order::Equal, at, here));
    }
    Value update =
        s.widen(tensor::ExtractOp::create(s.b, values.value, from), x.kind);
    return s.select(hit, combine(s, reduction, v.back(), update), v.back());
  };
  l.set(0, l.generic({table}, loops, startFrom(l, x), body).value);
  return success();
}

LogicalResult scatterElements(NodeLowering &l) {
  const Lowered &x = l.in(0), &indices = l.in(1), &updates = l.in(2);
  StringRef reduction = l.node.getString("reduction", "none");
  auto axis = l.axis(l.node.getInt("axis", 0), x.rank());
  if (!axis)
    return l.fail("axis out of range");
  // The indices need not be as wide as the operand: rows outside have none.
  SmallVector<Value> bounds;
  SmallVector<AffineExpr> exprs;
  for (int64_t d = 0; d < x.rank(); ++d) {
    bounds.push_back(l.index(indices.shape[d]));
    exprs.push_back(d == *axis ? l.b.getAffineDimExpr(x.rank())
                               : l.b.getAffineConstantExpr(0));
  }
  Value dim = l.index(x.shape[*axis]);
  auto body = [&](Scalars &outer, ValueRange v) {
    Scalars s(outer.b, outer.b.getLoc(), x.kind);
    Value zero = arith::ConstantIndexOp::create(s.b, 0);
    Value hit = s.truth(true), here;
    SmallVector<Value> at;
    for (int64_t d = 0; d < x.rank(); ++d) {
      Value i = linalg::IndexOp::create(s.b, d);
      if (d == *axis) {
        here = i;
        at.push_back(linalg::IndexOp::create(s.b, x.rank()));
        continue;
      }
      Value inside = s.compare(Order::Less, i, bounds[d]);
      hit = arith::AndIOp::create(s.b, hit, inside);
      at.push_back(s.select(inside, i, zero));
    }
    Value raw = tensor::ExtractOp::create(s.b, indices.value, at);
    Value target = fromFront(s, raw, indices.kind, dim);
    hit =
        arith::AndIOp::create(s.b, hit, s.compare(Order::Equal, target, here));
    Value update =
        s.widen(tensor::ExtractOp::create(s.b, updates.value, at), x.kind);
    return s.select(hit, combine(s, reduction, v.back(), update), v.back());
  };
  l.set(0, l.generic({indices}, scatterLoops(l, x.rank(), exprs),
                     startFrom(l, x), body)
               .value);
  return success();
}

} // namespace

void addScatterLowerings(LoweringTable &table) {
  table["ScatterND"] = {scatterNd, 3};
  table["ScatterElements"] = {scatterElements, 3};
  table["Scatter"] = {scatterElements, 3};
}

} // namespace lq::general
