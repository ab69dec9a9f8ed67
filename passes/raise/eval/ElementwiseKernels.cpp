//===- ElementwiseKernels.cpp - Operators that work element by element ----===//

#include "passes/raise/eval/Kernels.h"
#include <cmath>
#include <functional>

using namespace mlir;

namespace lq::eval {
namespace {

//===----------------------------------------------------------------------===//
// One operand
//===----------------------------------------------------------------------===//

/// F: double -> double. Integers are converted there and back.
template <auto F> bool unary(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  if (e.make(0, x.kind, x.shape))
    for (int64_t i = 0, n = x.size(); i < n; ++i)
      e.out().setNumber(i, F(x.number(i)));
  return true;
}

/// F: double -> double for floats, G: int64_t -> int64_t for integers.
template <auto F, auto G> bool unaryEither(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  if (x.isFloat())
    return unary<F>(e);
  if (e.make(0, x.kind, x.shape))
    for (int64_t i = 0, n = x.size(); i < n; ++i)
      e.out().setInteger(i, G(x.integer(i)));
  return true;
}

/// Make: NodeOp -> function of a double, where attributes are parameters.
template <auto Make> bool parametric(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  if (!e.make(0, x.kind, x.shape))
    return true;
  std::function<double(double)> function = Make(e.node);
  for (int64_t i = 0, n = x.size(); i < n; ++i)
    e.out().setNumber(i, function(x.number(i)));
  return true;
}

/// F: double -> bool.
template <auto F> bool predicate(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  if (e.make(0, ElementKind::Bool, x.shape))
    for (int64_t i = 0, n = x.size(); i < n; ++i)
      e.out().ints[i] = F(x.number(i));
  return true;
}

bool isInf(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  bool negative = e.node.getInt("detect_negative", 1) != 0;
  bool positive = e.node.getInt("detect_positive", 1) != 0;
  if (e.make(0, ElementKind::Bool, x.shape))
    for (int64_t i = 0, n = x.size(); i < n; ++i) {
      double value = x.number(i);
      e.out().ints[i] = std::isinf(value) && (value < 0 ? negative : positive);
    }
  return true;
}

bool cast(NodeEvaluation &e, ElementKind kind) {
  const HostTensor &x = e.in(0);
  if (!e.make(0, kind, x.shape))
    return true;
  if (x.kind == ElementKind::Other)
    e.out() = HostTensor::withoutData(kind, x.shape);
  else if (x.isFloat())
    for (int64_t i = 0, n = x.size(); i < n; ++i)
      e.out().setNumber(i, x.floats[i]);
  else if (x.kind == ElementKind::U64)
    for (int64_t i = 0, n = x.size(); i < n; ++i)
      isFloat(kind) ? e.out().setNumber(i, x.number(i))
                    : e.out().setInteger(i, x.ints[i]);
  else
    for (int64_t i = 0, n = x.size(); i < n; ++i)
      e.out().setInteger(i, x.ints[i]);
  return true;
}

bool castTo(NodeEvaluation &e) {
  return cast(e, kindOfDataType(e.node.getInt("to", 0)));
}

bool castLike(NodeEvaluation &e) {
  ElementKind kind = e.in(1).kind;
  e.inputs.truncate(1);
  return cast(e, kind);
}

//===----------------------------------------------------------------------===//
// Two operands
//===----------------------------------------------------------------------===//

/// Broadcasts the first two inputs and calls `compute(i, a, b)` with the
/// offsets of each element of the result.
template <typename Fn>
bool broadcastPair(NodeEvaluation &e, ElementKind kind, Fn compute) {
  const HostTensor &a = e.in(0), &b = e.in(1);
  std::optional<Shape> shape = broadcastShapes(a.shape, b.shape);
  if (!shape)
    return false;
  if (!e.make(0, kind, *shape))
    return true;
  Shape strides[] = {broadcastStrides(a.shape, *shape),
                     broadcastStrides(b.shape, *shape)};
  Walk walk(*shape, strides);
  for (int64_t i = 0, n = e.out().size(); i < n; ++i, walk.next())
    compute(i, walk.offset(0), walk.offset(1));
  return true;
}

/// F on doubles, G on int64_t (null where the operator has no integer form).
template <auto F, auto G> bool binary(NodeEvaluation &e) {
  const HostTensor &a = e.in(0), &b = e.in(1);
  if (a.isFloat())
    return broadcastPair(e, a.kind, [&](int64_t i, int64_t j, int64_t k) {
      e.out().setNumber(i, F(a.floats[j], b.number(k)));
    });
  return broadcastPair(e, a.kind, [&](int64_t i, int64_t j, int64_t k) {
    e.out().setInteger(i, G(a.ints[j], b.integer(k)));
  });
}

template <auto F> bool compare(NodeEvaluation &e) {
  const HostTensor &a = e.in(0), &b = e.in(1);
  if (a.kind != b.kind)
    return false;
  return broadcastPair(
      e, ElementKind::Bool, [&](int64_t i, int64_t j, int64_t k) {
        if (a.isFloat())
          e.out().ints[i] = F(a.floats[j], b.floats[k]);
        else if (a.kind == ElementKind::U64)
          e.out().ints[i] = F(uint64_t(a.ints[j]), uint64_t(b.ints[k]));
        else
          e.out().ints[i] = F(a.ints[j], b.ints[k]);
      });
}

// Two's complement wraps: C++ leaves signed overflow undefined.
int64_t wrappingAdd(int64_t a, int64_t b) { return uint64_t(a) + uint64_t(b); }
int64_t wrappingSub(int64_t a, int64_t b) { return uint64_t(a) - uint64_t(b); }
int64_t wrappingMul(int64_t a, int64_t b) { return uint64_t(a) * uint64_t(b); }

/// Truncates as C does. A division by zero is undefined in ONNX; 0 here.
int64_t divide(int64_t a, int64_t b) {
  if (b == 0)
    return 0;
  return b == -1 ? wrappingSub(0, a) : a / b;
}

/// The remainder with the sign of the dividend.
int64_t remainder(int64_t a, int64_t b) {
  return b == 0 || b == -1 ? 0 : a % b;
}

int64_t power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  if (exponent < 0)
    return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1)
      result = wrappingMul(result, base);
    base = wrappingMul(base, base);
  }
  return result;
}

bool divideTensors(NodeEvaluation &e) {
  if (e.in(0).kind != ElementKind::U64)
    return binary<[](double a, double b) { return a / b; }, divide>(e);
  return binary<[](double a, double b) { return a / b; },
                [](int64_t a, int64_t b) -> int64_t {
                  return b == 0 ? 0 : uint64_t(a) / uint64_t(b);
                }>(e);
}

bool pow(NodeEvaluation &e) {
  // The result has the base's type; the exponent may be of any other.
  const HostTensor &a = e.in(0), &b = e.in(1);
  if (a.isFloat() || !b.isFloat())
    return binary<[](double x, double y) { return std::pow(x, y); }, power>(e);
  return broadcastPair(e, a.kind, [&](int64_t i, int64_t j, int64_t k) {
    e.out().setNumber(i, std::pow(a.number(j), b.floats[k]));
  });
}

double fmodFloor(double a, double b) {
  double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

int64_t modFloor(int64_t a, int64_t b) {
  int64_t r = remainder(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

bool mod(NodeEvaluation &e) {
  if (e.node.getInt("fmod", 0))
    return binary<[](double a, double b) { return std::fmod(a, b); },
                  remainder>(e);
  if (e.in(0).kind == ElementKind::U64)
    return binary<fmodFloor, [](int64_t a, int64_t b) -> int64_t {
      return b == 0 ? 0 : uint64_t(a) % uint64_t(b);
    }>(e);
  return binary<fmodFloor, modFloor>(e);
}

bool bitShift(NodeEvaluation &e) {
  bool left = e.node.getString("direction", "LEFT") == "LEFT";
  if (!e.isInteger(0) || !e.isInteger(1))
    return false;
  const HostTensor &a = e.in(0), &b = e.in(1);
  int64_t bits = 8 * byteWidth(a.kind);
  return broadcastPair(e, a.kind, [&](int64_t i, int64_t j, int64_t k) {
    // Unsigned values have zeros above their bits, except those of 64 bits.
    int64_t x = a.ints[j], shift = b.ints[k];
    bool fillsOnes = x < 0 && a.kind != ElementKind::U64;
    if (shift < 0 || shift >= bits)
      e.out().setInteger(i, !left && fillsOnes ? -1 : 0);
    else if (left)
      e.out().setInteger(i, uint64_t(x) << shift);
    else
      e.out().setInteger(i, fillsOnes ? x >> shift
                                      : int64_t(uint64_t(x) >> shift));
  });
}

bool pRelu(NodeEvaluation &e) {
  return binary<[](double x, double slope) { return x < 0 ? slope * x : x; },
                [](int64_t x, int64_t slope) {
                  return x < 0 ? wrappingMul(slope, x) : x;
                }>(e);
}

//===----------------------------------------------------------------------===//
// More operands
//===----------------------------------------------------------------------===//

/// Folds any number of operands with F (doubles) or G (int64_t); Mean divides.
template <auto F, auto G, bool Mean = false> bool variadic(NodeEvaluation &e) {
  Shape shape;
  for (const HostTensor *input : e.inputs) {
    std::optional<Shape> wider = input && input->kind == e.in(0).kind
                                     ? broadcastShapes(shape, input->shape)
                                     : std::nullopt;
    if (!wider)
      return false;
    shape = *wider;
  }
  if (!e.make(0, e.in(0).kind, shape))
    return true;
  SmallVector<Shape> strides;
  for (const HostTensor *input : e.inputs)
    strides.push_back(broadcastStrides(input->shape, shape));
  Walk walk(shape, strides);
  for (int64_t i = 0, n = e.out().size(); i < n; ++i, walk.next()) {
    double number = e.in(0).number(walk.offset(0));
    int64_t integer = e.in(0).integer(walk.offset(0));
    for (size_t k = 1; k < e.inputs.size(); ++k) {
      if (e.out().isFloat())
        number = F(number, e.in(k).floats[walk.offset(k)]);
      else
        integer = G(integer, e.in(k).ints[walk.offset(k)]);
    }
    if (Mean)
      number /= e.inputs.size();
    if (e.out().isFloat())
      e.out().setNumber(i, number);
    else
      e.out().setInteger(i, integer);
  }
  return true;
}

double maximum(double a, double b) { return std::isnan(a) || a > b ? a : b; }
double minimum(double a, double b) { return std::isnan(a) || a < b ? a : b; }
int64_t maximumOf(int64_t a, int64_t b) { return std::max(a, b); }
int64_t minimumOf(int64_t a, int64_t b) { return std::min(a, b); }
int64_t maximumOfUnsigned(int64_t a, int64_t b) {
  return std::max<uint64_t>(a, b);
}
int64_t minimumOfUnsigned(int64_t a, int64_t b) {
  return std::min<uint64_t>(a, b);
}

bool max(NodeEvaluation &e) {
  return e.in(0).kind == ElementKind::U64
             ? variadic<maximum, maximumOfUnsigned>(e)
             : variadic<maximum, maximumOf>(e);
}

bool min(NodeEvaluation &e) {
  return e.in(0).kind == ElementKind::U64
             ? variadic<minimum, minimumOfUnsigned>(e)
             : variadic<minimum, minimumOf>(e);
}

bool where(NodeEvaluation &e) {
  if (!e.isInteger(0) || e.in(1).kind != e.in(2).kind)
    return false;
  std::optional<Shape> shape = broadcastShapes(e.in(1).shape, e.in(2).shape);
  if (shape)
    shape = broadcastShapes(*shape, e.in(0).shape);
  if (!shape)
    return false;
  if (!e.make(0, e.in(1).kind, *shape))
    return true;
  Shape strides[3];
  for (int k = 0; k < 3; ++k)
    strides[k] = broadcastStrides(e.in(k).shape, *shape);
  Walk walk(*shape, strides);
  for (int64_t i = 0, n = e.out().size(); i < n; ++i, walk.next()) {
    int chosen = e.in(0).ints[walk.offset(0)] ? 1 : 2;
    e.out().copy(i, e.in(chosen), walk.offset(chosen));
  }
  return true;
}

bool clip(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  for (unsigned i : {1, 2})
    if (e.has(i) && (!e.isScalar(i) || e.in(i).kind != x.kind))
      return false;
  if (!e.make(0, x.kind, x.shape))
    return true;
  double lowest = e.node.getFloat("min", -INFINITY);
  double highest = e.node.getFloat("max", INFINITY);
  for (int64_t i = 0, n = x.size(); i < n; ++i) {
    if (x.isFloat()) {
      double low = e.has(1) ? e.in(1).floats[0] : lowest;
      double high = e.has(2) ? e.in(2).floats[0] : highest;
      e.out().setNumber(i, minimum(maximum(x.floats[i], low), high));
      continue;
    }
    int64_t value = x.ints[i];
    if (e.has(1))
      value = std::max(value, e.in(1).ints[0]);
    if (e.has(2))
      value = std::min(value, e.in(2).ints[0]);
    e.out().ints[i] = value;
  }
  return true;
}

/// com.microsoft activations with a bias to add first.
template <auto F> bool biased(NodeEvaluation &e) {
  if (e.has(1))
    return binary<[](double x, double bias) { return F(x + bias); },
                  wrappingAdd>(e);
  return unary<F>(e);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
}
double geluExact(double x) { return 0.5 * x * (1 + std::erf(x / M_SQRT2)); }
double geluTanh(double x) {
  return 0.5 * x *
         (1 + std::tanh(std::sqrt(M_2_PI) * (x + 0.044715 * x * x * x)));
}
double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }

void addUnary(KernelTable &table) {
  table["Exp"] = unary<[](double x) { return std::exp(x); }>;
  table["Log"] = unary<[](double x) { return std::log(x); }>;
  table["Sqrt"] = unary<[](double x) { return std::sqrt(x); }>;
  table["Reciprocal"] = unary<[](double x) { return 1 / x; }>;
  table["Sin"] = unary<[](double x) { return std::sin(x); }>;
  table["Cos"] = unary<[](double x) { return std::cos(x); }>;
  table["Tan"] = unary<[](double x) { return std::tan(x); }>;
  table["Sinh"] = unary<[](double x) { return std::sinh(x); }>;
  table["Cosh"] = unary<[](double x) { return std::cosh(x); }>;
  table["Tanh"] = unary<[](double x) { return std::tanh(x); }>;
  table["Asin"] = unary<[](double x) { return std::asin(x); }>;
  table["Acos"] = unary<[](double x) { return std::acos(x); }>;
  table["Atan"] = unary<[](double x) { return std::atan(x); }>;
  table["Asinh"] = unary<[](double x) { return std::asinh(x); }>;
  table["Acosh"] = unary<[](double x) { return std::acosh(x); }>;
  table["Atanh"] = unary<[](double x) { return std::atanh(x); }>;
  table["Erf"] = unary<[](double x) { return std::erf(x); }>;
  table["Floor"] = unary<[](double x) { return std::floor(x); }>;
  table["Ceil"] = unary<[](double x) { return std::ceil(x); }>;
  table["Round"] = unary<[](double x) { return std::nearbyint(x); }>;
  table["Sigmoid"] = unary<sigmoid>;
  table["Softplus"] = unary<softplus>;
  table["Softsign"] = unary<[](double x) { return x / (1 + std::abs(x)); }>;
  table["Mish"] = unary<[](double x) { return x * std::tanh(softplus(x)); }>;
  table["HardSwish"] =
      unary<[](double x) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); }>;
  table["Neg"] = unaryEither<[](double x) { return -x; },
                             [](int64_t x) { return wrappingSub(0, x); }>;
  table["Abs"] =
      unaryEither<[](double x) { return std::abs(x); },
                  [](int64_t x) { return x < 0 ? wrappingSub(0, x) : x; }>;
  table["Sign"] =
      unaryEither<sign, [](int64_t x) -> int64_t { return (x > 0) - (x < 0); }>;
  table["Relu"] =
      unaryEither<[](double x) { return maximum(x, 0); },
                  [](int64_t x) -> int64_t { return std::max<int64_t>(x, 0); }>;
  table["Not"] = unaryEither<[](double x) { return x; },
                             [](int64_t x) -> int64_t { return !x; }>;
  table["BitwiseNot"] =
      unaryEither<[](double x) { return x; }, [](int64_t x) { return ~x; }>;
  table["IsNaN"] = predicate<[](double x) { return std::isnan(x); }>;
  table["IsInf"] = isInf;
  table["Cast"] = castTo;
  table["CastLike"] = {castLike, 2};
}

using Function = std::function<double(double)>;

void addParametric(KernelTable &table) {
  table["LeakyRelu"] = parametric<[](onnx::NodeOp op) -> Function {
    double alpha = op.getFloat("alpha", 0.01f);
    return [=](double x) { return x < 0 ? alpha * x : x; };
  }>;
  table["ThresholdedRelu"] = parametric<[](onnx::NodeOp op) -> Function {
    double alpha = op.getFloat("alpha", 1);
    return [=](double x) { return x > alpha ? x : 0; };
  }>;
  table["Elu"] = parametric<[](onnx::NodeOp op) -> Function {
    double alpha = op.getFloat("alpha", 1);
    return [=](double x) { return x < 0 ? alpha * std::expm1(x) : x; };
  }>;
  table["Celu"] = parametric<[](onnx::NodeOp op) -> Function {
    double alpha = op.getFloat("alpha", 1);
    return [=](double x) {
      return std::max(x, 0.0) + std::min(0.0, alpha * std::expm1(x / alpha));
    };
  }>;
  table["Selu"] = parametric<[](onnx::NodeOp op) -> Function {
    double alpha = op.getFloat("alpha", 1.67326319217681884765625f);
    double gamma = op.getFloat("gamma", 1.05070102214813232421875f);
    return
        [=](double x) { return gamma * (x > 0 ? x : alpha * std::expm1(x)); };
  }>;
  table["HardSigmoid"] = parametric<[](onnx::NodeOp op) -> Function {
    double alpha = op.getFloat("alpha", 0.2f);
    double beta = op.getFloat("beta", 0.5f);
    return [=](double x) { return std::clamp(alpha * x + beta, 0.0, 1.0); };
  }>;
  table["Shrink"] = parametric<[](onnx::NodeOp op) -> Function {
    double lambda = op.getFloat("lambd", 0.5f);
    double bias = op.getFloat("bias", 0);
    return [=](double x) {
      return x < -lambda ? x + bias : x > lambda ? x - bias : 0;
    };
  }>;
  table["Swish"] = parametric<[](onnx::NodeOp op) -> Function {
    double alpha = op.getFloat("alpha", 1);
    return [=](double x) { return x * sigmoid(alpha * x); };
  }>;
  table["com.microsoft.QuickGelu"] =
      parametric<[](onnx::NodeOp op) -> Function {
        double alpha = op.getFloat("alpha", 1.702f);
        return [=](double x) { return x * sigmoid(alpha * x); };
      }>;
  table["Gelu"] = parametric<[](onnx::NodeOp op) -> Function {
    if (op.getString("approximate", "none") == "tanh")
      return geluTanh;
    return geluExact;
  }>;
  table["com.microsoft.Gelu"] = unary<geluExact>;
  table["com.microsoft.BiasGelu"] = biased<geluExact>;
  table["com.microsoft.FastGelu"] = biased<geluTanh>;
}

void addBinary(KernelTable &table) {
  table["Add"] = {binary<[](double a, double b) { return a + b; }, wrappingAdd>,
                  2};
  table["Sub"] = {binary<[](double a, double b) { return a - b; }, wrappingSub>,
                  2};
  table["Mul"] = {binary<[](double a, double b) { return a * b; }, wrappingMul>,
                  2};
  table["Div"] = {divideTensors, 2};
  table["Pow"] = {pow, 2};
  table["Mod"] = {mod, 2};
  table["PRelu"] = {pRelu, 2};
  table["BitShift"] = {bitShift, 2};
  table["Equal"] = {compare<[](auto a, auto b) { return a == b; }>, 2};
  table["Less"] = {compare<[](auto a, auto b) { return a < b; }>, 2};
  table["LessOrEqual"] = {compare<[](auto a, auto b) { return a <= b; }>, 2};
  table["Greater"] = {compare<[](auto a, auto b) { return a > b; }>, 2};
  table["GreaterOrEqual"] = {compare<[](auto a, auto b) { return a >= b; }>, 2};
  constexpr auto noFloats = [](double, double) { return NAN; };
  table["And"] = table["BitwiseAnd"] = {
      binary<noFloats, [](int64_t a, int64_t b) { return a & b; }>, 2};
  table["Or"] = table["BitwiseOr"] = {
      binary<noFloats, [](int64_t a, int64_t b) { return a | b; }>, 2};
  table["Xor"] = table["BitwiseXor"] = {
      binary<noFloats, [](int64_t a, int64_t b) { return a ^ b; }>, 2};
}

} // namespace

void addElementwiseKernels(KernelTable &table) {
  addUnary(table);
  addParametric(table);
  addBinary(table);
  constexpr auto sum = [](double a, double b) { return a + b; };
  table["Sum"] = variadic<sum, wrappingAdd>;
  table["Mean"] = variadic<sum, wrappingAdd, true>;
  table["Max"] = max;
  table["Min"] = min;
  table["Where"] = {where, 3};
  table["Clip"] = clip;
}

} // namespace lq::eval
