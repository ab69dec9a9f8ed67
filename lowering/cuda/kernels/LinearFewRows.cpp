//===- LinearFewRows.cpp - products that wait for memory alone ------------===//
//
// A block of threads takes a row block; its warps take column blocks in turn
// and add up what they have in the end. Codes go from memory to the multipliers:
// with the sum s of a lane's activations x = xs * xq in units of xs,
//
//   y += xs (scale (sum code xq - zero s) + offset s)
//
//===----------------------------------------------------------------------===//

#include "lowering/cuda/kernels/Linear.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lq;
using namespace lq::cuda;

/// Column blocks whose loads a warp has under way at once.
static constexpr int64_t blocksTogether = 4;
/// Warps of a block at most.
static constexpr int64_t mostWarps = 8;

/// As many warps as have a turn of column blocks each.
static int64_t chooseWarps(const LinearSpec &spec) {
  int64_t turns = spec.inputs / tileColumns / blocksTogether;
  return static_cast<int64_t>(llvm::bit_floor(
      static_cast<uint64_t>(std::clamp<int64_t>(turns, 1, mostWarps))));
}

namespace {

class FewRows {
public:
  FewRows(KernelBuilder &k, const LinearSpec &spec)
      : k(k), kernel(k, spec), place(k), rows(spec.rows) {}

  void emit() {
    Val rowBlock = k.block(gpu::Dimension::x);
    // Sums [row of x]: of the two rows of the weight, f32 each.
    Vals sums(rows, k.zeros(pairs()));
    for (const TileRun &run : kernel.layout.runs)
      sums = addRun(run, rowBlock, sums);
    finish(rowBlock, sums);
  }

private:
  KernelBuilder &k;
  LinearKernel kernel;
  LanePlace place;
  int64_t rows;

  Type pairs() { return k.vector(2, k.f32()); }

  Vals addRun(const TileRun &run, Val rowBlock, ArrayRef<Val> initial) {
    FragmentReader reader(k, run, kernel.weight,
                          rowBlock * kernel.layout.rowBlockBytes, place);
    int64_t blocks = run.columns / tileColumns, warps = k.warps();
    int64_t together = blocksTogether * warps;
    int64_t whole = blocks / together * together;
    auto addBlocks = [&](Val first, int64_t count, ArrayRef<Val> before) {
      Vals sums(before);
      for (int64_t i = 0; i < count; ++i)
        addBlock(reader, run, first + i * warps, sums);
      return sums;
    };
    Vals sums(initial);
    if (whole)
      sums = k.forLoop(k.index(0), k.index(whole), together, sums,
                       [&](Val first, ArrayRef<Val> before) {
                         return addBlocks(first + k.warp(), blocksTogether,
                                          before);
                       });
    for (int64_t first = whole; first < blocks; first += warps) {
      Val block = k.warp() + first;
      if (first + warps <= blocks) {
        sums = addBlocks(block, 1, sums);
        continue;
      }
      sums = k.ifElse(
          block < blocks, [&] { return addBlocks(block, 1, sums); },
          [&] { return sums; });
    }
    return sums;
  }

  void addBlock(FragmentReader &reader, const TileRun &run, Val number,
                Vals &sums) {
    ColumnBlock block = reader.numbers().blockAt(number);
    FragmentReader::Words codes = reader.loadCodes(block);
    Val scale = reader.loadScale(block), offset;
    if (reader.numbers().hasOffset())
      offset = reader.loadOffset(block);
    Val absolute = number + run.firstColumn / tileColumns;
    Val column = absolute * tileColumns + place.column();
    for (int64_t row = 0; row < rows; ++row) {
      Val words = k.load(kernel.x[0], {k.index(row), column}, 8, 8)
                      .bitcast(k.vector(2, k.i32()));
      Val unit = k.load(kernel.x[1], {k.index(row), absolute});
      addProducts(codes, words, unit, scale, offset, reader.numbers().zero(),
                  sums[row]);
    }
  }

  void addProducts(const FragmentReader::Words &codes, Val words, Val unit,
                   Val scale, Val offset, int zero, Val &sum) {
    Val none = k.constant(k.i32(), 0), total;
    if (zero || offset)
      total =
          k.dot(k.constant(k.i32(), 0x01010101), words.lane(0),
                k.dot(k.constant(k.i32(), 0x01010101), words.lane(1), none));
    Vals dots;
    for (int64_t row : {0, 1}) {
      Val start = zero ? total * -zero : none;
      Val dot = k.dot(codes[0][row], words.lane(0), start);
      dots.push_back(k.dot(codes[1][row], words.lane(1), dot).convert(k.f32()));
    }
    Val product = k.pair(dots[0], dots[1]) * scale;
    if (offset)
      product = total.convert(k.f32()).broadcast(pairs()).fma(offset, product);
    sum = product.fma(unit.broadcast(pairs()), sum);
  }

  /// Adds up over lanes with the same rows, then over warps.
  void finish(Val rowBlock, ArrayRef<Val> sums) {
    int64_t warps = k.warps();
    Val partial = k.shared({rows, warps, tileRows}, k.f32());
    for (auto [row, sum] : llvm::enumerate(sums)) {
      Vals halves;
      for (int64_t i : {0, 1})
        halves.push_back(k.sumLanes(sum.lane(i), 4));
      k.ifThen(place.c == 0, [&] {
        k.store(k.pair(halves[0], halves[1]), partial,
                {k.index(static_cast<int64_t>(row)), k.warp(), place.g * 2},
                /*alignment=*/8);
      });
    }
    k.barrier();
    k.ifThen(k.thread() < tileRows, [&] {
      Val output = rowBlock * tileRows + k.thread();
      for (int64_t row = 0; row < rows; ++row) {
        Val total;
        for (int64_t warp = 0; warp < warps; ++warp) {
          Val part = k.load(partial, {k.index(row), k.index(warp), k.thread()});
          total = total ? total + part : part;
        }
        kernel.store(total, k.index(row), output);
      }
    });
  }
};

} // namespace

gpu::GPUFuncOp lq::cuda::emitFewRows(gpu::GPUModuleOp module, StringRef name,
                                     const LinearSpec &spec, const Chip &chip) {
  KernelBuilder k(module, name, chip, linearTypes(module.getContext(), spec),
                  chooseWarps(spec) * warpThreads);
  FewRows(k, spec).emit();
  int64_t rowBlocks = llvm::divideCeil(spec.outputs, tileRows);
  return k.finish(constantGrid(module.getContext(), rowBlocks));
}
