//===- IntegerDot.h - dot products of codes with int8 -----------*- C++ -*-===//

#ifndef LQ_LOWERING_CPU_KERNELS_INTEGERDOT_H
#define LQ_LOWERING_CPU_KERNELS_INTEGERDOT_H

#include "lowering/cpu/kernels/KernelBuilder.h"

namespace lq::cpu {

/// Sums of products of unsigned codes of `bits` bits with int8 activations in
/// [-127, 127], four columns a step, one row in each 32-bit lane. Exact: the
/// instructions are chosen so that nothing saturates.
class IntegerDot {
public:
  IntegerDot(KernelBuilder &k, unsigned bits);

  /// What to add to the zero point of the format: codes may be taken with a
  /// sign, code - 128, where the instruction wants that.
  int zeroShift() const { return isSigned ? -128 : 0; }
  /// Steps after which `flush` must move the small sums into the large.
  int64_t stepsPerFlush() const { return flushSteps; }

  /// A step's codes (a vector of bytes) in the form that `step` reads, made
  /// once for all activation rows.
  struct Codes {
    Val bytes, magnitude;
  };
  Codes prepare(Val bytes);

  /// Four activations in each lane, from 4 bytes of a row.
  Val broadcastActivations(Val fourBytes);

  /// Adds a step to `sum`, a vector of i32; `partial` (null at first) holds
  /// what is not yet flushed.
  void step(const Codes &codes, Val activations, Val &sum, Val &partial);
  void flush(Val &sum, Val &partial);

private:
  KernelBuilder &k;
  bool isSigned = false;
  int64_t flushSteps = 0;
};

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_INTEGERDOT_H
