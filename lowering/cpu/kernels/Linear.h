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

/// Adds bias and residual and stores sums [count][parts] of the row block
/// `block`, which may stand for fewer outputs than it has rows, or for none.
void storeBlock(LinearKernel &kernel, Val block, Val row, int64_t count,
                llvm::ArrayRef<Val> sums);

/// Rows up to which codes are not unpacked first.
constexpr int64_t fewRows = 8;

/// Rows of activations that the kernel can be called with.
inline int64_t mostRows(const LinearSpec &spec) {
  return spec.rows == kDynamic ? spec.maxRows : spec.rows;
}

/// The bodies of linear kernels, and the scratch that they take: of weights with
/// codes for up to fewRows rows and for any number; of elements.
void emitFewRows(LinearKernel &kernel);
int64_t fewRowsScratch(const LinearSpec &spec);
void emitManyRows(LinearKernel &kernel);
int64_t manyRowsScratch(const LinearSpec &spec, const CpuLevel &level);
void emitElements(LinearKernel &kernel);
int64_t elementsScratch(const LinearSpec &spec, const CpuLevel &level);

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_LINEAR_H
