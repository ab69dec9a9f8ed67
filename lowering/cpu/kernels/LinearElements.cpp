//===- LinearElements.cpp - products with weights that are numbers --------===//

#include "lowering/cpu/kernels/Linear.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

namespace {

/// The product of one row block with a few activation rows, in f32.
class ElementProduct {
public:
  ElementProduct(LinearKernel &kernel, Val base, Val row, int64_t count)
      : kernel(kernel), k(kernel.k), base(base), row(row), count(count),
        parts(kernel.parts()) {}

  Vals emit() {
    int64_t columns = kernel.spec.inputs;
    int64_t whole = columns / unrolled * unrolled;
    Vals sums(count * parts * chains(), k.zeros(k.floats()));
    sums = k.forLoop(k.index(0), k.index(whole), unrolled, sums,
                     [&](Val column, ArrayRef<Val> carried) {
                       return addColumns(column, unrolled, carried);
                     });
    sums = addColumns(k.index(whole), columns - whole, sums);
    Vals result;
    for (int64_t cell = 0; cell < count * parts; ++cell) {
      Val sum = sums[cell * chains()];
      for (int64_t chain = 1; chain < chains(); ++chain)
        sum = sum + sums[cell * chains() + chain];
      result.push_back(sum);
    }
    return result;
  }

private:
  static constexpr int64_t unrolled = 4;
  LinearKernel &kernel;
  KernelBuilder &k;
  Val base, row;
  int64_t count, parts;

  /// Sums of a cell that take turns, so that a few rows too keep the
  /// multipliers busy: a multiply-add has a latency of 4 cycles.
  int64_t chains() const { return count * parts >= 4 ? 1 : unrolled; }

  Vals addColumns(Val column, int64_t columns, ArrayRef<Val> before) {
    int64_t width = byteWidth(kernel.spec.format.element);
    Type type = k.vector(k.lanes(), k.elementType(kernel.spec.format.element));
    Vals sums(before);
    for (int64_t j = 0; j < columns; ++j) {
      Val offset = base + (column + j) * (tileRows * width);
      Vals weights;
      for (int64_t part = 0; part < parts; ++part)
        weights.push_back(
            k.loadBytes(kernel.weight, offset + part * k.lanes() * width, type)
                .convert(k.f32()));
      for (int64_t i = 0; i < count; ++i) {
        Val x =
            k.load(k.argument(0), {row + i, column + j}).broadcast(k.floats());
        for (int64_t part = 0; part < parts; ++part) {
          Val &sum = sums[(i * parts + part) * chains() + j % chains()];
          sum = weights[part].fma(x, sum);
        }
      }
    }
    return sums;
  }
};

} // namespace

Vals lq::cpu::emitElementProduct(LinearKernel &kernel, Val base, Val row,
                                 int64_t count) {
  return ElementProduct(kernel, base, row, count).emit();
}
