//===- RowKernel.h - loops along a row --------------------------*- C++ -*-===//

#ifndef LQ_LOWERING_CPU_KERNELS_ROWKERNEL_H
#define LQ_LOWERING_CPU_KERNELS_ROWKERNEL_H

#include "lowering/cpu/kernels/KernelBuilder.h"

namespace lq::cpu {

/// A vector's place in a row: its first column, and how many columns are left
/// for it where that is less than a vector.
struct Chunk {
  Val column;
  std::optional<int64_t> count;

  /// The numbers of `memref` at indices..., column; 0 behind the row's end.
  Val load(KernelBuilder &k, Val memref,
           llvm::ArrayRef<Val> indices = {}) const;
  void store(KernelBuilder &k, Val value, Val memref,
             llvm::ArrayRef<Val> indices = {}) const;
};

/// Runs `body` over a row of `columns` f32, vector after vector, with values
/// carried along; the last vector may be partial.
Vals forChunks(
    KernelBuilder &k, int64_t columns, llvm::ArrayRef<Val> initial,
    llvm::function_ref<Vals(const Chunk &, llvm::ArrayRef<Val>)> body);
void forChunks(KernelBuilder &k, int64_t columns,
               llvm::function_ref<void(const Chunk &)> body);

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_ROWKERNEL_H
