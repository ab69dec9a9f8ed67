//===- NormalizationKernels.cpp - Normalizations --------------------------===//

#include "passes/raise/eval/Kernels.h"
#include <cmath>

using namespace mlir;

namespace lq::eval {
namespace {

/// Whether optional input `i` is a float tensor that broadcasts to `shape`.
bool broadcastsTo(NodeEvaluation &e, unsigned i, ArrayRef<int64_t> shape) {
  return !e.has(i) || (e.in(i).isFloat() &&
                       broadcastShapes(e.in(i).shape, shape) == Shape(shape));
}

/// Normalizes each row of the last dimensions, from `axis` on: subtracts the
/// mean if `centred`, divides by sqrt(mean square + epsilon), then scales by
/// input `gamma` and adds input `beta`, each where it is there.
struct RowNormalization {
  int64_t axis;
  bool centred;
  double epsilon;
  unsigned gamma = 1, beta = 2;
};

void normalizeRows(NodeEvaluation &e, const HostTensor &x, HostTensor &y,
                   const RowNormalization &how, HostTensor *means,
                   HostTensor *inverses) {
  int64_t length = 1;
  for (int64_t d = how.axis; d < x.rank(); ++d)
    length *= x.shape[d];
  Shape strides[] = {
      e.has(how.gamma) ? broadcastStrides(e.in(how.gamma).shape, x.shape)
                       : Shape(x.rank(), 0),
      e.has(how.beta) ? broadcastStrides(e.in(how.beta).shape, x.shape)
                      : Shape(x.rank(), 0)};
  Walk walk(x.shape, strides);
  for (int64_t row = 0; length && row < x.size() / length; ++row) {
    const double *values = &x.floats[row * length];
    double mean = 0, square = 0;
    for (int64_t i = 0; how.centred && i < length; ++i)
      mean += values[i] / length;
    for (int64_t i = 0; i < length; ++i)
      square += (values[i] - mean) * (values[i] - mean) / length;
    double inverse = 1 / std::sqrt(square + how.epsilon);
    for (int64_t i = 0; i < length; ++i, walk.next()) {
      double value = (values[i] - mean) * inverse;
      if (e.has(how.gamma))
        value *= e.in(how.gamma).floats[walk.offset(0)];
      if (e.has(how.beta))
        value += e.in(how.beta).floats[walk.offset(1)];
      y.setNumber(row * length + i, value);
    }
    if (means)
      means->setNumber(row, mean);
    if (inverses)
      inverses->setNumber(row, inverse);
  }
}

/// LayerNormalization and RMSNormalization: the axis is an attribute.
template <bool Centred> bool axisNormalization(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  auto axis = e.axisAttribute(-1, x.rank());
  if (!axis || !x.isFloat() || !broadcastsTo(e, 1, x.shape) ||
      !broadcastsTo(e, 2, x.shape))
    return false;
  bool data = e.make(0, x.kind, x.shape);
  Shape kept = x.shape;
  std::fill(kept.begin() + *axis, kept.end(), 1);
  for (unsigned i = 1; i < e.results.size(); ++i)
    e.make(i, ElementKind::F32, kept, data);
  if (data) {
    unsigned absent = e.inputs.size();
    normalizeRows(e, x, e.out(),
                  {*axis, Centred, e.node.getFloat("epsilon", 1e-5f), 1,
                   Centred ? 2 : absent},
                  Centred && e.results.size() > 1 ? &e.out(1) : nullptr,
                  Centred && e.results.size() > 2 ? &e.out(2) : nullptr);
  }
  return true;
}

/// com.microsoft: x + skip (+ bias), normalized over the last dimension; the
/// fourth result is the sum itself. Inputs: x, skip, gamma, [beta], [bias].
template <bool Centred> bool skipNormalization(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  unsigned absent = e.inputs.size();
  unsigned bias = Centred ? 4 : 3;
  if (x.rank() < 1 || !x.isFloat() || !broadcastsTo(e, 1, x.shape) ||
      !broadcastsTo(e, 2, x.shape) || !broadcastsTo(e, 3, x.shape) ||
      !broadcastsTo(e, bias, x.shape))
    return false;
  bool data = e.make(0, x.kind, x.shape);
  for (unsigned i = 1; i < e.results.size(); ++i)
    e.make(i, i == 3 ? x.kind : ElementKind::F32, x.shape, data && i == 3);
  if (!data)
    return true;
  HostTensor sum = x;
  Shape strides[] = {broadcastStrides(e.in(1).shape, x.shape),
                     e.has(bias) ? broadcastStrides(e.in(bias).shape, x.shape)
                                 : Shape(x.rank(), 0)};
  Walk walk(x.shape, strides);
  for (int64_t i = 0, n = x.size(); i < n; ++i, walk.next()) {
    double value = x.floats[i] + e.in(1).floats[walk.offset(0)];
    if (e.has(bias))
      value += e.in(bias).floats[walk.offset(1)];
    sum.setNumber(i, value);
  }
  normalizeRows(e, sum, e.out(),
                {x.rank() - 1, Centred, e.node.getFloat("epsilon", 1e-12f), 2,
                 Centred ? 3 : absent},
                nullptr, nullptr);
  if (e.results.size() > 3)
    e.out(3) = std::move(sum);
  return true;
}

/// Inputs x [N, C, ...], scale [C], bias [C], mean [C], variance [C].
bool batchNormalization(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  if (x.rank() < 2 || !x.isFloat() || e.node.getInt("training_mode", 0))
    return false;
  for (unsigned i = 1; i < 5; ++i)
    if (!e.in(i).isFloat() || e.in(i).size() != x.shape[1])
      return false;
  if (!e.make(0, x.kind, x.shape))
    return true;
  double epsilon = e.node.getFloat("epsilon", 1e-5f);
  AxisView view(x.shape, 1);
  for (int64_t i = 0, n = x.size(); i < n; ++i) {
    int64_t c = i / view.inner % view.length;
    double scale = e.in(1).floats[c] / std::sqrt(e.in(4).floats[c] + epsilon);
    e.out().setNumber(i, (x.floats[i] - e.in(3).floats[c]) * scale +
                             e.in(2).floats[c]);
  }
  return true;
}

/// x [N, C, ...] in `groups` groups of channels; scale and bias per channel.
bool normalizeGroups(NodeEvaluation &e, int64_t groups) {
  const HostTensor &x = e.in(0);
  if (x.rank() < 2 || !x.isFloat() || groups < 1 || x.shape[1] % groups ||
      !e.in(1).isFloat() || !e.in(2).isFloat() ||
      e.in(1).size() != x.shape[1] || e.in(2).size() != x.shape[1])
    return false;
  if (!e.make(0, x.kind, x.shape))
    return true;
  HostTensor grouped = x;
  int64_t rows = x.shape[0] * groups;
  grouped.shape = {rows, rows ? x.size() / rows : 0};
  HostTensor plain = grouped;
  unsigned absent = e.inputs.size();
  normalizeRows(e, grouped, plain,
                {1, true, e.node.getFloat("epsilon", 1e-5f), absent, absent},
                nullptr, nullptr);
  AxisView view(x.shape, 1);
  for (int64_t i = 0, n = x.size(); i < n; ++i) {
    int64_t c = i / view.inner % view.length;
    e.out().setNumber(i,
                      plain.floats[i] * e.in(1).floats[c] + e.in(2).floats[c]);
  }
  return true;
}

bool instanceNormalization(NodeEvaluation &e) {
  return e.in(0).rank() >= 2 && normalizeGroups(e, e.in(0).shape[1]);
}

bool groupNormalization(NodeEvaluation &e) {
  return normalizeGroups(e, e.node.getInt("num_groups", 0));
}

bool lpNormalization(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  auto axis = e.axisAttribute(-1, x.rank());
  if (!axis || !x.isFloat())
    return false;
  if (!e.make(0, x.kind, x.shape))
    return true;
  bool first = e.node.getInt("p", 2) == 1;
  AxisView view(x.shape, *axis);
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t n = 0; n < view.inner; ++n) {
      double norm = 0;
      for (int64_t i = 0; i < view.length; ++i) {
        double value = x.floats[view.at(o, i, n)];
        norm += first ? std::abs(value) : value * value;
      }
      if (!first)
        norm = std::sqrt(norm);
      for (int64_t i = 0; i < view.length; ++i)
        e.out().setNumber(view.at(o, i, n),
                          norm == 0 ? 0 : x.floats[view.at(o, i, n)] / norm);
    }
  return true;
}

} // namespace

void addNormalizationKernels(KernelTable &table) {
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

} // namespace lq::eval
