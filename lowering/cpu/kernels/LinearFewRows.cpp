//===- LinearFewRows.cpp - products that read each code once --------------===//
//
// Up to a few rows of activations memory is the bound: each row block is read
// once, in order, and its codes go from the tiles to the multipliers.
//
//===----------------------------------------------------------------------===//

#include "lowering/cpu/kernels/IntegerProduct.h"
#include "lowering/cpu/kernels/Linear.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

/// Bytes to ask for ahead, as measured: about what memory sends in its latency.
static constexpr int64_t prefetchDistance = 6144;

namespace {

/// The product of a run of columns.
class FewRows {
public:
  /// `base`: where its activations go in scratch.
  FewRows(LinearKernel &kernel, const TileRun &run, Val base)
      : kernel(kernel), k(kernel.k), run(run), count(kernel.spec.rows),
        any(readerOf(k.index(0))),
        dot(IntegerDot::create(k, any.byteBits(), count)),
        activations(k, run, count, ActivationNeeds(any, *dot, tileColumns),
                    *dot, base),
        product(k, *dot, activations, count, /*parts=*/1, /*rolls=*/false) {}

  void packActivations() { activations.pack(k.index(0), k.index(count - 1)); }

  /// Adds the run to the sums [count][parts] of the row block at byte `base`.
  Vals multiply(Val base, ArrayRef<Val> sums) {
    TileReader tiles = readerOf(base);
    return tiles.forBlocks(
        sums, [&](const ColumnBlock &block, Val number, ArrayRef<Val> before) {
          Vals sums(before);
          tiles.prefetch(block, prefetchDistance);
          for (int64_t part = 0; part < kernel.parts(); ++part)
            addPart(block, number, part, tiles, sums);
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
  IntegerActivations activations;
  IntegerProduct product;

  TileReader readerOf(Val base) {
    return TileReader(k, run, kernel.weight, base);
  }

  void addPart(const ColumnBlock &block, Val number, int64_t part,
               TileReader &tiles, Vals &sums) {
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

} // namespace

void lq::cpu::emitFewRows(LinearKernel &kernel) {
  KernelBuilder &k = kernel.k;
  int64_t count = kernel.spec.rows, base = 0;
  std::vector<std::unique_ptr<FewRows>> products;
  for (const TileRun &run : kernel.layout.runs) {
    products.push_back(std::make_unique<FewRows>(kernel, run, k.index(base)));
    products.back()->packActivations();
    base += IntegerActivations::countBytes(run, count);
  }
  auto [first, last] = k.share(k.index(kernel.layout.rowBlocks));
  k.forLoop(first, last, 1, [&](Val block) {
    Vals sums(count * kernel.parts(), k.zeros(k.floats()));
    for (auto &product : products)
      sums = product->multiply(block * kernel.layout.rowBlockBytes, sums);
    storeBlock(kernel, block, k.index(0), count, sums);
  });
}

int64_t lq::cpu::fewRowsScratch(const LinearSpec &spec) {
  int64_t bytes = 0;
  for (const FormatRun &run : spec.format.splitColumns(spec.inputs))
    bytes += IntegerActivations::countBytes(run, spec.rows);
  return bytes;
}
