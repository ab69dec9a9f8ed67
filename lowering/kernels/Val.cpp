//===- Val.cpp - arithmetic on values under construction ------------------===//

#include "lowering/kernels/Val.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace lq;

namespace {

bool isFloat(Type type) { return isa<FloatType>(getElementTypeOrSelf(type)); }

/// `shape` with another element type.
Type withElement(Type shape, Type element) {
  if (auto vector = dyn_cast<VectorType>(shape))
    return vector.clone(element);
  return element;
}

template <typename FloatOp, typename IntOp>
Val binary(const Val &lhs, Val rhs) {
  ImplicitLocOpBuilder &b = lhs.getBuilder();
  if (isFloat(lhs.type()))
    return Val(b, b.createOrFold<FloatOp>(Value(lhs), Value(rhs)));
  return Val(b, b.createOrFold<IntOp>(Value(lhs), Value(rhs)));
}

} // namespace

Val Val::operator+(Val rhs) const {
  return binary<arith::AddFOp, arith::AddIOp>(*this, rhs);
}
Val Val::operator-(Val rhs) const {
  return binary<arith::SubFOp, arith::SubIOp>(*this, rhs);
}
Val Val::operator*(Val rhs) const {
  return binary<arith::MulFOp, arith::MulIOp>(*this, rhs);
}
Val Val::operator/(Val rhs) const {
  return binary<arith::DivFOp, arith::DivUIOp>(*this, rhs);
}
Val Val::operator%(Val rhs) const {
  return binary<arith::RemFOp, arith::RemUIOp>(*this, rhs);
}
Val Val::operator&(Val rhs) const {
  return Val(*builder, builder->createOrFold<arith::AndIOp>(value, Value(rhs)));
}
Val Val::operator|(Val rhs) const {
  return Val(*builder, builder->createOrFold<arith::OrIOp>(value, Value(rhs)));
}
Val Val::operator^(Val rhs) const {
  return Val(*builder, builder->createOrFold<arith::XOrIOp>(value, Value(rhs)));
}
Val Val::operator<<(Val rhs) const {
  return Val(*builder, builder->createOrFold<arith::ShLIOp>(value, Value(rhs)));
}
Val Val::operator>>(Val rhs) const {
  return Val(*builder,
             builder->createOrFold<arith::ShRUIOp>(value, Value(rhs)));
}

Val Val::like(double number) const {
  Type element = getElementTypeOrSelf(type());
  TypedAttr attr;
  if (isFloat(element))
    attr = builder->getFloatAttr(element, number);
  else
    attr = builder->getIntegerAttr(element, static_cast<int64_t>(number));
  if (auto vector = dyn_cast<VectorType>(type()))
    attr = DenseElementsAttr::get(vector, attr);
  return Val(*builder, arith::ConstantOp::create(*builder, attr));
}

Val Val::operator<(Val rhs) const {
  if (isFloat(type()))
    return Val(*builder, arith::CmpFOp::create(
                             *builder, arith::CmpFPredicate::OLT, value, rhs));
  return Val(*builder, builder->createOrFold<arith::CmpIOp>(
                           arith::CmpIPredicate::slt, value, Value(rhs)));
}
Val Val::operator==(int64_t rhs) const {
  return Val(*builder, builder->createOrFold<arith::CmpIOp>(
                           arith::CmpIPredicate::eq, value, Value(like(rhs))));
}

Val Val::where(Val condition, Val other) const {
  return Val(*builder, builder->createOrFold<arith::SelectOp>(
                           Value(condition), value, Value(other)));
}
// A comparison and a select of floats are one instruction, unlike the
// operations that order zeros or pass on NaNs.
Val Val::max(Val rhs) const {
  if (isFloat(type()))
    return where(rhs < *this, rhs);
  return Val(*builder,
             builder->createOrFold<arith::MaxSIOp>(value, Value(rhs)));
}
Val Val::min(Val rhs) const {
  if (isFloat(type()))
    return where(*this < rhs, rhs);
  return Val(*builder,
             builder->createOrFold<arith::MinSIOp>(value, Value(rhs)));
}
Val Val::fma(Val factor, Val addend) const {
  return Val(*builder, math::FmaOp::create(*builder, value, factor, addend));
}

Val Val::bitcast(Type to) const {
  if (to == type())
    return *this;
  if (!isa<VectorType>(type())) {
    if (isa<VectorType>(to))
      return broadcast(VectorType::get({1}, type())).bitcast(to);
    return Val(*builder, arith::BitcastOp::create(*builder, to, value));
  }
  if (isa<VectorType>(to))
    return Val(*builder, vector::BitCastOp::create(*builder, to, value));
  auto one = VectorType::get({1}, to);
  return Val(*builder, vector::BitCastOp::create(*builder, one, value)).lane(0);
}

Val Val::broadcast(Type vectorType) const {
  return Val(*builder,
             vector::BroadcastOp::create(*builder, vectorType, value));
}

Val Val::convert(Type element) const {
  Type from = getElementTypeOrSelf(type());
  if (from == element)
    return *this;
  ImplicitLocOpBuilder &b = *builder;
  Type to = withElement(type(), element);
  if (from.isBF16() && element.isF32()) {
    Val bits = bitcast(withElement(type(), b.getI16Type()));
    return (bits.extendUnsigned(b.getI32Type()) << 16).bitcast(to);
  }
  bool widens = element.getIntOrFloatBitWidth() > from.getIntOrFloatBitWidth();
  if (isFloat(from) && isFloat(element))
    return widens ? Val(b, arith::ExtFOp::create(b, to, value))
                  : Val(b, arith::TruncFOp::create(b, to, value));
  if (isFloat(from))
    return Val(b, arith::FPToSIOp::create(b, to, value));
  if (isFloat(element))
    return Val(b, arith::SIToFPOp::create(b, to, value));
  return widens ? Val(b, arith::ExtSIOp::create(b, to, value))
                : Val(b, arith::TruncIOp::create(b, to, value));
}

Val Val::extendUnsigned(Type element) const {
  return Val(*builder, arith::ExtUIOp::create(
                           *builder, withElement(type(), element), value));
}

Val Val::toIndex() const {
  return Val(*builder, arith::IndexCastOp::create(
                           *builder, builder->getIndexType(), value));
}

Val Val::toInteger(Type to) const {
  return Val(*builder, arith::IndexCastOp::create(*builder, to, value));
}

Val Val::slice(int64_t first, int64_t count) const {
  if (first == 0 && cast<VectorType>(type()).getNumElements() == count)
    return *this;
  return Val(*builder, vector::ExtractStridedSliceOp::create(
                           *builder, value, ArrayRef<int64_t>{first},
                           ArrayRef<int64_t>{count}, ArrayRef<int64_t>{1}));
}
Val Val::lane(int64_t index) const {
  return Val(*builder, vector::ExtractOp::create(*builder, value, index));
}
Val Val::append(Val other) const {
  auto lanes = llvm::to_vector(llvm::seq<int64_t>(
      0, cast<VectorType>(type()).getNumElements() +
             cast<VectorType>(other.type()).getNumElements()));
  return Val(*builder,
             vector::ShuffleOp::create(*builder, value, Value(other), lanes));
}

Val Val::shuffle(Val other, ArrayRef<int64_t> lanes) const {
  return Val(*builder,
             vector::ShuffleOp::create(*builder, value, Value(other), lanes));
}

Val Val::reduceAdd() const {
  // Halves are added to halves: log2(lanes) steps, and a better sum than lane
  // after lane.
  Val sum = *this;
  for (int64_t lanes = cast<VectorType>(type()).getNumElements(); lanes > 1;
       lanes /= 2)
    sum = sum.slice(0, lanes / 2) + sum.slice(lanes / 2, lanes / 2);
  return sum.lane(0);
}
Val Val::reduceMax() const {
  Val maximum = *this;
  for (int64_t lanes = cast<VectorType>(type()).getNumElements(); lanes > 1;
       lanes /= 2)
    maximum =
        maximum.slice(0, lanes / 2).max(maximum.slice(lanes / 2, lanes / 2));
  return maximum.lane(0);
}
