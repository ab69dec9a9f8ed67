//===- Linear.h - what the linear kernels share -----------------*- C++ -*-===//

#ifndef LQ_LOWERING_CUDA_KERNELS_LINEAR_H
#define LQ_LOWERING_CUDA_KERNELS_LINEAR_H

#include "dialects/lq/Tile.h"
#include "lowering/cuda/kernels/KernelBuilder.h"
#include "lowering/cuda/kernels/Kernels.h"
#include "lowering/kernels/TileReader.h"

namespace lq::cuda {

/// What a lane of a warp takes of a block of 16 rows and 32 columns: rows 2 g
/// and 2 g + 1, columns 8 c .. 8 c + 7, with g = lane / 4, c = lane % 4. Two
/// rows lie side by side in tiles; and with weight row 2 g as row g of a
/// fragment and 2 g + 1 as row g + 8, columns 8 c + 4 t .. + 3 are what
/// mma.m16n8k16 wants in the lane, for t = 0, 1.
struct LanePlace {
  Val g, c;

  explicit LanePlace(KernelBuilder &k) : g(k.lane() / 4), c(k.lane() % 4) {}
  TileRows rows() const { return {g * 2, 2}; }
  Val column() const { return c * 8; }
};

/// Reads a lane's part of the codes of a run of columns of a row block.
class FragmentReader {
public:
  /// `base`: the first byte of the row block in `weight`.
  FragmentReader(KernelBuilder &k, const TileRun &run, Val weight, Val base,
                 const LanePlace &place);

  TileReader &numbers() { return tiles; }

  /// Words of four codes: [step][row], columns 8 c + 4 step of row 2 g + row.
  using Words = std::array<std::array<Val, 2>, 2>;
  Words loadCodes(const ColumnBlock &block);

  /// Scales and offsets of the two rows, for the lane's columns.
  Val loadScale(const ColumnBlock &block) {
    return tiles.loadScale(block, columnOf(tiles.scaleColumns()), place.rows());
  }
  Val loadOffset(const ColumnBlock &block) {
    return tiles.loadOffset(block, columnOf(tiles.offsetColumns()),
                            place.rows());
  }

private:
  KernelBuilder &k;
  const TileRun &run;
  Val weight;
  LanePlace place;
  TileReader tiles;
  llvm::SmallVector<uint8_t> table;

  /// The lane's column in a block, where groups are smaller than blocks.
  Val columnOf(int64_t group) {
    return group < tileColumns ? place.column() : k.index(0);
  }
  Val loadPair(Val offset);
  Val fieldOf(Val pair, int64_t width, int64_t step);
};

/// One linear kernel while it is built: its arguments and shapes.
struct LinearKernel {
  KernelBuilder &k;
  const LinearSpec &spec;
  TileLayout layout;
  llvm::SmallVector<Val> x;
  Val weight, bias, residual, out;

  LinearKernel(KernelBuilder &k, const LinearSpec &spec);

  /// Adds bias and residual to the sum of a row of x and an output, which may lie
  /// outside, and stores it.
  void store(Val sum, Val row, Val output);
};

/// Types of the arguments: x, weight, [bias], [residual], out.
llvm::SmallVector<mlir::Type> linearTypes(mlir::MLIRContext *context,
                                          const LinearSpec &spec);

/// The kernels for few rows, and for any number.
mlir::gpu::GPUFuncOp emitFewRows(mlir::gpu::GPUModuleOp module,
                                 llvm::StringRef name, const LinearSpec &spec,
                                 const Chip &chip);
mlir::gpu::GPUFuncOp emitMatrix(mlir::gpu::GPUModuleOp module,
                                llvm::StringRef name, const LinearSpec &spec,
                                const Chip &chip);

/// Whether a linear takes quantized activations, else f16.
inline bool takesInt8(const LinearSpec &spec) {
  return spec.rows != kDynamic && spec.rows <= fewRows;
}

} // namespace lq::cuda

#endif // LQ_LOWERING_CUDA_KERNELS_LINEAR_H
