//===- Reduction.cpp - Lowerings of operators along axes ------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/raise/general/NodeLowering.h"
#include <cmath>

using namespace mlir;

namespace lq::general {
namespace {

/// The axes that a node reduces, from the front; nothing if they are not
/// constant or out of range.
std::optional<SmallVector<int64_t>> reducedAxes(NodeLowering &l) {
  std::optional<SmallVector<int64_t>> given;
  if (!l.integers(1, "axes", given))
    return std::nullopt;
  int64_t rank = l.in(0).rank();
  if (!given || given->empty()) {
    if (l.node.getInt("noop_with_empty_axes", 0))
      return SmallVector<int64_t>();
    return llvm::to_vector(llvm::seq<int64_t>(0, rank));
  }
  SmallVector<int64_t> axes;
  for (int64_t listed : *given) {
    auto axis = NodeLowering::axis(listed, rank);
    if (!axis)
      return std::nullopt;
    axes.push_back(*axis);
  }
  return axes;
}

/// How a reduction works: from `start`, step(accumulator, element) for each
/// element, then finish(accumulator, number of elements).
struct Reducer {
  double start = 0;
  Value (*step)(Scalars &s, Value sum, Value x);
  Value (*finish)(Scalars &s, Value sum, Value count) = nullptr;
};

Value addTo(Scalars &s, Value sum, Value x) { return s.add(sum, x); }
Value addSquare(Scalars &s, Value sum, Value x) {
  return s.add(sum, s.mul(x, x));
}

Lowered reduceBy(NodeLowering &l, const Lowered &x, ArrayRef<int64_t> axes,
                 const Reducer &how) {
  Lowered sums = l.reduce(x, axes, how.start, [&](Scalars &s, ValueRange v) {
    return how.step(s, v[1], v[0]);
  });
  if (!how.finish)
    return sums;
  Extents reduced;
  for (int64_t axis : axes)
    reduced.push_back(x.shape[axis]);
  Value count = l.count(reduced);
  return l.elementwise(
      {sums}, sums.shape, sums.kind, [&](Scalars &s, ValueRange v) {
        return how.finish(s, v[0], s.fromIndex(count, sums.kind));
      });
}

/// Narrows an accumulated tensor to the result's kind and gives it its shape.
LogicalResult finish(NodeLowering &l, const Lowered &sums) {
  l.set(0, l.reshape(l.cast(sums, l.out().kind), l.out().shape).value);
  return success();
}

template <auto Make> LogicalResult reduction(NodeLowering &l) {
  auto axes = reducedAxes(l);
  if (!axes)
    return l.fail("expected constant axes");
  return finish(l, reduceBy(l, l.in(0), *axes, Make(l.in(0).kind)));
}

/// The least and the greatest number of a kind.
double lowest(ElementKind kind) {
  if (isFloat(kind))
    return -INFINITY;
  return isUnsigned(kind) ? 0 : -std::ldexp(1.0, 8 * byteWidth(kind) - 1);
}
double highest(ElementKind kind) {
  if (isFloat(kind))
    return INFINITY;
  if (kind == ElementKind::Bool)
    return 1;
  int bits = 8 * byteWidth(kind) - (isUnsigned(kind) ? 0 : 1);
  return std::ldexp(1.0, bits) - 1;
}

Lowered reduceMax(NodeLowering &l, const Lowered &x, ArrayRef<int64_t> axes) {
  return reduceBy(l, x, axes,
                  {lowest(x.kind),
                   [](Scalars &s, Value m, Value v) { return s.max(m, v); }});
}

/// x - max along the axes, in the accumulator's kind.
Lowered subtractMax(NodeLowering &l, const Lowered &x, ArrayRef<int64_t> axes) {
  Lowered peaks = l.reshape(reduceMax(l, x, axes), l.kept(x.shape, axes));
  return l.elementwise(
      {x, peaks}, x.shape, accumulatorKind(x.kind),
      [](Scalars &s, ValueRange v) { return s.sub(v[0], v[1]); });
}

Lowered exponentials(NodeLowering &l, const Lowered &x) {
  return l.elementwise({x}, x.shape, x.kind,
                       [](Scalars &s, ValueRange v) { return s.exp(v[0]); });
}

LogicalResult reduceLogSumExp(NodeLowering &l) {
  auto axes = reducedAxes(l);
  const Lowered &x = l.in(0);
  if (!axes || !isFloat(x.kind))
    return l.fail("expected constant axes and floating-point elements");
  Lowered peaks = reduceMax(l, x, *axes);
  Lowered sums =
      reduceBy(l, exponentials(l, subtractMax(l, x, *axes)), *axes, {0, addTo});
  return finish(l, l.elementwise({sums, peaks}, sums.shape, sums.kind,
                                 [](Scalars &s, ValueRange v) {
                                   return s.add(s.log(v[0]), v[1]);
                                 }));
}

/// Softmax and LogSoftmax over the axis; before opset 13 over all dimensions
/// from the axis on.
template <bool Log> LogicalResult softmax(NodeLowering &l) {
  const Lowered &x = l.in(0);
  bool matrix = l.opset < 13;
  auto axis = l.axis(l.node.getInt("axis", matrix ? 1 : -1), x.rank());
  if (!axis || !isFloat(x.kind))
    return l.fail("expected floating-point elements and an axis in range");
  SmallVector<int64_t> axes{*axis};
  if (matrix)
    axes = llvm::to_vector(llvm::seq<int64_t>(*axis, x.rank()));
  Lowered shifted = subtractMax(l, x, axes);
  Lowered powers = exponentials(l, shifted);
  Lowered sums =
      l.reshape(reduceBy(l, powers, axes, {0, addTo}), l.kept(x.shape, axes));
  l.set(0, l.elementwise({Log ? shifted : powers, sums}, x.shape, x.kind,
                         [](Scalars &s, ValueRange v) {
                           return Log ? s.sub(v[0], s.log(v[1]))
                                      : s.div(v[0], v[1]);
                         })
               .value);
  return success();
}

/// The loops of a reduction over one axis with two results.
linalg::GenericOp reducePair(NodeLowering &l, const Lowered &x, int64_t axis,
                             const Lowered &best, const Lowered &place,
                             bool largest, bool last) {
  SmallVector<AffineExpr> exprs;
  SmallVector<utils::IteratorType> iterators(x.rank(),
                                             utils::IteratorType::parallel);
  for (int64_t d = 0; d < x.rank(); ++d)
    if (d != axis)
      exprs.push_back(l.b.getAffineDimExpr(d));
  iterators[axis] = utils::IteratorType::reduction;
  AffineMap out = AffineMap::get(x.rank(), 0, exprs, l.b.getContext());
  SmallVector<AffineMap> maps{l.b.getMultiDimIdentityMap(x.rank()), out, out};
  auto body = [&](OpBuilder &builder, Location loc, ValueRange v) {
    Scalars s(builder, loc, x.kind);
    Value element = s.widen(v[0], x.kind), peak = s.widen(v[1], x.kind);
    Order order = largest ? (last ? Order::GreaterOrEqual : Order::Greater)
                          : (last ? Order::LessOrEqual : Order::Less);
    Value better = s.compare(order, element, peak);
    Value index = linalg::IndexOp::create(s.b, axis);
    Value here = s.fromIndex(index, ElementKind::I64);
    linalg::YieldOp::create(
        builder, loc,
        ValueRange{s.select(better, v[0], v[1]), s.select(better, here, v[2])});
  };
  return linalg::GenericOp::create(
      l.b, TypeRange{best.value.getType(), place.value.getType()}, x.value,
      ValueRange{best.value, place.value}, maps, iterators, body);
}

template <bool Largest> LogicalResult argExtreme(NodeLowering &l) {
  const Lowered &x = l.in(0);
  auto axis = l.axis(l.node.getInt("axis", 0), x.rank());
  if (!axis)
    return l.fail("axis out of range");
  Extents shape = x.shape;
  shape.erase(shape.begin() + *axis);
  Lowered best =
      l.filled(shape, x.kind, Largest ? lowest(x.kind) : highest(x.kind));
  Lowered place = l.filled(shape, ElementKind::I64, 0.0);
  place.value = reducePair(l, x, *axis, best, place, Largest,
                           l.node.getInt("select_last_index", 0) != 0)
                    .getResult(1);
  l.set(0, l.reshape(place, l.out().shape).value);
  return success();
}

/// Running sums: each element sums those that are not after it. Quadratic in
/// the length, but parallel, and models use it on a row of positions.
template <bool Product> LogicalResult cumulative(NodeLowering &l) {
  const Lowered &x = l.in(0);
  std::optional<SmallVector<int64_t>> given;
  if (!l.integers(1, "", given) || !given || given->size() != 1)
    return l.fail("expected a constant axis");
  auto axis = l.axis((*given)[0], x.rank());
  if (!axis)
    return l.fail("axis out of range");
  bool exclusive = l.node.getInt("exclusive", 0) != 0;
  bool reverse = l.node.getInt("reverse", 0) != 0;
  // Loops: the result's dimensions, then the summed position.
  int64_t rank = x.rank();
  SmallVector<AffineExpr> from;
  for (int64_t d = 0; d < rank; ++d)
    from.push_back(l.b.getAffineDimExpr(d == *axis ? rank : d));
  Loops loops;
  loops.inputMaps = {AffineMap::get(rank + 1, 0, from, l.b.getContext())};
  loops.outputMap =
      AffineMap::getMultiDimIdentityMap(rank + 1, l.b.getContext())
          .getMajorSubMap(rank);
  loops.iterators.assign(rank, utils::IteratorType::parallel);
  loops.iterators.push_back(utils::IteratorType::reduction);
  Order order = reverse ? (exclusive ? Order::Greater : Order::GreaterOrEqual)
                        : (exclusive ? Order::Less : Order::LessOrEqual);
  ElementKind kind = accumulatorKind(x.kind);
  Lowered sums =
      l.generic({x}, loops, l.filled(x.shape, kind, Product ? 1.0 : 0.0),
                [&](Scalars &s, ValueRange v) {
                  Value at = linalg::IndexOp::create(s.b, rank);
                  Value here = linalg::IndexOp::create(s.b, *axis);
                  Value next = Product ? s.mul(v[1], v[0]) : s.add(v[1], v[0]);
                  return s.select(s.compare(order, at, here), next, v[1]);
                });
  l.set(0, l.cast(sums, x.kind).value);
  return success();
}

void addReductions(LoweringTable &table) {
  table["ReduceSum"] = reduction<[](ElementKind) { return Reducer{0, addTo}; }>;
  table["ReduceMean"] = reduction<[](ElementKind) {
    return Reducer{0, addTo, [](Scalars &s, Value sum, Value count) {
                     return s.div(sum, count);
                   }};
  }>;
  table["ReduceProd"] = reduction<[](ElementKind) {
    return Reducer{1, [](Scalars &s, Value product, Value x) {
                     return s.mul(product, x);
                   }};
  }>;
  table["ReduceMax"] = reduction<[](ElementKind kind) {
    return Reducer{lowest(kind),
                   [](Scalars &s, Value m, Value x) { return s.max(m, x); }};
  }>;
  table["ReduceMin"] = reduction<[](ElementKind kind) {
    return Reducer{highest(kind),
                   [](Scalars &s, Value m, Value x) { return s.min(m, x); }};
  }>;
  table["ReduceL1"] = reduction<[](ElementKind) {
    return Reducer{0, [](Scalars &s, Value sum, Value x) {
                     return s.add(sum, s.isFloat()
                                           ? Value(math::AbsFOp::create(s.b, x))
                                           : math::AbsIOp::create(s.b, x));
                   }};
  }>;
  table["ReduceSumSquare"] =
      reduction<[](ElementKind) { return Reducer{0, addSquare}; }>;
  table["ReduceL2"] = reduction<[](ElementKind) {
    return Reducer{0, addSquare, [](Scalars &s, Value sum, Value) -> Value {
                     if (s.isFloat())
                       return s.sqrt(sum);
                     Value wide = s.cast(sum, s.kind, ElementKind::F64);
                     return s.cast(s.sqrt(wide), ElementKind::F64, s.kind);
                   }};
  }>;
  table["ReduceLogSum"] = reduction<[](ElementKind) {
    return Reducer{0, addTo, [](Scalars &s, Value sum, Value) -> Value {
                     if (s.isFloat())
                       return s.log(sum);
                     Value wide = s.cast(sum, s.kind, ElementKind::F64);
                     return s.cast(s.log(wide), ElementKind::F64, s.kind);
                   }};
  }>;
  table["ReduceLogSumExp"] = reduceLogSumExp;
}

} // namespace

void addReductionLowerings(LoweringTable &table) {
  addReductions(table);
  table["Softmax"] = softmax<false>;
  table["LogSoftmax"] = softmax<true>;
  table["ArgMax"] = argExtreme<true>;
  table["ArgMin"] = argExtreme<false>;
  table["CumSum"] = {cumulative<false>, 2};
  table["CumProd"] = {cumulative<true>, 2};
}

} // namespace lq::general
