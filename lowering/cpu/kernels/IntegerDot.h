//===- IntegerDot.h - dot products of codes with int8 -----------*- C++ -*-===//

#ifndef LQ_LOWERING_CPU_KERNELS_INTEGERDOT_H
#define LQ_LOWERING_CPU_KERNELS_INTEGERDOT_H

#include "lowering/cpu/kernels/KernelBuilder.h"
#include <limits>

namespace lq::cpu {

/// Sums of products of unsigned codes of up to 8 bits with int8 activations in
/// [-127, 127], by the instructions of a level. A step is four columns, one
/// row of codes in each 32-bit lane. Exact: the instructions are chosen so
/// that nothing saturates.
///
/// Some instructions add to partial sums of few bits, which `flush` adds to the
/// i32 sums.
class IntegerDot {
public:
  /// For codes below 2^bits and `count` rows of activations.
  static std::unique_ptr<IntegerDot> create(KernelBuilder &k, unsigned bits,
                                            int64_t count);
  /// Vectors that `prepare` makes of a step.
  static int64_t countVectors(const CpuLevel &level, unsigned bits);
  virtual ~IntegerDot() = default;

  /// Steps, and rows of activations, that one call of `add` takes: powers of
  /// two up to 2; `count` is a multiple of rows().
  virtual int64_t steps() const { return 1; }
  virtual int64_t rows() const { return 1; }

  /// What to add to the zero point of the format: codes may be taken with a
  /// sign, code - 128.
  virtual int zeroShift() const { return 0; }

  /// The type of a partial sum; null if `add` adds to the sums themselves.
  virtual mlir::Type partialType() { return {}; }
  bool hasPartial() { return bool(partialType()); }
  /// A partial sum of 0, or a null value.
  Val zeroPartial() { return hasPartial() ? k.zeros(partialType()) : Val(); }
  /// Steps after which partial sums must be flushed at the latest, a multiple
  /// of steps().
  virtual int64_t stepsPerFlush() const {
    return std::numeric_limits<int64_t>::max();
  }

  /// Takes the sums of rows() rows from vectors with a lane for each row of
  /// codes to the form that `add` adds to, and back.
  virtual void enter(llvm::MutableArrayRef<Val> sums) {}
  virtual void leave(llvm::MutableArrayRef<Val> sums) {}

  /// The codes of steps() steps (vectors of bytes) in the form that `add`
  /// reads, made once for all activation rows.
  using Codes = llvm::SmallVector<Val, 2>;
  virtual Codes prepare(llvm::ArrayRef<Val> bytes) {
    return Codes(bytes.begin(), bytes.end());
  }

  /// The activations of rows() rows and steps() steps, rows x 4 steps bytes,
  /// in the form that `add` reads.
  virtual Vals spread(Val activations);

  /// Adds codes times activations of rows() rows to their partial sums if
  /// there are such, else to their sums.
  virtual void add(const Codes &codes, llvm::ArrayRef<Val> activations,
                   llvm::MutableArrayRef<Val> sums,
                   llvm::MutableArrayRef<Val> partials) = 0;
  /// Adds the partial sums of rows() rows to the sums.
  virtual void flush(llvm::MutableArrayRef<Val> sums,
                     llvm::ArrayRef<Val> partials) {}

protected:
  explicit IntegerDot(KernelBuilder &k) : k(k) {}

  mlir::Type sumType() { return k.vector(k.lanes(), k.i32()); }
  mlir::Type bytesType() { return k.vector(4 * k.lanes(), k.i8()); }

  KernelBuilder &k;
};

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_INTEGERDOT_H
