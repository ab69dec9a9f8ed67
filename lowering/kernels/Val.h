//===- Val.h - arithmetic on values under construction ----------*- C++ -*-===//
//
// A small language for kernels inside C++: `Val` carries a value and its
// builder, so that arithmetic reads as arithmetic. Constants fold while code is
// made.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_LOWERING_KERNELS_VAL_H
#define LQ_LOWERING_KERNELS_VAL_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace lq {

/// A scalar or vector under construction. Operators need equal types, or an
/// integer literal on the right.
class Val {
public:
  Val() = default;
  Val(mlir::ImplicitLocOpBuilder &builder, mlir::Value value)
      : builder(&builder), value(value) {}

  operator mlir::Value() const { return value; }
  explicit operator bool() const { return bool(value); }
  mlir::Type type() const { return value.getType(); }
  mlir::ImplicitLocOpBuilder &getBuilder() const { return *builder; }

  Val operator+(Val rhs) const;
  Val operator-(Val rhs) const;
  Val operator*(Val rhs) const;
  /// Quotient of floats, or of unsigned integers rounded down.
  Val operator/(Val rhs) const;
  /// Remainder of unsigned integers.
  Val operator%(Val rhs) const;
  Val operator&(Val rhs) const;
  Val operator|(Val rhs) const;
  Val operator^(Val rhs) const;
  Val operator<<(Val rhs) const;
  /// Shifts in zeros.
  Val operator>>(Val rhs) const;

  /// A constant of this value's type.
  Val like(double number) const;
  Val operator+(int64_t rhs) const { return *this + like(rhs); }
  Val operator-(int64_t rhs) const { return *this - like(rhs); }
  Val operator*(int64_t rhs) const { return *this * like(rhs); }
  Val operator/(int64_t rhs) const { return *this / like(rhs); }
  Val operator%(int64_t rhs) const { return *this % like(rhs); }
  Val operator&(int64_t rhs) const { return *this & like(rhs); }
  Val operator^(int64_t rhs) const { return *this ^ like(rhs); }
  Val operator<<(int64_t rhs) const { return *this << like(rhs); }
  Val operator>>(int64_t rhs) const { return *this >> like(rhs); }

  /// Comparisons of floats (false where one is NaN) or signed integers.
  Val operator<(Val rhs) const;
  Val operator<(int64_t rhs) const { return *this < like(rhs); }
  Val operator==(int64_t rhs) const;

  /// This where `condition`, else `other`.
  Val where(Val condition, Val other) const;
  Val max(Val rhs) const;
  Val min(Val rhs) const;
  /// this * factor + addend, rounded once.
  Val fma(Val factor, Val addend) const;

  /// The same bits as another type of equal size.
  Val bitcast(mlir::Type type) const;
  /// The same scalar in every lane.
  Val broadcast(mlir::Type vectorType) const;
  /// Numbers of another width or kind, by value: signed integers and floats;
  /// bf16 widens by a shift.
  Val convert(mlir::Type elementType) const;
  /// Unsigned integers widened.
  Val extendUnsigned(mlir::Type elementType) const;
  /// A signed integer as an index.
  Val toIndex() const;
  /// An index as an integer.
  Val toInteger(mlir::Type type) const;
  /// Lanes [first, first + count).
  Val slice(int64_t first, int64_t count) const;
  Val lane(int64_t index) const;
  /// The lanes of another vector behind these.
  Val append(Val other) const;
  /// Lanes of this and, counted on, of another vector of the same type.
  Val shuffle(Val other, llvm::ArrayRef<int64_t> lanes) const;
  /// Sum or maximum of all lanes.
  Val reduceAdd() const;
  Val reduceMax() const;

private:
  mlir::ImplicitLocOpBuilder *builder = nullptr;
  mlir::Value value;
};

using Vals = llvm::SmallVector<Val>;

} // namespace lq

#endif // LQ_LOWERING_KERNELS_VAL_H
