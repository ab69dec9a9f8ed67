//===- IntegerDot.cpp - dot products of codes with int8 -------------------===//

#include "lowering/cpu/kernels/IntegerDot.h"
#include <limits>

using namespace lq::cpu;

IntegerDot::IntegerDot(KernelBuilder &k, unsigned bits) : k(k) {
  if (k.level().vnni)
    return;
  // vpmaddubsw adds two products u8 x s8 into an int16 and saturates. Codes of
  // few bits leave room for several steps. Codes of 8 bits do not even fit as
  // they are, but do as sign and magnitude: 2 * 128 * 127.
  int64_t largestPair = 2 * 127 * ((int64_t(1) << bits) - 1);
  flushSteps = std::numeric_limits<int16_t>::max() / largestPair;
  isSigned = flushSteps == 0;
}

int64_t IntegerDot::stepsPerFlush() const {
  return hasPartial() ? flushSteps : std::numeric_limits<int64_t>::max();
}

Val IntegerDot::zeroPartial() {
  return k.zeros(k.vector(2 * k.lanes(), k.builder().getI16Type()));
}

IntegerDot::Codes IntegerDot::prepare(Val bytes) {
  if (!isSigned)
    return {bytes, Val()};
  // code - 128 in two's complement is code + 128 modulo 256.
  Val centred = bytes + bytes.like(-128);
  Val zero = bytes.like(0);
  return {centred, (zero - centred).where(centred < zero, centred)};
}

Val IntegerDot::broadcastActivations(Val fourBytes) {
  mlir::Type word = k.vector(1, k.i32());
  return fourBytes.bitcast(word)
      .broadcast(k.vector(k.lanes(), k.i32()))
      .bitcast(k.vector(4 * k.lanes(), k.i8()));
}

void IntegerDot::step(const Codes &codes, Val activations, Val &sum,
                      Val &partial) {
  if (k.level().vnni) {
    std::string name =
        "llvm.x86.avx512.vpdpbusd." + std::to_string(k.level().vectorBits);
    sum = k.intrinsic(name, sum.type(), {sum, codes.bytes, activations});
    return;
  }
  mlir::Type pairs = zeroPartial().type();
  if (hasPartial()) {
    partial = partial + k.intrinsic("llvm.x86.avx2.pmadd.ub.sw", pairs,
                                    {codes.bytes, activations});
    return;
  }
  Val withSign = k.intrinsic("llvm.x86.avx2.psign.b", activations.type(),
                             {activations, codes.bytes});
  flush(sum, k.intrinsic("llvm.x86.avx2.pmadd.ub.sw", pairs,
                         {codes.magnitude, withSign}));
}

void IntegerDot::flush(Val &sum, Val partial) {
  sum = sum + k.intrinsic("llvm.x86.avx2.pmadd.wd", sum.type(),
                          {partial, partial.like(1)});
}
