//===- IntegerDot.h - dot products of codes with int8 -----------*- C++ -*-===//

#ifndef LQ_LOWERING_CPU_KERNELS_INTEGERDOT_H
#define LQ_LOWERING_CPU_KERNELS_INTEGERDOT_H

#include "lowering/cpu/kernels/KernelBuilder.h"

namespace lq::cpu {

/// Sums of products of unsigned codes of up to 8 bits with int8 activations in
/// [-127, 127], four columns a step, one row in each 32-bit lane. Exact: the
/// instructions are chosen so that nothing saturates.
///
/// Codes of few bits, without vpdpbusd, add to int16 partial sums, which
/// `flush` adds to the i32 sum after at most `stepsPerFlush` steps.
class IntegerDot {
public:
  IntegerDot(KernelBuilder &k, unsigned bits);

  /// What to add to the zero point of the format: codes may be taken with a
  /// sign, code - 128.
  int zeroShift() const { return isSigned ? -128 : 0; }

  bool hasPartial() const { return flushSteps > 0; }
  /// At least 1.
  int64_t stepsPerFlush() const;
  Val zeroPartial();

  /// A step's codes (a vector of bytes) in the form that `step` reads, made
  /// once for all activation rows.
  struct Codes {
    Val bytes, magnitude;
  };
  Codes prepare(Val bytes);

  /// Four activations in each lane, from 4 bytes of a row.
  Val broadcastActivations(Val fourBytes);

  /// Adds a step to `partial` if there are such, else to `sum`, of i32.
  void step(const Codes &codes, Val activations, Val &sum, Val &partial);
  void flush(Val &sum, Val partial);

private:
  KernelBuilder &k;
  bool isSigned = false;
  int64_t flushSteps = 0;
};

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_INTEGERDOT_H
