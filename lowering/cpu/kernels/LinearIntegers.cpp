//===- LinearIntegers.cpp - products of codes and int8 activations --------===//
//
// y = sum over groups g of  scale_w(n, g) scale_x(g) (sum over k of code x -
// zero sum_x)
//
// The lanes of a vector are rows of W. In a group the integer sum starts at
// -zero * sum_x, so that the zero point costs nothing; one conversion and one
// fused multiply-add a group bring it to f32.
//
//===----------------------------------------------------------------------===//

#include "lowering/cpu/kernels/IntegerDot.h"
#include "lowering/cpu/kernels/Linear.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

namespace {

/// The product of one row block with a few activation rows.
class IntegerProduct {
public:
  IntegerProduct(LinearKernel &kernel, Val base, Val row, int64_t count)
      : kernel(kernel), k(kernel.k), format(kernel.spec.format),
        dot(k, format.bits), base(base), row(row), count(count),
        parts(kernel.parts()) {}

  Vals emit() {
    Val groups = k.index(kernel.spec.inputs / format.group);
    Vals zeros(count * parts, k.zeros(k.floats()));
    return k.forLoop(
        k.index(0), groups, 1, zeros,
        [&](Val group, ArrayRef<Val> sums) { return addGroup(group, sums); });
  }

private:
  LinearKernel &kernel;
  KernelBuilder &k;
  const FormatDescription &format;
  IntegerDot dot;
  Val base, row;
  int64_t count, parts;

  /// Up to so many rows memory is the bound and prefetching pays; how far ahead
  /// was measured: with one or two rows out-of-order execution does most, with
  /// more it does not reach far enough.
  static constexpr int64_t rowsOfDecode = 4;

  /// Steps of four columns whose codes share a byte.
  int64_t stepsPerLoad() const { return 8 / format.bits; }
  int64_t stepsPerGroup() const { return format.group / 4; }

  /// Steps whose codes are in registers together: up to 8, a divisor of the
  /// group's.
  int64_t stepsPerChunk() const {
    int64_t steps = std::min<int64_t>(stepsPerGroup(), 8);
    while (stepsPerGroup() % steps != 0 || steps % stepsPerLoad() != 0)
      --steps;
    return steps;
  }

  /// A second integer sum for a single row hides the latency of the dot
  /// product; several rows hide each other's.
  int64_t chains() const { return k.level().vnni && count == 1 ? 2 : 1; }

  /// scale_w of the rows of each part.
  Vals loadScales(Val group) {
    int64_t width = byteWidth(format.scale);
    Val offset =
        base + group * kernel.layout.groupBytes + kernel.layout.groupCodeBytes;
    Vals scales;
    for (int64_t part = 0; part < parts; ++part) {
      Type type = k.vector(k.lanes(), k.elementType(format.scale));
      scales.push_back(
          k.loadBytes(kernel.weight, offset + part * k.lanes() * width, type)
              .convert(k.f32()));
    }
    return scales;
  }

  /// The integer sums [count][parts][chains] before the first column.
  Vals startSums(Val group) {
    Type type = k.vector(k.lanes(), k.i32());
    int zero = format.zero + dot.zeroShift();
    Vals sums(count * parts * chains(), k.zeros(type));
    if (zero == 0)
      return sums;
    for (int64_t i = 0; i < count; ++i) {
      Val correction = k.load(k.argument(2), {row + i, group}) * -zero;
      for (int64_t part = 0; part < parts; ++part)
        sums[(i * parts + part) * chains()] = correction.broadcast(type);
    }
    return sums;
  }

  /// The codes [steps][parts] of a chunk of a group.
  SmallVector<IntegerDot::Codes> loadCodes(Val group, Val step) {
    int64_t vectorBytes = k.level().vectorBits / 8;
    Type type = k.vector(vectorBytes, k.i8());
    int64_t steps = stepsPerChunk();
    SmallVector<IntegerDot::Codes> codes(steps * parts);
    for (int64_t load = 0; load < steps / stepsPerLoad(); ++load) {
      Val offset = base + group * kernel.layout.groupBytes +
                   (step / stepsPerLoad() + load) * (tileRows * 4);
      if (count <= rowsOfDecode)
        k.prefetch(kernel.weight, offset + (count <= 2 ? 512 : 4096));
      for (int64_t part = 0; part < parts; ++part) {
        Val bytes =
            k.loadBytes(kernel.weight, offset + part * vectorBytes, type);
        for (int64_t j = 0; j < stepsPerLoad(); ++j)
          codes[(load * stepsPerLoad() + j) * parts + part] =
              dot.prepare(extractCodes(bytes, j));
      }
    }
    return codes;
  }

  /// The j-th code of each byte.
  Val extractCodes(Val bytes, int64_t j) {
    if (stepsPerLoad() == 1)
      return bytes;
    int64_t shift = j * format.bits;
    if (shift != 0)
      bytes = bytes >> shift;
    return shift + format.bits == 8 ? bytes : bytes & ((1 << format.bits) - 1);
  }

  Val loadActivations(int64_t i, Val column) {
    return dot.broadcastActivations(
        k.load(k.argument(0), {row + i, column}, 4));
  }

  /// Adds steps [step, step + stepsPerChunk()) of a group to the integer sums.
  Vals addChunk(Val group, Val step, ArrayRef<Val> before) {
    SmallVector<IntegerDot::Codes> codes = loadCodes(group, step);
    Vals sums(before);
    Vals partial(count * parts);
    auto add = [&](int64_t i, int64_t s) {
      Val activations =
          loadActivations(i, group * format.group + (step + s) * 4);
      for (int64_t part = 0; part < parts; ++part) {
        int64_t cell = i * parts + part;
        Val &sum = sums[cell * chains() + s % chains()];
        dot.step(codes[s * parts + part], activations, sum, partial[cell]);
        if ((s + 1) % dot.stepsPerFlush() == 0 || s + 1 == stepsPerChunk())
          dot.flush(sum, partial[cell]);
      }
    };
    // With few registers a step's codes serve all rows at once; with many the
    // codes stay while row follows row.
    if (k.level().registers < 32) {
      for (int64_t s = 0; s < stepsPerChunk(); ++s)
        for (int64_t i = 0; i < count; ++i)
          add(i, s);
    } else {
      for (int64_t i = 0; i < count; ++i)
        for (int64_t s = 0; s < stepsPerChunk(); ++s)
          add(i, s);
    }
    return sums;
  }

  Vals addGroup(Val group, ArrayRef<Val> before) {
    Vals scales = loadScales(group);
    Vals sums = startSums(group);
    if (stepsPerChunk() == stepsPerGroup())
      sums = addChunk(group, k.index(0), sums);
    else
      sums = k.forLoop(k.index(0), k.index(stepsPerGroup()), stepsPerChunk(),
                       sums, [&](Val step, ArrayRef<Val> carried) {
                         return addChunk(group, step, carried);
                       });
    Vals result(before);
    for (int64_t i = 0; i < count; ++i) {
      Val scale = k.load(k.argument(1), {row + i, group}).broadcast(k.floats());
      for (int64_t part = 0; part < parts; ++part) {
        int64_t cell = i * parts + part;
        Val sum = sums[cell * chains()];
        for (int64_t chain = 1; chain < chains(); ++chain)
          sum = sum + sums[cell * chains() + chain];
        result[cell] =
            sum.convert(k.f32()).fma(scales[part] * scale, result[cell]);
      }
    }
    return result;
  }
};

} // namespace

Vals lq::cpu::emitIntegerProduct(LinearKernel &kernel, Val base, Val row,
                                 int64_t count) {
  return IntegerProduct(kernel, base, row, count).emit();
}
