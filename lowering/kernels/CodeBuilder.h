//===- CodeBuilder.h - loops, loads and stores of kernels -------*- C++ -*-===//
//
// What kernels of every target are written with, in arith, math, scf, vector and
// memref. A target's own builder adds how its threads share the work.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_LOWERING_KERNELS_CODEBUILDER_H
#define LQ_LOWERING_KERNELS_CODEBUILDER_H

#include "dialects/lq/Format.h"
#include "lowering/kernels/Val.h"
#include "mlir/IR/BuiltinTypes.h"

namespace lq {

class CodeBuilder {
public:
  explicit CodeBuilder(mlir::MLIRContext *context)
      : b(mlir::UnknownLoc::get(context), context) {}
  virtual ~CodeBuilder() = default;

  mlir::Type f32() { return b.getF32Type(); }
  mlir::Type i32() { return b.getI32Type(); }
  mlir::Type i8() { return b.getI8Type(); }
  mlir::Type vector(int64_t lanes, mlir::Type element);
  static mlir::Type elementType(mlir::MLIRContext *context, Scalar scalar);
  mlir::Type elementType(Scalar scalar) {
    return elementType(b.getContext(), scalar);
  }

  Val index(int64_t number);
  Val constant(mlir::Type type, double number);
  Val zeros(mlir::Type type) { return constant(type, 0); }
  /// A size of a memref.
  Val size(Val memref, int64_t dimension);

  /// An element, or a vector of consecutive ones, which lies at a multiple of
  /// `alignment` bytes; 0: of an element.
  Val load(Val memref, llvm::ArrayRef<Val> indices);
  Val load(Val memref, llvm::ArrayRef<Val> indices, int64_t lanes,
           int64_t alignment = 0);
  /// A vector of the elements that lie `columns` (a vector of i32) behind the
  /// one at `indices` in the last dimension.
  Val gather(Val memref, llvm::ArrayRef<Val> indices, Val columns);
  void store(Val value, Val memref, llvm::ArrayRef<Val> indices,
             int64_t alignment = 0);
  /// A value of any type at a byte offset of a memref<?xi8>, at a multiple of
  /// `alignment` bytes in memory.
  Val loadBytes(Val bytes, Val offset, mlir::Type type, int64_t alignment = 1);
  void storeBytes(Val value, Val bytes, Val offset, int64_t alignment = 1);
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

  /// Calls an LLVM intrinsic.
  Val intrinsic(llvm::StringRef name, mlir::Type result,
                llvm::ArrayRef<Val> operands);

  /// table[byte] for bytes below 16 and at most 16 of table.
  virtual Val lookup(llvm::ArrayRef<uint8_t> table, Val bytes) = 0;

  /// e^x, sqrt(x), |x|, x rounded to the nearest integer (ties to even).
  Val exp(Val x);
  /// 2^x of f32 numbers up to 0, which is cheaper; 0 below -126 and of -inf.
  /// Within an unit in the last place.
  Val exp2UpToZero(Val x);
  Val sqrt(Val x);
  Val abs(Val x);
  Val roundEven(Val x);

  mlir::ImplicitLocOpBuilder &builder() { return b; }

protected:
  Val val(mlir::Value value) { return Val(b, value); }

  mlir::ImplicitLocOpBuilder b;
};

/// The values of some.
llvm::SmallVector<mlir::Value> toValues(llvm::ArrayRef<Val> values);

} // namespace lq

#endif // LQ_LOWERING_KERNELS_CODEBUILDER_H
