//===- Normalization.cpp - Lowerings of normalizations --------------------===//

#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/raise/general/NodeLowering.h"

using namespace mlir;

namespace lq::general {
namespace {

/// The statistics of some dimensions of a tensor, kept as 1: the mean (null
/// if it is not subtracted) and 1 / sqrt(variance + epsilon).
struct Statistics {
  Lowered mean, inverse;
};

Lowered meanOver(NodeLowering &l, const Lowered &x, ArrayRef<int64_t> axes,
                 bool squared) {
  Lowered sums = l.reduce(x, axes, 0, [&](Scalars &s, ValueRange v) {
    return s.add(v[1], squared ? s.mul(v[0], v[0]) : v[0]);
  });
  Extents reduced;
  for (int64_t axis : axes)
    reduced.push_back(x.shape[axis]);
  Value count = l.count(reduced);
  Lowered mean = l.elementwise(
      {sums}, sums.shape, sums.kind, [&](Scalars &s, ValueRange v) {
        return s.div(v[0], s.fromIndex(count, sums.kind));
      });
  return l.reshape(mean, l.kept(x.shape, axes));
}

Statistics statisticsOf(NodeLowering &l, Lowered x, ArrayRef<int64_t> axes,
                        bool centred, double epsilon) {
  Statistics result;
  if (centred) {
    result.mean = meanOver(l, x, axes, false);
    // Two passes: E[x^2] - E[x]^2 cancels.
    x = l.elementwise(
        {x, result.mean}, x.shape, accumulatorKind(x.kind),
        [](Scalars &s, ValueRange v) { return s.sub(v[0], v[1]); });
  }
  Lowered variance = meanOver(l, x, axes, true);
  result.inverse = l.elementwise(
      {variance}, variance.shape, variance.kind,
      [&](Scalars &s, ValueRange v) -> Value {
        return s.div(s.constant(1), s.sqrt(s.add(v[0], s.constant(epsilon))));
      });
  return result;
}

/// (x - mean) * inverse * gamma + beta; what is null is left out.
Lowered normalize(NodeLowering &l, const Lowered &x, const Statistics &with,
                  const Lowered &gamma, const Lowered &beta) {
  SmallVector<Lowered> inputs{x, with.inverse};
  for (const Lowered *optional : {&with.mean, &gamma, &beta})
    if (optional->value)
      inputs.push_back(*optional);
  return l.elementwise(inputs, x.shape, x.kind, [&](Scalars &s, ValueRange v) {
    Value y = v[0];
    unsigned next = 2;
    if (with.mean.value)
      y = s.sub(y, v[next++]);
    y = s.mul(y, v[1]);
    if (gamma.value)
      y = s.mul(y, v[next++]);
    if (beta.value)
      y = s.add(y, v[next++]);
    return y;
  });
}

Lowered operandOr(NodeLowering &l, unsigned i) {
  return l.has(i) ? l.in(i) : Lowered();
}

template <bool Centred> LogicalResult axisNormalization(NodeLowering &l) {
  const Lowered &x = l.in(0);
  auto axis = l.axis(l.node.getInt("axis", -1), x.rank());
  if (!axis || !isFloat(x.kind))
    return l.fail("expected floating-point elements and an axis in range");
  auto axes = llvm::to_vector(llvm::seq<int64_t>(*axis, x.rank()));
  Statistics statistics =
      statisticsOf(l, x, axes, Centred, l.node.getFloat("epsilon", 1e-5f));
  l.set(0, normalize(l, x, statistics, l.in(1),
                     Centred ? operandOr(l, 2) : Lowered())
               .value);
  for (auto [i, value] :
       {std::pair(1u, statistics.mean), std::pair(2u, statistics.inverse)})
    if (i < l.results.size() && value.value && isFloat(l.results[i].kind))
      l.set(i, l.cast(value, l.results[i].kind).value);
  return success();
}

/// com.microsoft: x + skip (+ bias), normalized over the last dimension; the
/// fourth result is the sum.
template <bool Centred> LogicalResult skipNormalization(NodeLowering &l) {
  const Lowered &x = l.in(0);
  unsigned bias = Centred ? 4 : 3;
  SmallVector<Lowered> addends{x, l.in(1)};
  if (l.has(bias))
    addends.push_back(l.in(bias));
  Lowered sum =
      l.elementwise(addends, x.shape, x.kind, [](Scalars &s, ValueRange v) {
        Value y = s.add(v[0], v[1]);
        return v.size() > 2 ? s.add(y, v[2]) : y;
      });
  Statistics statistics = statisticsOf(l, sum, {x.rank() - 1}, Centred,
                                       l.node.getFloat("epsilon", 1e-12f));
  l.set(0, normalize(l, sum, statistics, l.in(2),
                     Centred ? operandOr(l, 3) : Lowered())
               .value);
  if (l.results.size() > 3 && isFloat(l.results[3].kind))
    l.set(3, sum.value);
  return success();
}

/// A parameter of each channel [C], for a tensor [N, C, ...].
Lowered perChannel(NodeLowering &l, unsigned i, int64_t rank) {
  Extents shape(rank, Extent(1));
  shape[1] = l.in(0).shape[1];
  return l.reshape(l.in(i), shape);
}

LogicalResult batchNormalization(NodeLowering &l) {
  const Lowered &x = l.in(0);
  if (l.node.getInt("training_mode", 0))
    return l.fail("training has no lowering");
  double epsilon = l.node.getFloat("epsilon", 1e-5f);
  Statistics statistics;
  statistics.mean = perChannel(l, 3, x.rank());
  Lowered variance = perChannel(l, 4, x.rank());
  statistics.inverse = l.elementwise(
      {variance}, variance.shape, accumulatorKind(variance.kind),
      [&](Scalars &s, ValueRange v) {
        return s.div(s.constant(1), s.sqrt(s.add(v[0], s.constant(epsilon))));
      });
  l.set(0, normalize(l, x, statistics, perChannel(l, 1, x.rank()),
                     perChannel(l, 2, x.rank()))
               .value);
  return success();
}

/// Groups of channels are rows of a matrix; scale and bias are per channel.
LogicalResult normalizeGroups(NodeLowering &l, const Extent &groups) {
  const Lowered &x = l.in(0);
  if (!groups.isConstant() || groups.constant < 1 || !x.shape[1].isConstant() ||
      x.shape[1].constant % groups.constant)
    return l.fail("expected a fixed number of channels in groups");
  Extents shape{x.shape[0], groups, x.shape[1].constant / groups.constant};
  shape.append(x.shape.begin() + 2, x.shape.end());
  Lowered grouped = l.reshape(x, shape);
  auto axes = llvm::to_vector(llvm::seq<int64_t>(2, grouped.rank()));
  Statistics statistics =
      statisticsOf(l, grouped, axes, true, l.node.getFloat("epsilon", 1e-5f));
  Lowered plain = l.reshape(
      normalize(l, grouped, statistics, Lowered(), Lowered()), x.shape);
  l.set(0, l.elementwise(
                {plain, perChannel(l, 1, x.rank()), perChannel(l, 2, x.rank())},
                x.shape, x.kind,
                [](Scalars &s, ValueRange v) {
                  return s.add(s.mul(v[0], v[1]), v[2]);
                })
               .value);
  return success();
}

LogicalResult instanceNormalization(NodeLowering &l) {
  return normalizeGroups(l, l.in(0).shape[1]);
}

LogicalResult groupNormalization(NodeLowering &l) {
  return normalizeGroups(l, l.node.getInt("num_groups", 0));
}

LogicalResult lpNormalization(NodeLowering &l) {
  const Lowered &x = l.in(0);
  auto axis = l.axis(l.node.getInt("axis", -1), x.rank());
  if (!axis)
    return l.fail("axis out of range");
  bool first = l.node.getInt("p", 2) == 1;
  Lowered sums = l.reduce(x, {*axis}, 0, [&](Scalars &s, ValueRange v) {
    Value size =
        first ? Value(math::AbsFOp::create(s.b, v[0])) : s.mul(v[0], v[0]);
    return s.add(v[1], size);
  });
  sums = l.reshape(sums, l.kept(x.shape, {*axis}));
  l.set(
      0,
      l.elementwise({x, sums}, x.shape, x.kind, [&](Scalars &s, ValueRange v) {
         Value norm = first ? v[1] : s.sqrt(v[1]);
         Value isZero = s.compare(Order::Equal, norm, s.constant(0));
         return s.select(isZero, s.constant(0), s.div(v[0], norm));
       }).value);
  return success();
}

} // namespace

void addNormalizationLowerings(LoweringTable &table) {
  table["LayerNormalization"] = {axisNormalization<true>, 2};
  table["RMSNormalization"] = {axisNormalization<false>, 2};
  table["SimplifiedLayerNormalization"] = {axisNormalization<false>, 2};
  table["com.microsoft.SimplifiedLayerNormalization"] = {
      axisNormalization<false>, 2};
  table["com.microsoft.SkipLayerNormalization"] = {skipNormalization<true>, 3};
  table["com.microsoft.SkipSimplifiedLayerNormalization"] = {
      skipNormalization<false>, 3};
  table["BatchNormalization"] = {batchNormalization, 5};
  table["InstanceNormalization"] = {instanceNormalization, 3};
  table["GroupNormalization"] = {groupNormalization, 3};
  table["LpNormalization"] = lpNormalization;
}

} // namespace lq::general
