//===- KernelBuilder.h - writes kernels in vector, scf, arith ---*- C++ -*-===//
//
// A small language for kernels inside C++: `Val` carries a value and its
// builder, so that arithmetic reads as arithmetic; KernelBuilder makes the
// function, loops, loads and stores. Constants fold while code is made.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_LOWERING_CPU_KERNELS_KERNELBUILDER_H
#define LQ_LOWERING_CPU_KERNELS_KERNELBUILDER_H

#include "dialects/lq/Format.h"
#include "lowering/cpu/codegen/CpuLevel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace lq::cpu {

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

/// A range of indices [first, last).
struct IndexRange {
  Val first, last;
};

/// Builds one kernel function (see Kernels.h for its arguments).
class KernelBuilder {
public:
  KernelBuilder(mlir::ModuleOp module, llvm::StringRef name,
                const CpuLevel &level, llvm::ArrayRef<mlir::Type> inputs,
                llvm::ArrayRef<mlir::Type> outputs);
  /// Ends the function.
  mlir::func::FuncOp finish();

  /// The inputs and outputs, as arguments in order.
  Val argument(int64_t index);
  Val scratch();
  Val thread();
  Val threads();
  const CpuLevel &level() const { return target; }
  int64_t lanes() const { return target.lanes(); }

  mlir::Type f32() { return b.getF32Type(); }
  mlir::Type i32() { return b.getI32Type(); }
  mlir::Type i8() { return b.getI8Type(); }
  mlir::Type vector(int64_t lanes, mlir::Type element);
  /// A vector register of f32.
  mlir::Type floats() { return vector(lanes(), f32()); }
  static mlir::Type elementType(mlir::MLIRContext *context, Scalar scalar);
  mlir::Type elementType(Scalar scalar) {
    return elementType(b.getContext(), scalar);
  }

  Val index(int64_t number);
  Val constant(mlir::Type type, double number);
  Val zeros(mlir::Type type) { return constant(type, 0); }
  /// 0, 1, 2, ... in a vector register of i32.
  Val laneNumbers();
  /// A size of a memref.
  Val size(Val memref, int64_t dimension);

  /// An element, or a vector of consecutive ones.
  Val load(Val memref, llvm::ArrayRef<Val> indices);
  Val load(Val memref, llvm::ArrayRef<Val> indices, int64_t lanes);
  /// A vector of the elements that lie `columns` (a vector of i32) behind the
  /// one at `indices` in the last dimension.
  Val gather(Val memref, llvm::ArrayRef<Val> indices, Val columns);
  /// The first `count` lanes, the others 0; reads no memory behind them.
  Val loadPart(Val memref, llvm::ArrayRef<Val> indices, int64_t lanes,
               Val count);
  void store(Val value, Val memref, llvm::ArrayRef<Val> indices);
  void storePart(Val value, Val memref, llvm::ArrayRef<Val> indices, Val count);
  /// A value of any type at a byte offset of a memref<?xi8>.
  Val loadBytes(Val bytes, Val offset, mlir::Type type);
  void storeBytes(Val value, Val bytes, Val offset);
  /// Asks for the cache line of an element (which may lie outside), to all
  /// caches.
  void prefetch(Val memref, llvm::ArrayRef<Val> indices);

  /// for (i = first; i < last; i += step), with values carried along.
  using LoopBody =
      llvm::function_ref<Vals(Val index, llvm::ArrayRef<Val> carried)>;
  Vals forLoop(Val first, Val last, int64_t step, llvm::ArrayRef<Val> initial,
               LoopBody body);
  /// The same, never unrolled.
  Vals rolledLoop(Val first, Val last, int64_t step,
                  llvm::ArrayRef<Val> initial, LoopBody body);
  void forLoop(Val first, Val last, int64_t step,
               llvm::function_ref<void(Val index)> body);
  void forLoop(Val first, Val last, Val step,
               llvm::function_ref<void(Val index)> body);
  void ifThen(Val condition, llvm::function_ref<void()> then);
  Vals ifElse(Val condition, llvm::function_ref<Vals()> then,
              llvm::function_ref<Vals()> otherwise);

  /// This thread's contiguous share of `count` items; sizes differ by 1 at
  /// most.
  IndexRange share(Val count);

  /// Calls an LLVM intrinsic.
  Val intrinsic(llvm::StringRef name, mlir::Type result,
                llvm::ArrayRef<Val> operands);

  /// table[byte] for bytes below 16 and at most 16 of table.
  Val lookup(llvm::ArrayRef<uint8_t> table, Val bytes);

  /// e^x, sqrt(x), |x|, x rounded to the nearest integer (ties to even).
  Val exp(Val x);
  /// 2^x of f32 numbers up to 0, which is cheaper; 0 below -126 and of -inf.
  /// Within an unit in the last place.
  Val exp2UpToZero(Val x);
  Val sqrt(Val x);
  Val abs(Val x);
  Val roundEven(Val x);

  mlir::ImplicitLocOpBuilder &builder() { return b; }

private:
  mlir::ImplicitLocOpBuilder b;
  const CpuLevel &target;
  mlir::func::FuncOp function;
  Val val(mlir::Value value) { return Val(b, value); }
};

/// Combines the lanes of each of some vectors; lane i of the result is of vector
/// i. The vectors are of one type and, like their lanes, a power of two.
Val reduceLanes(Vals vectors, llvm::function_ref<Val(Val, Val)> combine);

/// Runs body(first, count) over blocks of rows [first, first + count) that
/// cover `rows`: as many blocks of sizes[0] as fit, then of sizes[1], ...; the
/// last size is 1. Rows known at compile time that fit no block get one of
/// their own.
void forRowBlocks(KernelBuilder &k, Val first, Val rows,
                  llvm::ArrayRef<int64_t> sizes,
                  llvm::function_ref<void(Val first, int64_t count)> body);

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_KERNELBUILDER_H
