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

/// Products of `count` activation rows from `row` with the row block at byte
/// `base` of the weight: vectors [count][parts].
using BlockProduct = llvm::function_ref<Vals(Val base, Val row, int64_t count)>;

/// Rows of activations that share a pass over a row block, largest first.
llvm::SmallVector<int64_t> getRowSizes(const LinearSpec &spec,
                                       const CpuLevel &level);

/// The products of codes with quantized activations, and of elements with f32.
Vals emitIntegerProduct(LinearKernel &kernel, Val base, Val row, int64_t count);
Vals emitElementProduct(LinearKernel &kernel, Val base, Val row, int64_t count);

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_LINEAR_H
