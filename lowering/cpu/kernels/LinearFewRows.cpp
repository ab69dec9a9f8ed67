//===- LinearFewRows.cpp - products that read each code once --------------===//
//
// Up to a few rows of activations memory is the bound: each row block is read
// in order, and its codes go from the tiles to the multipliers.
//
//===----------------------------------------------------------------------===//

#include "lowering/cpu/kernels/IntegerProduct.h"
#include "lowering/cpu/kernels/Linear.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

/// Bytes of tiles to ask for ahead, as measured: about what memory sends in its
/// latency.
static constexpr int64_t prefetchDistance = 6144;

/// Rows of activations that take a code while it is in a register.
static int64_t countTogether(const LinearSpec &spec) {
  constexpr int64_t most = 4;
  return spec.rows == kDynamic ? most : std::min(spec.rows, most);
}

namespace {

/// The product of a run of columns.
class FewRows {
public:
  FewRows(LinearKernel &kernel, const TileRun &run)
      : kernel(kernel), k(kernel.k), run(run),
        count(countTogether(kernel.spec)), any(readerOf(k.index(0))),
        dot(IntegerDot::create(k, any.byteBits(), count)),
        needs(any, *dot, tileColumns) {}

  /// Copies the activations of rows from `first` on to byte `packed` of scratch.
  void packActivations(Val packed, Val first, Val last) {
    activationsAt(packed).pack(first, last);
  }

  /// Adds the run to the sums [count][parts] of the row block at byte `base`.
  Vals multiply(Val base, Val packed, ArrayRef<Val> sums) {
    TileReader tiles = readerOf(base);
    IntegerActivations activations = activationsAt(packed);
    IntegerProduct product(k, *dot, activations, count, /*parts=*/1,
                           /*rolls=*/false);
    return tiles.forBlocks(
        sums, [&](const ColumnBlock &block, Val number, ArrayRef<Val> before) {
          Vals sums(before);
          tiles.prefetch(block, prefetchDistance);
          for (int64_t part = 0; part < kernel.parts(); ++part)
            addPart(block, number, part, tiles, product, sums);
          return sums;
        });
  }

private:
  LinearKernel &kernel;
  KernelBuilder &k;
  const TileRun &run;
  int64_t count;
  TileReader any;
  std::unique_ptr<IntegerDot> dot;
  ActivationNeeds needs;

  IntegerActivations activationsAt(Val packed) {
    return IntegerActivations(k, run, count, needs, *dot, packed);
  }

  TileReader readerOf(Val base) {
    return TileReader(k, run, kernel.weight, base);
  }

  void addPart(const ColumnBlock &block, Val number, int64_t part,
               TileReader &tiles, IntegerProduct &product, Vals &sums) {
    TileRows rows{k.index(part * k.lanes()), k.lanes()};
    Vals bytes = tiles.loadCodes(block, rows);
    Vals own;
    for (int64_t i = 0; i < count; ++i)
      own.push_back(sums[i * kernel.parts() + part]);
    product.addBlock(
        number,
        [&](Val first, int64_t step, int64_t) {
          step += *getConstantIntValue(Value(first));
          return dot->prepare(ArrayRef(bytes).slice(step, dot->steps()));
        },
        [&](int64_t column, int64_t) {
          return tiles.loadScale(block, column, rows);
        },
        std::min(tiles.scaleColumns(), tileColumns), own);
    int64_t columns = std::min(tiles.offsetColumns(), tileColumns);
    for (int64_t column = 0; tiles.hasOffset() && column < tileColumns;
         column += columns)
      product.addOffsets(number * (tileColumns / columns) + column / columns,
                         tiles.loadOffset(block, column, rows), own);
    for (int64_t i = 0; i < count; ++i)
      sums[i * kernel.parts() + part] = own[i];
  }
};

/// All runs of all rows, in groups of rows.
class RowGroups {
public:
  explicit RowGroups(LinearKernel &kernel)
      : kernel(kernel), k(kernel.k), count(countTogether(kernel.spec)) {
    for (const TileRun &run : kernel.layout.runs) {
      places.push_back(groupBytes);
      products.push_back(std::make_unique<FewRows>(kernel, run));
      groupBytes += IntegerActivations::countBytes(run, count);
    }
  }

  void emit() {
    Val rows = kernel.rows(), groups = (rows + (count - 1)) / count;
    k.forLoop(k.index(0), groups, 1, [&](Val group) {
      for (auto [product, place] : llvm::zip_equal(products, places))
        product->packActivations(group * groupBytes + place, group * count,
                                 rows - 1);
    });
    auto [first, last] = k.share(k.index(kernel.layout.rowBlocks));
    k.forLoop(first, last, 1, [&](Val block) {
      k.forLoop(k.index(0), groups, 1, [&](Val group) {
        Vals sums(count * kernel.parts(), k.zeros(k.floats()));
        for (auto [product, place] : llvm::zip_equal(products, places))
          sums = product->multiply(block * kernel.layout.rowBlockBytes,
                                   group * groupBytes + place, sums);
        store(block, group * count, sums);
      });
    });
  }

private:
  LinearKernel &kernel;
  KernelBuilder &k;
  int64_t count, groupBytes = 0;
  /// Of each run, and where its activations begin in those of a group.
  std::vector<std::unique_ptr<FewRows>> products;
  std::vector<int64_t> places;

  /// Stores the sums of a group; the last may stand for fewer rows.
  void store(Val block, Val first, ArrayRef<Val> sums) {
    if (kernel.spec.rows == count)
      return storeBlock(kernel, block, first, count, sums);
    int64_t parts = kernel.parts();
    for (int64_t i = 0; i < count; ++i)
      k.ifThen(first + i < kernel.rows(), [&] {
        storeBlock(kernel, block, first + i, 1, sums.slice(i * parts, parts));
      });
  }
};

} // namespace

void lq::cpu::emitFewRows(LinearKernel &kernel) { RowGroups(kernel).emit(); }

int64_t lq::cpu::fewRowsScratch(const LinearSpec &spec) {
  int64_t count = countTogether(spec), bytes = 0;
  for (const FormatRun &run : spec.format.splitColumns(spec.inputs))
    bytes += IntegerActivations::countBytes(run, count);
  return llvm::divideCeil(std::min(mostRows(spec), fewRows), count) * bytes;
}
