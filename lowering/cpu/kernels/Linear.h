//===- Linear.h - what the linear kernels share -----------------*- C++ -*-===//

#ifndef LQ_LOWERING_CPU_KERNELS_LINEAR_H
#define LQ_LOWERING_CPU_KERNELS_LINEAR_H

#include "dialects/lq/Tile.h"
#include "lowering/cpu/kernels/KernelBuilder.h"
#include "lowering/cpu/kernels/Kernels.h"

namespace lq::cpu {

/// One linear kernel while it is built: its arguments and shapes.
struct LinearKernel {
  KernelBuilder &k;
  const LinearSpec &spec;
  TileLayout layout;
  Val weight, bias, residual, out;

  LinearKernel(KernelBuilder &k, const LinearSpec &spec);

  /// Vectors that hold a number for each row of a row block.
  int64_t parts() const { return tileRows / k.lanes(); }
  Val rows() { return k.size(out, 0); }
};

/// Activation rows [first, first + count) that share a pass over a row block.
/// `packed` is where their activations lie in scratch, in the order in which
/// the product reads them; null if it reads the inputs themselves.
struct RowGroup {
  Val first;
  int64_t count;
  Val packed;
};

/// Sizes of row groups, largest first.
llvm::SmallVector<int64_t> getRowSizes(const LinearSpec &spec,
                                       const CpuLevel &level);

/// Products of quantized activations with codes, and of f32 with elements: the
/// sums [count][parts] of the row block at byte `base` of the weight.
Vals emitIntegerProduct(LinearKernel &kernel, Val base, const RowGroup &rows);
Vals emitElementProduct(LinearKernel &kernel, Val base, const RowGroup &rows);

/// Writes the activations of a row group to where `packed` says; bytes a row.
void packIntegers(LinearKernel &kernel, const RowGroup &rows);
void packElements(LinearKernel &kernel, const RowGroup &rows);
int64_t getPackedRowBytes(const LinearSpec &spec);
/// Bytes of a row's activations of a column block of the run.
int64_t getPackedBlockBytes(const FormatRun &run);

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_LINEAR_H
