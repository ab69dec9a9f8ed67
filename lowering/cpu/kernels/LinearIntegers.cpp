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

/// The activations of a row group: read from the kernel's inputs, or from their
/// copy in scratch, which has for each group of columns
///     codes [count][group] i8, scales [count] f32, corrections [count] i32.
class IntegerActivations {
public:
  IntegerActivations(LinearKernel &kernel, const RowGroup &rows,
                     const IntegerDot &dot)
      : k(kernel.k), spec(kernel.spec), rows(rows),
        zero(spec.format.zero + dot.zeroShift()) {}

  /// Codes of columns [4 step, 4 step + 4) of a group of row `i`.
  Val codes(int64_t i, Val group, Val step) {
    if (!rows.packed)
      return k.load(k.argument(0),
                    {rows.first + i, group * spec.format.group + step * 4}, 4);
    return k.loadBytes(k.scratch(),
                       groupOffset(group) + step * 4 + i * spec.format.group,
                       k.vector(4, k.i8()));
  }

  Val scale(int64_t i, Val group) {
    if (!rows.packed)
      return k.load(k.argument(1), {rows.first + i, group});
    return loadWord(scaleOffset(i, group), k.f32());
  }

  /// What the codes' zero point subtracts: -zero * sum_x; null if nothing.
  Val correction(int64_t i, Val group) {
    if (zero == 0)
      return Val();
    if (!rows.packed)
      return k.load(k.argument(2), {rows.first + i, group}) * -zero;
    return loadWord(scaleOffset(rows.count + i, group), k.i32());
  }

  /// Writes the copy.
  void pack() {
    int64_t groupSize = spec.format.group;
    int64_t lanes = std::min<int64_t>(groupSize & -groupSize, 64);
    Val groups = k.index(spec.inputs / groupSize);
    k.forLoop(k.index(0), groups, 1, [&](Val group) {
      for (int64_t i = 0; i < rows.count; ++i) {
        Val row = rows.first + i;
        for (int64_t j = 0; j < groupSize; j += lanes)
          k.storeBytes(
              k.load(k.argument(0), {row, group * groupSize + j}, lanes),
              k.scratch(), groupOffset(group) + (i * groupSize + j));
        k.storeBytes(k.load(k.argument(1), {row, group}), k.scratch(),
                     scaleOffset(i, group));
        k.storeBytes(k.load(k.argument(2), {row, group}) * -zero, k.scratch(),
                     scaleOffset(rows.count + i, group));
      }
    });
  }

private:
  KernelBuilder &k;
  const LinearSpec &spec;
  RowGroup rows;
  int zero;

  Val groupOffset(Val group) {
    return rows.packed + group * (rows.count * (spec.format.group + 8));
  }
  Val scaleOffset(int64_t i, Val group) {
    return groupOffset(group) + (rows.count * spec.format.group + i * 4);
  }
  Val loadWord(Val offset, Type type) {
    return k.loadBytes(k.scratch(), offset, k.vector(1, type)).lane(0);
  }
};

/// The product of one row block with a few activation rows.
class IntegerProduct {
public:
  IntegerProduct(LinearKernel &kernel, Val base, const RowGroup &rows)
      : kernel(kernel), k(kernel.k), format(kernel.spec.format),
        dot(k, format.bits), base(base), activations(kernel, rows, dot),
        count(rows.count), parts(kernel.parts()) {}

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
  Val base;
  IntegerActivations activations;
  int64_t count, parts;

  /// Up to so many rows memory is the bound and prefetching pays.
  static constexpr int64_t rowsOfDecode = 4;

  /// Bytes to ask for ahead, as measured: where a group is few instructions,
  /// out-of-order execution does most; else it does not reach far enough.
  int64_t prefetchDistance() const {
    return k.level().vnni && count <= 2 ? 512 : 4096;
  }

  /// Steps of four columns whose codes share a byte.
  int64_t stepsPerLoad() const { return 8 / format.bits; }
  int64_t stepsPerGroup() const { return format.group / 4; }

  /// Steps whose codes are in registers together: up to 8, a divisor of the
  /// group's.
  int64_t stepsPerChunk() const {
    int64_t steps =
        std::min({stepsPerGroup(), dot.stepsPerFlush(), int64_t(8)});
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
    Vals sums(count * parts * chains(), k.zeros(type));
    for (int64_t i = 0; i < count; ++i)
      if (Val correction = activations.correction(i, group))
        for (int64_t part = 0; part < parts; ++part)
          sums[(i * parts + part) * chains()] = correction.broadcast(type);
    return sums;
  }

  /// The codes [steps][parts] of a group from `step` on.
  SmallVector<IntegerDot::Codes> loadCodes(Val group, Val step, int64_t steps) {
    int64_t vectorBytes = k.level().vectorBits / 8;
    Type type = k.vector(vectorBytes, k.i8());
    SmallVector<IntegerDot::Codes> codes(steps * parts);
    for (int64_t load = 0; load < steps / stepsPerLoad(); ++load) {
      Val offset = base + group * kernel.layout.groupBytes +
                   (step / stepsPerLoad() + load) * (tileRows * 4);
      if (count <= rowsOfDecode)
        k.prefetch(kernel.weight, offset + prefetchDistance());
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

  /// Adds a chunk of a group, from `step` on, to the integer sums.
  Vals addChunk(Val group, Val step, ArrayRef<Val> before) {
    return k.level().registers < 32 ? addStepByStep(group, step, before)
                                    : addRowByRow(group, step, before);
  }

  /// With many registers the codes of a chunk stay while row follows row.
  Vals addRowByRow(Val group, Val step, ArrayRef<Val> before) {
    SmallVector<IntegerDot::Codes> codes =
        loadCodes(group, step, stepsPerChunk());
    Vals sums(before), partials = zeroPartials();
    for (int64_t i = 0; i < count; ++i)
      for (int64_t s = 0; s < stepsPerChunk(); ++s)
        addStep(i, group, step + s, ArrayRef(codes).slice(s * parts, parts),
                s % chains(), sums, partials);
    flush(sums, partials);
    return sums;
  }

  /// With few registers a step's codes serve all rows at once. The loop stays a
  /// loop: unrolled, the scheduler fills the registers with codes of many steps
  /// and spills them.
  Vals addStepByStep(Val group, Val step, ArrayRef<Val> before) {
    Vals sums(before);
    Vals carried =
        k.rolledLoop(step, step + stepsPerChunk(), stepsPerLoad(),
                     dot.hasPartial() ? zeroPartials() : sums,
                     [&](Val step, ArrayRef<Val> before) {
                       SmallVector<IntegerDot::Codes> codes =
                           loadCodes(group, step, stepsPerLoad());
                       Vals next(before);
                       for (int64_t s = 0; s < stepsPerLoad(); ++s)
                         for (int64_t i = 0; i < count; ++i)
                           addStep(i, group, step + s,
                                   ArrayRef(codes).slice(s * parts, parts), 0,
                                   dot.hasPartial() ? sums : next, next);
                       return next;
                     });
    if (!dot.hasPartial())
      return carried;
    flush(sums, carried);
    return sums;
  }

  /// The partial sums [count][parts] before the first step.
  Vals zeroPartials() {
    return Vals(count * parts, dot.hasPartial() ? dot.zeroPartial() : Val());
  }

  /// Adds a step's codes of each part, times row i's activations.
  void addStep(int64_t i, Val group, Val step,
               ArrayRef<IntegerDot::Codes> codes, int64_t chain, Vals &sums,
               Vals &partials) {
    Val four = dot.broadcastActivations(activations.codes(i, group, step));
    for (int64_t part = 0; part < parts; ++part) {
      int64_t cell = i * parts + part;
      dot.step(codes[part], four, sums[cell * chains() + chain],
               partials[cell]);
    }
  }

  void flush(Vals &sums, ArrayRef<Val> partials) {
    if (!dot.hasPartial())
      return;
    for (int64_t cell = 0; cell < count * parts; ++cell)
      dot.flush(sums[cell * chains()], partials[cell]);
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
      Val scale = activations.scale(i, group).broadcast(k.floats());
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

Vals lq::cpu::emitIntegerProduct(LinearKernel &kernel, Val base,
                                 const RowGroup &rows) {
  return IntegerProduct(kernel, base, rows).emit();
}

void lq::cpu::packIntegers(LinearKernel &kernel, const RowGroup &rows) {
  IntegerDot dot(kernel.k, kernel.spec.format.bits);
  IntegerActivations(kernel, rows, dot).pack();
}
