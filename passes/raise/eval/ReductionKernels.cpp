//===- ReductionKernels.cpp - Operators along axes ------------------------===//

#include "passes/raise/eval/Kernels.h"
#include <cmath>
#include <numeric>

using namespace mlir;

namespace lq::eval {
namespace {

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

/// The shape with the reduced dimensions as 1, and which they are.
struct Reduction {
  Shape kept;
  SmallVector<bool> reduced;
  /// Elements of the input for each of the result.
  int64_t count = 1;
};

bool reductionOf(NodeEvaluation &e, Reduction &r) {
  std::optional<Shape> axes;
  if (!e.integers(1, "axes", axes))
    return false;
  const Shape &shape = e.in(0).shape;
  bool all =
      (!axes || axes->empty()) && !e.node.getInt("noop_with_empty_axes", 0);
  r.reduced.assign(shape.size(), all);
  if (axes)
    for (int64_t listed : *axes) {
      auto axis = e.axis(listed, shape.size());
      if (!axis)
        return false;
      r.reduced[*axis] = true;
    }
  r.kept = shape;
  for (size_t d = 0; d < shape.size(); ++d)
    if (r.reduced[d]) {
      r.count *= shape[d];
      r.kept[d] = 1;
    }
  return true;
}

/// The result's shape, without the reduced dimensions unless they are kept.
Shape resultShape(NodeEvaluation &e, const Reduction &r) {
  if (e.node.getInt("keepdims", 1))
    return r.kept;
  Shape shape;
  for (size_t d = 0; d < r.kept.size(); ++d)
    if (!r.reduced[d])
      shape.push_back(r.kept[d]);
  return shape;
}

/// Calls step(i, j): element j of the input belongs to element i of the result.
template <typename Fn>
void forEachReduced(const HostTensor &x, const Reduction &r, Fn step) {
  Shape strides[] = {broadcastStrides(r.kept, x.shape)};
  Walk walk(x.shape, strides);
  for (int64_t j = 0, n = x.size(); j < n; ++j, walk.next())
    step(walk.offset(0), j);
}

/// Start, then Step(accumulator, element), then Finish(accumulator, count).
template <auto Step, auto Finish> bool reduce(NodeEvaluation &e, double start) {
  Reduction r;
  if (!reductionOf(e, r))
    return false;
  const HostTensor &x = e.in(0);
  if (!e.make(0, x.kind, resultShape(e, r)))
    return true;
  std::vector<double> sums(e.out().size(), start);
  forEachReduced(x, r, [&](int64_t i, int64_t j) {
    sums[i] = Step(sums[i], x.number(j));
  });
  for (size_t i = 0; i < sums.size(); ++i)
    e.out().setNumber(i, Finish(sums[i], double(r.count)));
  return true;
}

/// The same on integers, which doubles do not hold exactly.
template <auto Step> bool reduceIntegers(NodeEvaluation &e, int64_t start) {
  Reduction r;
  if (!reductionOf(e, r))
    return false;
  const HostTensor &x = e.in(0);
  if (!e.make(0, x.kind, resultShape(e, r)))
    return true;
  std::vector<int64_t> sums(e.out().size(), start);
  forEachReduced(
      x, r, [&](int64_t i, int64_t j) { sums[i] = Step(sums[i], x.ints[j]); });
  for (size_t i = 0; i < sums.size(); ++i)
    e.out().setInteger(i, sums[i]);
  return true;
}

constexpr auto same = [](double sum, double) { return sum; };
constexpr auto add = [](double sum, double x) { return sum + x; };
constexpr auto addAbs = [](double sum, double x) { return sum + std::abs(x); };
constexpr auto addSquare = [](double sum, double x) { return sum + x * x; };
constexpr auto multiply = [](double product, double x) { return product * x; };
constexpr auto larger = [](double a, double x) { return x > a ? x : a; };
constexpr auto smaller = [](double a, double x) { return x < a ? x : a; };

bool reduceSum(NodeEvaluation &e) {
  if (e.in(0).isFloat())
    return reduce<add, same>(e, 0);
  return reduceIntegers<[](int64_t a, int64_t x) -> int64_t {
    return uint64_t(a) + uint64_t(x);
  }>(e, 0);
}

bool reduceProd(NodeEvaluation &e) {
  if (e.in(0).isFloat())
    return reduce<multiply, same>(e, 1);
  return reduceIntegers<[](int64_t a, int64_t x) -> int64_t {
    return uint64_t(a) * uint64_t(x);
  }>(e, 1);
}

/// The least and the greatest value of an integer kind.
int64_t lowest(ElementKind kind) {
  if (isUnsigned(kind))
    return 0;
  return INT64_MIN >> (64 - 8 * byteWidth(kind));
}
int64_t highest(ElementKind kind) {
  if (kind == ElementKind::Bool)
    return 1;
  unsigned bits = 8 * byteWidth(kind) - (isUnsigned(kind) ? 0 : 1);
  return bits >= 63 ? INT64_MAX : (int64_t(1) << bits) - 1;
}

bool reduceMax(NodeEvaluation &e) {
  if (e.in(0).isFloat())
    return reduce<larger, same>(e, -INFINITY);
  return reduceIntegers<[](int64_t a, int64_t x) { return std::max(a, x); }>(
      e, lowest(e.in(0).kind));
}

bool reduceMin(NodeEvaluation &e) {
  if (e.in(0).isFloat())
    return reduce<smaller, same>(e, INFINITY);
  return reduceIntegers<[](int64_t a, int64_t x) { return std::min(a, x); }>(
      e, highest(e.in(0).kind));
}

bool reduceLogSumExp(NodeEvaluation &e) {
  Reduction r;
  if (!reductionOf(e, r))
    return false;
  const HostTensor &x = e.in(0);
  if (!e.make(0, x.kind, resultShape(e, r)))
    return true;
  std::vector<double> peaks(e.out().size(), -INFINITY);
  std::vector<double> sums(e.out().size(), 0);
  forEachReduced(x, r, [&](int64_t i, int64_t j) {
    peaks[i] = std::max(peaks[i], x.number(j));
  });
  // exp(-inf - -inf) is no number: an empty or all -inf row gives -inf.
  forEachReduced(x, r, [&](int64_t i, int64_t j) {
    if (std::isfinite(peaks[i]))
      sums[i] += std::exp(x.number(j) - peaks[i]);
  });
  for (size_t i = 0; i < sums.size(); ++i)
    e.out().setNumber(i, std::isfinite(peaks[i]) ? peaks[i] + std::log(sums[i])
                                                 : peaks[i]);
  return true;
}

//===----------------------------------------------------------------------===//
// One axis
//===----------------------------------------------------------------------===//

/// F(row, length): replaces the elements of each row along the axis.
template <auto F> bool alongAxis(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  // Before opset 13 the tensor is seen as a matrix, split at the axis.
  bool matrix = e.opset < 13;
  auto axis = e.axisAttribute(matrix ? 1 : -1, x.rank());
  if (!axis || !x.isFloat())
    return false;
  if (!e.make(0, x.kind, x.shape))
    return true;
  AxisView view(x.shape, *axis);
  if (matrix) {
    view.length *= view.inner;
    view.inner = 1;
  }
  std::vector<double> row(view.length);
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t n = 0; n < view.inner; ++n) {
      for (int64_t i = 0; i < view.length; ++i)
        row[i] = x.floats[view.at(o, i, n)];
      F(row);
      for (int64_t i = 0; i < view.length; ++i)
        e.out().setNumber(view.at(o, i, n), row[i]);
    }
  return true;
}

void logSoftmax(std::vector<double> &row) {
  double peak = -INFINITY, sum = 0;
  for (double value : row)
    peak = std::max(peak, value);
  for (double &value : row)
    sum += std::exp(value -= peak);
  for (double &value : row)
    value -= std::log(sum);
}

void softmax(std::vector<double> &row) {
  logSoftmax(row);
  for (double &value : row)
    value = std::exp(value);
}

void hardmax(std::vector<double> &row) {
  size_t best = std::max_element(row.begin(), row.end()) - row.begin();
  for (size_t i = 0; i < row.size(); ++i)
    row[i] = i == best;
}

template <bool Max> bool argExtreme(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  auto axis = e.axisAttribute(0, x.rank());
  if (!axis || x.shape[*axis] == 0)
    return false;
  Shape shape = x.shape;
  if (e.node.getInt("keepdims", 1))
    shape[*axis] = 1;
  else
    shape.erase(shape.begin() + *axis);
  if (!e.make(0, ElementKind::I64, shape))
    return true;
  bool last = e.node.getInt("select_last_index", 0) != 0;
  AxisView view(x.shape, *axis);
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t n = 0; n < view.inner; ++n) {
      int64_t best = 0;
      for (int64_t i = 1; i < view.length; ++i) {
        double a = x.number(view.at(o, i, n));
        double b = x.number(view.at(o, best, n));
        if ((Max ? a > b : a < b) || (last && a == b))
          best = i;
      }
      e.out().ints[o * view.inner + n] = best;
    }
  return true;
}

/// Running sums (or products) along the axis that input 1 names.
template <auto Step, auto StepInteger, int Start>
bool cumulative(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  if (!e.isScalar(1))
    return false;
  auto axis = e.hasData(1) ? e.axis(e.in(1).integer(0), x.rank())
                           : std::optional<int64_t>(0);
  if (!axis)
    return false;
  if (!e.make(0, x.kind, x.shape))
    return true;
  bool exclusive = e.node.getInt("exclusive", 0) != 0;
  bool reverse = e.node.getInt("reverse", 0) != 0;
  AxisView view(x.shape, *axis);
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t n = 0; n < view.inner; ++n) {
      double number = Start;
      int64_t integer = Start;
      for (int64_t i = 0; i < view.length; ++i) {
        int64_t at = view.at(o, reverse ? view.length - 1 - i : i, n);
        double before = number;
        int64_t integerBefore = integer;
        number = Step(number, x.number(at));
        integer = StepInteger(integer, x.integer(at));
        if (x.isFloat())
          e.out().setNumber(at, exclusive ? before : number);
        else
          e.out().setInteger(at, exclusive ? integerBefore : integer);
      }
    }
  return true;
}

int64_t addWrapping(int64_t a, int64_t b) { return uint64_t(a) + uint64_t(b); }
int64_t mulWrapping(int64_t a, int64_t b) { return uint64_t(a) * uint64_t(b); }

bool topK(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  auto axis = e.axisAttribute(-1, x.rank());
  int64_t k = e.node.getInt("k", -1);
  if (e.hasData(1) && e.isScalar(1))
    k = e.in(1).integer(0);
  if (!axis || k < 0 || k > x.shape[*axis])
    return false;
  Shape shape = x.shape;
  shape[*axis] = k;
  bool data = e.make(0, x.kind, shape);
  if (e.results.size() > 1)
    e.make(1, ElementKind::I64, shape);
  if (!data)
    return true;
  bool largest = e.node.getInt("largest", 1) != 0;
  AxisView from(x.shape, *axis), to(shape, *axis);
  std::vector<int64_t> order(from.length);
  for (int64_t o = 0; o < from.outer; ++o)
    for (int64_t n = 0; n < from.inner; ++n) {
      std::iota(order.begin(), order.end(), 0);
      std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        double left = x.number(from.at(o, a, n));
        double right = x.number(from.at(o, b, n));
        if (left == right)
          return a < b;
        return largest ? left > right : left < right;
      });
      for (int64_t i = 0; i < k; ++i) {
        e.out().copy(to.at(o, i, n), x, from.at(o, order[i], n));
        if (e.results.size() > 1)
          e.out(1).ints[to.at(o, i, n)] = order[i];
      }
    }
  return true;
}

} // namespace

void addReductionKernels(KernelTable &table) {
  table["ReduceSum"] = reduceSum;
  table["ReduceProd"] = reduceProd;
  table["ReduceMax"] = reduceMax;
  table["ReduceMin"] = reduceMin;
  table["ReduceLogSumExp"] = reduceLogSumExp;
  table["ReduceMean"] = +[](NodeEvaluation &e) {
    return reduce<add, [](double sum, double n) { return sum / n; }>(e, 0);
  };
  table["ReduceL1"] =
      +[](NodeEvaluation &e) { return reduce<addAbs, same>(e, 0); };
  table["ReduceL2"] = +[](NodeEvaluation &e) {
    return reduce<addSquare, [](double s, double) { return std::sqrt(s); }>(e,
                                                                            0);
  };
  table["ReduceLogSum"] = +[](NodeEvaluation &e) {
    return reduce<add, [](double s, double) { return std::log(s); }>(e, 0);
  };
  table["ReduceSumSquare"] =
      +[](NodeEvaluation &e) { return reduce<addSquare, same>(e, 0); };
  table["Softmax"] = alongAxis<softmax>;
  table["LogSoftmax"] = alongAxis<logSoftmax>;
  table["Hardmax"] = alongAxis<hardmax>;
  table["ArgMax"] = argExtreme<true>;
  table["ArgMin"] = argExtreme<false>;
  table["CumSum"] = {cumulative<add, addWrapping, 0>, 2};
  table["CumProd"] = {cumulative<multiply, mulWrapping, 1>, 2};
  table["TopK"] = topK;
}

} // namespace lq::eval
