//===- LinearElements.cpp - products with weights that are numbers --------===//
//
// A thread works on its share of the row blocks. Rows of activations are the
// inner loop: a row block stays in the first-level cache while all rows pass
// it, so memory is read once whatever M is. Activations of more than a few rows
// are taken in panels that fit the second-level cache, and copied first: rows
// of a power of two of bytes would push each other out of the first-level
// cache.
//
//===----------------------------------------------------------------------===//

#include "lowering/cpu/kernels/Linear.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

/// Activations that a panel may take, of a second-level cache of 1 MB or more.
static constexpr int64_t panelBytes = 384 << 10;

namespace {

/// Activation rows [first, first + count) that share a pass over a row block.
/// `packed` is where their activations lie in scratch, in the order in which
/// the product reads them; null if it reads the inputs themselves.
struct RowGroup {
  Val first;
  int64_t count;
  Val packed;
};

/// Columns whose activations lie together in a copy.
static constexpr int64_t packedColumns = 16;

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

/// Sizes of row groups, largest first.
static SmallVector<int64_t> getRowSizes(const LinearSpec &spec,
                                        const CpuLevel &level) {
  // Sums take three quarters of the registers.
  int64_t sums = level.registers * 3 / 4;
  int64_t largest = sums * level.lanes() / tileRows;
  if (spec.rows != kDynamic && spec.rows <= largest)
    return {spec.rows};
  SmallVector<int64_t> sizes = {largest};
  for (int64_t size : {8, 4, 2, 1})
    if (size < largest)
      sizes.push_back(size);
  return sizes;
}

/// Bytes of a row's copy.
static int64_t getRowBytes(const LinearSpec &spec) {
  return llvm::alignTo(spec.inputs, packedColumns) * 4;
}

/// Whether activations are copied to scratch: a few rows do no harm as they
/// lie.
static bool packs(const LinearSpec &spec) {
  return spec.rows == kDynamic || spec.rows > 8;
}

/// Rows of activations in a panel, a multiple of the rows that work together.
static int64_t getPanelRows(const LinearSpec &spec, const CpuLevel &level) {
  int64_t largest = getRowSizes(spec, level).front();
  int64_t rows =
      std::max<int64_t>(1, panelBytes / getRowBytes(spec) / largest) * largest;
  return std::min(rows, std::max(spec.maxRows, largest));
}

/// Multiplies rows [first, first + rows).
static void emitPanel(LinearKernel &kernel, Val first, Val rows) {
  KernelBuilder &k = kernel.k;
  auto forRowGroups = [&](llvm::function_ref<void(const RowGroup &)> body) {
    forRowBlocks(k, first, rows, getRowSizes(kernel.spec, k.level()),
                 [&](Val row, int64_t count) {
                   Val packed;
                   if (packs(kernel.spec))
                     packed = (row - first) * getRowBytes(kernel.spec);
                   body({row, count, packed});
                 });
  };
  if (packs(kernel.spec))
    forRowGroups([&](const RowGroup &group) {
      ElementProduct(kernel, Val(), group).pack();
    });
  auto [firstBlock, lastBlock] = k.share(k.index(kernel.layout.rowBlocks));
  k.forLoop(firstBlock, lastBlock, 1, [&](Val block) {
    Val base = block * kernel.layout.rowBlockBytes;
    forRowGroups([&](const RowGroup &group) {
      storeBlock(kernel, block, group.first, group.count,
                 ElementProduct(kernel, base, group).emit());
    });
  });
}

void lq::cpu::emitElements(LinearKernel &kernel) {
  KernelBuilder &k = kernel.k;
  int64_t panelRows = getPanelRows(kernel.spec, k.level());
  if (!packs(kernel.spec) || kernel.spec.maxRows <= panelRows)
    return emitPanel(kernel, k.index(0), kernel.rows());
  k.forLoop(k.index(0), kernel.rows(), panelRows, [&](Val first) {
    Val left = kernel.rows() - first;
    emitPanel(kernel, first, left.min(k.index(panelRows)));
  });
}

int64_t lq::cpu::elementsScratch(const LinearSpec &spec,
                                 const CpuLevel &level) {
  return packs(spec) ? getPanelRows(spec, level) * getRowBytes(spec) : 0;
}
