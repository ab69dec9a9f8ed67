//===- Scalars.cpp - Arithmetic on single elements ------------------------===//

#include "passes/raise/general/Scalars.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

using namespace mlir;

namespace lq::general {

/// The kind whose type is computed in.
static ElementKind computeKind(ElementKind kind) {
  return kind == ElementKind::F16 || kind == ElementKind::BF16
             ? ElementKind::F32
             : kind;
}

Type Scalars::computeType(ElementKind kind, MLIRContext *context) {
  return signlessType(computeKind(kind), context);
}

Value Scalars::constant(ElementKind kind, double value) {
  Type type = computeType(kind, b.getContext());
  if (auto floatType = dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(b, b.getFloatAttr(floatType, value));
  HostTensor scalar = HostTensor::ofFloats(kind, {}, {value});
  unsigned width = cast<IntegerType>(type).getWidth();
  APInt bits(width, scalar.ints[0], /*isSigned=*/false, /*implicitTrunc=*/true);
  return arith::ConstantOp::create(b, b.getIntegerAttr(type, bits));
}

Value Scalars::integer(int64_t value) {
  auto type = cast<IntegerType>(computeType(kind, b.getContext()));
  APInt bits(type.getWidth(), value, /*isSigned=*/false,
             /*implicitTrunc=*/true);
  return arith::ConstantOp::create(b, b.getIntegerAttr(type, bits));
}

Value Scalars::truth(bool value) {
  return arith::ConstantOp::create(b, b.getBoolAttr(value));
}

Value Scalars::add(Value x, Value y) {
  return isFloat() ? Value(arith::AddFOp::create(b, x, y))
                   : Value(arith::AddIOp::create(b, x, y));
}

Value Scalars::sub(Value x, Value y) {
  return isFloat() ? Value(arith::SubFOp::create(b, x, y))
                   : Value(arith::SubIOp::create(b, x, y));
}

Value Scalars::mul(Value x, Value y) {
  return isFloat() ? Value(arith::MulFOp::create(b, x, y))
                   : Value(arith::MulIOp::create(b, x, y));
}

Value Scalars::neg(Value x) {
  return isFloat() ? Value(arith::NegFOp::create(b, x)) : sub(integer(0), x);
}

namespace {
/// A divisor that does not trap, and when another result takes the place of
/// the machine's.
struct SafeDivisor {
  Value divisor, isZero, isMinusOne;
};
} // namespace

static SafeDivisor makeSafe(Scalars &s, Value y) {
  Value isZero = s.compare(Order::Equal, y, s.integer(0));
  // The least number divided by -1 does not fit: that traps too.
  Value isMinusOne = s.isUnsigned() ? s.truth(false)
                                    : s.compare(Order::Equal, y, s.integer(-1));
  Value unsafe = arith::OrIOp::create(s.b, isZero, isMinusOne);
  return {s.select(unsafe, s.integer(1), y), isZero, isMinusOne};
}

Value Scalars::div(Value x, Value y) {
  if (isFloat())
    return arith::DivFOp::create(b, x, y);
  SafeDivisor safe = makeSafe(*this, y);
  Value quotient = isUnsigned()
                       ? Value(arith::DivUIOp::create(b, x, safe.divisor))
                       : Value(arith::DivSIOp::create(b, x, safe.divisor));
  quotient = select(safe.isMinusOne, neg(x), quotient);
  return select(safe.isZero, integer(0), quotient);
}

Value Scalars::rem(Value x, Value y) {
  if (isFloat())
    return arith::RemFOp::create(b, x, y);
  SafeDivisor safe = makeSafe(*this, y);
  // The remainder by the stand-in 1 is 0, which is right in both cases.
  return isUnsigned() ? Value(arith::RemUIOp::create(b, x, safe.divisor))
                      : Value(arith::RemSIOp::create(b, x, safe.divisor));
}

Value Scalars::max(Value x, Value y) {
  if (isFloat())
    return arith::MaximumFOp::create(b, x, y);
  return isUnsigned() ? Value(arith::MaxUIOp::create(b, x, y))
                      : Value(arith::MaxSIOp::create(b, x, y));
}

Value Scalars::min(Value x, Value y) {
  if (isFloat())
    return arith::MinimumFOp::create(b, x, y);
  return isUnsigned() ? Value(arith::MinUIOp::create(b, x, y))
                      : Value(arith::MinSIOp::create(b, x, y));
}

static arith::CmpFPredicate floatPredicate(Order order) {
  switch (order) {
  case Order::Equal:
    return arith::CmpFPredicate::OEQ;
  case Order::Less:
    return arith::CmpFPredicate::OLT;
  case Order::LessOrEqual:
    return arith::CmpFPredicate::OLE;
  case Order::Greater:
    return arith::CmpFPredicate::OGT;
  case Order::GreaterOrEqual:
    return arith::CmpFPredicate::OGE;
  }
  llvm_unreachable("every order has a predicate");
}

static arith::CmpIPredicate integerPredicate(Order order, bool isUnsigned) {
  switch (order) {
  case Order::Equal:
    return arith::CmpIPredicate::eq;
  case Order::Less:
    return isUnsigned ? arith::CmpIPredicate::ult : arith::CmpIPredicate::slt;
  case Order::LessOrEqual:
    return isUnsigned ? arith::CmpIPredicate::ule : arith::CmpIPredicate::sle;
  case Order::Greater:
    return isUnsigned ? arith::CmpIPredicate::ugt : arith::CmpIPredicate::sgt;
  case Order::GreaterOrEqual:
    return isUnsigned ? arith::CmpIPredicate::uge : arith::CmpIPredicate::sge;
  }
  llvm_unreachable("every order has a predicate");
}

Value Scalars::compare(Order order, Value x, Value y) {
  if (isa<FloatType>(x.getType()))
    return arith::CmpFOp::create(b, floatPredicate(order), x, y);
  bool isUnsigned = !isa<IndexType>(x.getType()) && this->isUnsigned();
  return arith::CmpIOp::create(b, integerPredicate(order, isUnsigned), x, y);
}

Value Scalars::select(Value condition, Value x, Value y) {
  return arith::SelectOp::create(b, condition, x, y);
}

Value Scalars::clamp(Value x, double low, double high) {
  return min(max(x, constant(low)), constant(high));
}

Value Scalars::exp(Value x) { return math::ExpOp::create(b, x); }
Value Scalars::log(Value x) { return math::LogOp::create(b, x); }
Value Scalars::sqrt(Value x) { return math::SqrtOp::create(b, x); }
Value Scalars::tanh(Value x) { return math::TanhOp::create(b, x); }
Value Scalars::erf(Value x) { return math::ErfOp::create(b, x); }

Value Scalars::sigmoid(Value x) {
  return div(constant(1), add(constant(1), exp(neg(x))));
}

Value Scalars::softplus(Value x) {
  // max(x, 0) + log(1 + exp(-|x|)) does not overflow.
  Value small = exp(neg(math::AbsFOp::create(b, x)));
  return add(max(x, constant(0)), math::Log1pOp::create(b, small));
}

Value Scalars::gelu(Value x) {
  Value phi = add(constant(1), erf(mul(x, constant(M_SQRT1_2))));
  return mul(mul(constant(0.5), x), phi);
}

Value Scalars::geluTanh(Value x) {
  Value cube = mul(mul(x, x), x);
  Value inner =
      mul(add(x, mul(constant(0.044715), cube)), constant(std::sqrt(M_2_PI)));
  return mul(mul(constant(0.5), x), add(constant(1), tanh(inner)));
}

Value Scalars::cast(Value x, ElementKind from, ElementKind to) {
  Type type = computeType(to, b.getContext());
  bool toFloat = lq::isFloat(to);
  if (lq::isFloat(from)) {
    if (to == ElementKind::Bool) {
      Value zero = arith::ConstantOp::create(b, b.getFloatAttr(x.getType(), 0));
      return arith::CmpFOp::create(b, arith::CmpFPredicate::UNE, x, zero);
    }
    if (!toFloat)
      return lq::isUnsigned(to) ? Value(arith::FPToUIOp::create(b, type, x))
                                : Value(arith::FPToSIOp::create(b, type, x));
    if (x.getType() == type)
      return x;
    return type.getIntOrFloatBitWidth() > x.getType().getIntOrFloatBitWidth()
               ? Value(arith::ExtFOp::create(b, type, x))
               : Value(arith::TruncFOp::create(b, type, x));
  }
  if (toFloat)
    return lq::isUnsigned(from) ? Value(arith::UIToFPOp::create(b, type, x))
                                : Value(arith::SIToFPOp::create(b, type, x));
  if (from == to)
    return x;
  if (to == ElementKind::Bool) {
    Value zero = arith::ConstantOp::create(b, b.getIntegerAttr(x.getType(), 0));
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, x, zero);
  }
  unsigned fromWidth = x.getType().getIntOrFloatBitWidth();
  unsigned toWidth = type.getIntOrFloatBitWidth();
  if (fromWidth == toWidth)
    return x;
  if (fromWidth > toWidth)
    return arith::TruncIOp::create(b, type, x);
  return lq::isUnsigned(from) ? Value(arith::ExtUIOp::create(b, type, x))
                              : Value(arith::ExtSIOp::create(b, type, x));
}

Value Scalars::widen(Value stored, ElementKind kind) {
  Type type = computeType(kind, b.getContext());
  return stored.getType() == type
             ? stored
             : Value(arith::ExtFOp::create(b, type, stored));
}

Value Scalars::narrow(Value computed, ElementKind kind) {
  Type type = signlessType(kind, b.getContext());
  return computed.getType() == type
             ? computed
             : Value(arith::TruncFOp::create(b, type, computed));
}

Value Scalars::toIndex(Value x) {
  if (isa<IndexType>(x.getType()))
    return x;
  return isUnsigned()
             ? Value(arith::IndexCastUIOp::create(b, b.getIndexType(), x))
             : Value(arith::IndexCastOp::create(b, b.getIndexType(), x));
}

Value Scalars::fromIndex(Value index, ElementKind to) {
  Value wide = arith::IndexCastOp::create(b, b.getI64Type(), index);
  return cast(wide, ElementKind::I64, to);
}

} // namespace lq::general
