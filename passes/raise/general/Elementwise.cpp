//===- Elementwise.cpp - Lowerings of element by element operators --------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/raise/general/NodeLowering.h"
#include <cmath>

using namespace mlir;

namespace lq::general {
namespace {

//===----------------------------------------------------------------------===//
// One operand
//===----------------------------------------------------------------------===//

/// F: (Scalars &, Value x, NodeOp) -> Value.
template <auto F> LogicalResult unary(NodeLowering &l) {
  const Lowered &x = l.in(0);
  l.set(0, l.elementwise(
                {x}, l.out().shape, l.out().kind,
                [&](Scalars &s, ValueRange v) { return F(s, v[0], l.node); })
               .value);
  return success();
}

/// The same where integers have no such function.
template <auto F> LogicalResult floatUnary(NodeLowering &l) {
  if (!isFloat(l.in(0).kind))
    return l.fail("expected floating-point elements");
  return unary<F>(l);
}

/// Op: an operation of the math dialect.
template <typename Op> LogicalResult math(NodeLowering &l) {
  return floatUnary<[](Scalars &s, Value x, onnx::NodeOp) -> Value {
    return Op::create(s.b, x);
  }>(l);
}

/// Op on floats; integers are whole already.
template <typename Op> LogicalResult rounding(NodeLowering &l) {
  return unary<[](Scalars &s, Value x, onnx::NodeOp) -> Value {
    return s.isFloat() ? Value(Op::create(s.b, x)) : x;
  }>(l);
}

LogicalResult cast(NodeLowering &l) {
  const Lowered &x = l.in(0);
  ElementKind to = l.out().kind;
  if (x.kind == to) {
    l.set(0, x.value);
    return success();
  }
  l.set(0, l.cast(x, to).value);
  return success();
}

LogicalResult isInf(NodeLowering &l) {
  bool negative = l.node.getInt("detect_negative", 1) != 0;
  bool positive = l.node.getInt("detect_positive", 1) != 0;
  const Lowered &x = l.in(0);
  auto body = [&](Scalars &s, ValueRange v) -> Value {
    auto equals = [&](double infinity, bool wanted) {
      return wanted ? s.compare(Order::Equal, v[0], s.constant(infinity))
                    : s.truth(false);
    };
    return arith::OrIOp::create(s.b, equals(-INFINITY, negative),
                                equals(INFINITY, positive));
  };
  l.set(0, l.elementwise({x}, x.shape, ElementKind::Bool, body).value);
  return success();
}

Value isNan(Scalars &s, Value x, onnx::NodeOp) {
  return arith::CmpFOp::create(s.b, arith::CmpFPredicate::UNO, x, x);
}

Value abs(Scalars &s, Value x, onnx::NodeOp) {
  if (s.isFloat())
    return math::AbsFOp::create(s.b, x);
  return s.isUnsigned() ? x : Value(math::AbsIOp::create(s.b, x));
}

Value sign(Scalars &s, Value x, onnx::NodeOp) {
  Value zero = s.constant(0);
  Value negative = s.isUnsigned() ? x
                                  : s.select(s.compare(Order::Less, x, zero),
                                             s.constant(-1), x);
  return s.select(s.compare(Order::Greater, x, zero), s.constant(1), negative);
}

Value bitwiseNot(Scalars &s, Value x, onnx::NodeOp) {
  return arith::XOrIOp::create(s.b, x, s.integer(-1));
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

Value elu(Scalars &s, Value x, double alpha) {
  Value negative = s.mul(s.constant(alpha), math::ExpM1Op::create(s.b, x));
  return s.select(s.compare(Order::Less, x, s.constant(0)), negative, x);
}

Value gelu(Scalars &s, Value x, onnx::NodeOp op) {
  return op.getString("approximate", "none") == "tanh" ? s.geluTanh(x)
                                                       : s.gelu(x);
}

Value swish(Scalars &s, Value x, onnx::NodeOp op) {
  double standard = op.getOpType() == "QuickGelu" ? 1.702 : 1;
  Value alpha = s.constant(op.getFloat("alpha", standard));
  return s.mul(x, s.sigmoid(s.mul(alpha, x)));
}

/// com.microsoft activations with a bias to add first. Exact: not by tanh.
template <bool Exact> LogicalResult biasedGelu(NodeLowering &l) {
  SmallVector<Lowered> inputs{l.in(0)};
  if (l.has(1))
    inputs.push_back(l.in(1));
  l.set(0, l.elementwise(inputs, l.out().shape, l.out().kind,
                         [&](Scalars &s, ValueRange v) {
                           Value x = v.size() > 1 ? s.add(v[0], v[1]) : v[0];
                           return Exact ? s.gelu(x) : s.geluTanh(x);
                         })
               .value);
  return success();
}

void addActivations(LoweringTable &table) {
  table["Relu"] = unary<[](Scalars &s, Value x, onnx::NodeOp) {
    return s.max(x, s.constant(0));
  }>;
  table["Sigmoid"] = floatUnary<[](Scalars &s, Value x, onnx::NodeOp) {
    return s.sigmoid(x);
  }>;
  table["Softplus"] = floatUnary<[](Scalars &s, Value x, onnx::NodeOp) {
    return s.softplus(x);
  }>;
  table["Softsign"] = floatUnary<[](Scalars &s, Value x, onnx::NodeOp op) {
    return s.div(x, s.add(s.constant(1), abs(s, x, op)));
  }>;
  table["Mish"] = floatUnary<[](Scalars &s, Value x, onnx::NodeOp) {
    return s.mul(x, s.tanh(s.softplus(x)));
  }>;
  table["HardSwish"] = floatUnary<[](Scalars &s, Value x, onnx::NodeOp) {
    Value inner = s.add(s.mul(x, s.constant(1.0 / 6)), s.constant(0.5));
    return s.mul(x, s.clamp(inner, 0, 1));
  }>;
  table["HardSigmoid"] = floatUnary<[](Scalars &s, Value x, onnx::NodeOp op) {
    Value inner = s.add(s.mul(x, s.constant(op.getFloat("alpha", 0.2f))),
                        s.constant(op.getFloat("beta", 0.5f)));
    return s.clamp(inner, 0, 1);
  }>;
  table["LeakyRelu"] = floatUnary<[](Scalars &s, Value x, onnx::NodeOp op) {
    Value scaled = s.mul(s.constant(op.getFloat("alpha", 0.01f)), x);
    return s.select(s.compare(Order::Less, x, s.constant(0)), scaled, x);
  }>;
  table["ThresholdedRelu"] =
      floatUnary<[](Scalars &s, Value x, onnx::NodeOp op) {
        Value alpha = s.constant(op.getFloat("alpha", 1));
        return s.select(s.compare(Order::Greater, x, alpha), x, s.constant(0));
      }>;
  table["Elu"] = floatUnary<[](Scalars &s, Value x, onnx::NodeOp op) {
    return elu(s, x, op.getFloat("alpha", 1));
  }>;
  table["Selu"] = floatUnary<[](Scalars &s, Value x, onnx::NodeOp op) {
    double alpha = op.getFloat("alpha", 1.67326319217681884765625f);
    double gamma = op.getFloat("gamma", 1.05070102214813232421875f);
    return s.mul(s.constant(gamma), elu(s, x, alpha));
  }>;
  table["Celu"] = floatUnary<[](Scalars &s, Value x, onnx::NodeOp op) {
    double alpha = op.getFloat("alpha", 1);
    Value negative =
        s.mul(s.constant(alpha),
              math::ExpM1Op::create(s.b, s.div(x, s.constant(alpha))));
    return s.select(s.compare(Order::Less, x, s.constant(0)), negative, x);
  }>;
  table["Shrink"] = unary<[](Scalars &s, Value x, onnx::NodeOp op) {
    double lambda = op.getFloat("lambd", 0.5f), bias = op.getFloat("bias", 0);
    Value high = s.select(s.compare(Order::Greater, x, s.constant(lambda)),
                          s.sub(x, s.constant(bias)), s.constant(0));
    return s.select(s.compare(Order::Less, x, s.constant(-lambda)),
                    s.add(x, s.constant(bias)), high);
  }>;
  table["Gelu"] = floatUnary<gelu>;
  table["Swish"] = floatUnary<swish>;
  table["com.microsoft.QuickGelu"] = floatUnary<swish>;
  table["com.microsoft.Gelu"] = biasedGelu<true>;
  table["com.microsoft.BiasGelu"] = biasedGelu<true>;
  table["com.microsoft.FastGelu"] = biasedGelu<false>;
}

void addUnary(LoweringTable &table) {
  table["Exp"] = math<math::ExpOp>;
  table["Log"] = math<math::LogOp>;
  table["Sqrt"] = math<math::SqrtOp>;
  table["Sin"] = math<math::SinOp>;
  table["Cos"] = math<math::CosOp>;
  table["Tan"] = math<math::TanOp>;
  table["Sinh"] = math<math::SinhOp>;
  table["Cosh"] = math<math::CoshOp>;
  table["Tanh"] = math<math::TanhOp>;
  table["Asin"] = math<math::AsinOp>;
  table["Acos"] = math<math::AcosOp>;
  table["Atan"] = math<math::AtanOp>;
  table["Asinh"] = math<math::AsinhOp>;
  table["Acosh"] = math<math::AcoshOp>;
  table["Atanh"] = math<math::AtanhOp>;
  table["Erf"] = math<math::ErfOp>;
  table["IsNaN"] = floatUnary<isNan>;
  table["Floor"] = rounding<math::FloorOp>;
  table["Ceil"] = rounding<math::CeilOp>;
  table["Round"] = rounding<math::RoundEvenOp>;
  table["Reciprocal"] = floatUnary<[](Scalars &s, Value x, onnx::NodeOp) {
    return s.div(s.constant(1), x);
  }>;
  table["Neg"] =
      unary<[](Scalars &s, Value x, onnx::NodeOp) { return s.neg(x); }>;
  table["Abs"] = unary<abs>;
  table["Sign"] = unary<sign>;
  table["Not"] = unary<bitwiseNot>;
  table["BitwiseNot"] = unary<bitwiseNot>;
  table["Cast"] = cast;
  table["CastLike"] = cast;
  table["IsInf"] = isInf;
}

//===----------------------------------------------------------------------===//
// Two operands and more
//===----------------------------------------------------------------------===//

/// F: (Scalars &, Value x, Value y, NodeOp) -> Value, on operands of one kind.
template <auto F> LogicalResult binary(NodeLowering &l) {
  if (l.in(0).kind != l.in(1).kind)
    return l.fail("the operands' element types differ");
  l.set(0, l.elementwise({l.in(0), l.in(1)}, l.out().shape, l.out().kind,
                         [&](Scalars &s, ValueRange v) {
                           return F(s, v[0], v[1], l.node);
                         })
               .value);
  return success();
}

template <Order order> LogicalResult compare(NodeLowering &l) {
  return binary<[](Scalars &s, Value x, Value y, onnx::NodeOp) {
    return s.compare(order, x, y);
  }>(l);
}

template <typename Op> LogicalResult bitwise(NodeLowering &l) {
  if (isFloat(l.in(0).kind))
    return l.fail("expected integer elements");
  return binary<[](Scalars &s, Value x, Value y, onnx::NodeOp) -> Value {
    return Op::create(s.b, x, y);
  }>(l);
}

/// The remainder with the sign of the divisor, unless the node says otherwise.
Value mod(Scalars &s, Value x, Value y, onnx::NodeOp op) {
  Value remainder = s.rem(x, y);
  if (op.getInt("fmod", 0) || s.isUnsigned())
    return remainder;
  Value zero = s.constant(0);
  Value differs =
      arith::XOrIOp::create(s.b, s.compare(Order::Less, remainder, zero),
                            s.compare(Order::Less, y, zero));
  Value isZero = s.compare(Order::Equal, remainder, zero);
  Value keep = arith::OrIOp::create(
      s.b, isZero, arith::XOrIOp::create(s.b, differs, s.truth(true)));
  return s.select(keep, remainder, s.add(remainder, y));
}

/// Bits shifted out are lost; a shift by the width or more leaves none.
Value bitShift(Scalars &s, Value x, Value y, onnx::NodeOp op) {
  int64_t width = x.getType().getIntOrFloatBitWidth();
  bool left = op.getString("direction", "LEFT") == "LEFT";
  // A negative amount is large when it is taken as unsigned.
  Value isFar = arith::CmpIOp::create(s.b, arith::CmpIPredicate::uge, y,
                                      s.integer(width));
  Value last = s.integer(width - 1);
  if (!left && !s.isUnsigned())
    return arith::ShRSIOp::create(s.b, x, s.select(isFar, last, y));
  Value amount = s.select(isFar, last, y);
  Value shifted = left ? Value(arith::ShLIOp::create(s.b, x, amount))
                       : Value(arith::ShRUIOp::create(s.b, x, amount));
  return s.select(isFar, s.integer(0), shifted);
}

Value pRelu(Scalars &s, Value x, Value slope, onnx::NodeOp) {
  return s.select(s.compare(Order::Less, x, s.constant(0)), s.mul(slope, x), x);
}

/// Powers with a constant exponent that models are full of: squares, roots.
Value specialPower(Scalars &s, Value x, double exponent) {
  if (exponent == 1)
    return x;
  if (exponent == 2)
    return s.mul(x, x);
  if (exponent == 3)
    return s.mul(s.mul(x, x), x);
  if (exponent == 0.5 && s.isFloat())
    return s.sqrt(x);
  if (exponent == -0.5 && s.isFloat())
    return s.div(s.constant(1), s.sqrt(x));
  if (exponent == -1 && s.isFloat())
    return s.div(s.constant(1), x);
  return {};
}

/// An integer power by squaring. 64 powers are all that fit, but for the bases
/// 1 and -1, whose squares are 1.
Value integerPower(Scalars &s, Value base, Value exponent) {
  Value result = s.integer(1), zero = s.integer(0);
  Value square = base, rest = exponent;
  for (int bit = 0; bit < 6; ++bit) {
    Value low = arith::AndIOp::create(s.b, rest, s.integer(1));
    Value isOdd = s.compare(Order::Equal, low, s.integer(1));
    result = s.select(isOdd, s.mul(result, square), result);
    square = s.mul(square, square);
    rest = arith::ShRSIOp::create(s.b, rest, s.integer(1));
  }
  if (s.isUnsigned())
    return result;
  // The reciprocal of a base that is not 1 or -1 truncates to 0.
  Value magnitude = math::AbsIOp::create(s.b, base);
  Value isUnit = s.compare(Order::Equal, magnitude, s.integer(1));
  Value isNegative = s.compare(Order::Less, exponent, zero);
  return s.select(isNegative, s.select(isUnit, result, zero), result);
}

LogicalResult pow(NodeLowering &l) {
  const Lowered &x = l.in(0), &y = l.in(1);
  const HostTensor *exponent = l.constant(1);
  auto body = [&](Scalars &s, ValueRange v) -> Value {
    if (exponent)
      if (Value special = specialPower(s, v[0], exponent->number(0)))
        return special;
    if (isFloat(x.kind))
      return math::PowFOp::create(s.b, v[0], s.cast(v[1], y.kind, x.kind));
    if (!isFloat(y.kind))
      return integerPower(s, v[0], s.cast(v[1], y.kind, x.kind));
    Value power =
        math::PowFOp::create(s.b, s.cast(v[0], x.kind, ElementKind::F64),
                             s.cast(v[1], y.kind, ElementKind::F64));
    return s.cast(power, ElementKind::F64, x.kind);
  };
  l.set(0, l.elementwise({x, y}, l.out().shape, x.kind, body).value);
  return success();
}

/// F folds any number of operands; Mean divides by their number.
template <auto F, bool Mean = false> LogicalResult variadic(NodeLowering &l) {
  for (const Lowered &operand : l.operands)
    if (!operand.value || operand.kind != l.in(0).kind)
      return l.fail("expected operands of one element type");
  l.set(0, l.elementwise(l.operands, l.out().shape, l.out().kind,
                         [&](Scalars &s, ValueRange v) {
                           Value result = v[0];
                           for (Value x : v.drop_front())
                             result = F(s, result, x);
                           return Mean ? s.div(result, s.constant(v.size()))
                                       : result;
                         })
               .value);
  return success();
}

LogicalResult where(NodeLowering &l) {
  if (l.in(0).kind != ElementKind::Bool || l.in(1).kind != l.in(2).kind)
    return l.fail("expected a condition and two operands of one element type");
  l.set(0,
        l.elementwise({l.in(0), l.in(1), l.in(2)}, l.out().shape, l.out().kind,
                      [](Scalars &s, ValueRange v) {
                        return s.select(v[0], v[1], v[2]);
                      })
            .value);
  return success();
}

/// Bounds are attributes, or optional scalar operands.
LogicalResult clip(NodeLowering &l) {
  SmallVector<Lowered> inputs{l.in(0)};
  for (unsigned i : {1, 2})
    if (l.has(i))
      inputs.push_back(l.in(i));
  auto body = [&](Scalars &s, ValueRange v) {
    Value x = v[0];
    if (l.has(1))
      x = s.max(x, v[1]);
    else if (l.node.getNodeAttr("min"))
      x = s.max(x, s.constant(l.node.getFloat("min", 0)));
    if (l.has(2))
      x = s.min(x, v.back());
    else if (l.node.getNodeAttr("max"))
      x = s.min(x, s.constant(l.node.getFloat("max", 0)));
    return x;
  };
  for (Lowered &bound : MutableArrayRef(inputs).drop_front())
    bound = l.reshape(bound, {});
  l.set(0, l.elementwise(inputs, l.out().shape, l.out().kind, body).value);
  return success();
}

constexpr auto add = [](Scalars &s, Value x, Value y) { return s.add(x, y); };

} // namespace

void addElementwiseLowerings(LoweringTable &table) {
  addUnary(table);
  addActivations(table);
  table["Add"] = {binary<[](Scalars &s, Value x, Value y, onnx::NodeOp) {
                    return s.add(x, y);
                  }>,
                  2};
  table["Sub"] = {binary<[](Scalars &s, Value x, Value y, onnx::NodeOp) {
                    return s.sub(x, y);
                  }>,
                  2};
  table["Mul"] = {binary<[](Scalars &s, Value x, Value y, onnx::NodeOp) {
                    return s.mul(x, y);
                  }>,
                  2};
  table["Div"] = {binary<[](Scalars &s, Value x, Value y, onnx::NodeOp) {
                    return s.div(x, y);
                  }>,
                  2};
  table["Pow"] = {pow, 2};
  table["Mod"] = {binary<mod>, 2};
  table["PRelu"] = {binary<pRelu>, 2};
  table["BitShift"] = {binary<bitShift>, 2};
  table["Equal"] = {compare<Order::Equal>, 2};
  table["Less"] = {compare<Order::Less>, 2};
  table["LessOrEqual"] = {compare<Order::LessOrEqual>, 2};
  table["Greater"] = {compare<Order::Greater>, 2};
  table["GreaterOrEqual"] = {compare<Order::GreaterOrEqual>, 2};
  table["And"] = table["BitwiseAnd"] = {bitwise<arith::AndIOp>, 2};
  table["Or"] = table["BitwiseOr"] = {bitwise<arith::OrIOp>, 2};
  table["Xor"] = table["BitwiseXor"] = {bitwise<arith::XOrIOp>, 2};
  table["Sum"] = variadic<add>;
  table["Mean"] = variadic<add, true>;
  table["Max"] =
      variadic<[](Scalars &s, Value x, Value y) { return s.max(x, y); }>;
  table["Min"] =
      variadic<[](Scalars &s, Value x, Value y) { return s.min(x, y); }>;
  table["Where"] = {where, 3};
  table["Clip"] = clip;
}

} // namespace lq::general
