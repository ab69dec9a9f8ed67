//===- LinearElements.cpp - products with weights that are numbers --------===//

#include "lowering/cpu/kernels/Linear.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

namespace {

/// Columns whose activations lie together in a copy.
constexpr int64_t packedColumns = 16;

/// The product of one row block with a few activation rows, in f32. The copy of
/// a row group's activations in scratch is [K / 16][count][16].
class ElementProduct {
public:
  ElementProduct(LinearKernel &kernel, Val base, const RowGroup &rows)
      : kernel(kernel), k(kernel.k), base(base), rows(rows), count(rows.count),
        parts(kernel.parts()) {}

  Vals emit() {
    int64_t columns = kernel.spec.inputs;
    Vals sums(count * parts * chains(), k.zeros(k.floats()));
    if (!rows.packed) {
      sums = addRange(k.index(0), columns, Val(), sums);
      return joinChains(sums);
    }
    int64_t whole = columns / packedColumns;
    sums = k.forLoop(k.index(0), k.index(whole), 1, sums,
                     [&](Val chunk, ArrayRef<Val> carried) {
                       return addRange(chunk * packedColumns, packedColumns,
                                       chunkOffset(chunk), carried);
                     });
    sums = addRange(k.index(whole * packedColumns), columns % packedColumns,
                    chunkOffset(k.index(whole)), sums);
    return joinChains(sums);
  }

  /// Writes the copy.
  void pack() {
    int64_t columns = kernel.spec.inputs, whole = columns / packedColumns;
    auto copy = [&](Val chunk, int64_t first, int64_t lanes, int64_t present) {
      for (int64_t i = 0; i < count; ++i) {
        Val column = chunk * packedColumns + first;
        Vals place = {rows.first + i, column};
        Val x = present == lanes
                    ? k.load(k.argument(0), place, lanes)
                    : k.loadPart(k.argument(0), place, lanes, k.index(present));
        k.storeBytes(x, k.scratch(),
                     chunkOffset(chunk) + (i * packedColumns + first) * 4);
      }
    };
    k.forLoop(k.index(0), k.index(whole), 1, [&](Val chunk) {
      for (int64_t first = 0; first < packedColumns; first += k.lanes())
        copy(chunk, first, k.lanes(), k.lanes());
    });
    for (int64_t first = 0; first < columns % packedColumns; first += k.lanes())
      copy(k.index(whole), first, k.lanes(),
           std::min(k.lanes(), columns % packedColumns - first));
  }

private:
  static constexpr int64_t unrolled = 4;
  LinearKernel &kernel;
  KernelBuilder &k;
  Val base;
  RowGroup rows;
  int64_t count, parts;

  /// Sums of a cell that take turns, so that a few rows too keep the
  /// multipliers busy: a multiply-add has a latency of 4 cycles.
  int64_t chains() const { return count * parts >= 4 ? 1 : unrolled; }

  Vals joinChains(ArrayRef<Val> sums) {
    Vals result;
    for (int64_t cell = 0; cell < count * parts; ++cell) {
      Val sum = sums[cell * chains()];
      for (int64_t chain = 1; chain < chains(); ++chain)
        sum = sum + sums[cell * chains() + chain];
      result.push_back(sum);
    }
    return result;
  }

  Val chunkOffset(Val chunk) {
    return rows.packed + chunk * (count * packedColumns * 4);
  }

  /// Activation of row `i` in column first + j, where `chunk` is the offset of
  /// the copy of column `first` of the first row.
  Val loadX(int64_t i, Val first, Val j, Val chunk) {
    if (!chunk)
      return k.load(k.argument(0), {rows.first + i, first + j});
    Type one = k.vector(1, k.f32());
    return k
        .loadBytes(k.scratch(), chunk + j * 4 + i * (packedColumns * 4), one)
        .lane(0);
  }

  /// Adds columns [first, first + columns).
  Vals addRange(Val first, int64_t columns, Val chunk, ArrayRef<Val> before) {
    int64_t whole = columns / unrolled * unrolled;
    Vals sums(before);
    if (whole > 0)
      sums = k.forLoop(k.index(0), k.index(whole), unrolled, sums,
                       [&](Val j, ArrayRef<Val> carried) {
                         return addColumns(first, j, unrolled, chunk, carried);
                       });
    return addColumns(first, k.index(whole), columns - whole, chunk, sums);
  }

  Vals addColumns(Val first, Val from, int64_t columns, Val chunk,
                  ArrayRef<Val> before) {
    int64_t width = byteWidth(kernel.spec.format.element);
    Type type = k.vector(k.lanes(), k.elementType(kernel.spec.format.element));
    Vals sums(before);
    for (int64_t j = 0; j < columns; ++j) {
      Val offset = base + (first + from + j) * (tileRows * width);
      Vals weights;
      for (int64_t part = 0; part < parts; ++part)
        weights.push_back(
            k.loadBytes(kernel.weight, offset + part * k.lanes() * width, type)
                .convert(k.f32()));
      for (int64_t i = 0; i < count; ++i) {
        Val x = loadX(i, first, from + j, chunk).broadcast(k.floats());
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

Vals lq::cpu::emitElementProduct(LinearKernel &kernel, Val base,
                                 const RowGroup &rows) {
  return ElementProduct(kernel, base, rows).emit();
}

void lq::cpu::packElements(LinearKernel &kernel, const RowGroup &rows) {
  ElementProduct(kernel, Val(), rows).pack();
}
