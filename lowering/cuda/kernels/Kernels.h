//===- Kernels.h - kernels for NVIDIA GPUs, derived from operations -*- C++ -*-===//
//
// Each emitter adds to a gpu.module one gpu.func for one operation with known
// shapes. A weight's code follows from its FormatDescription alone, and reads the
// same tiles as CPUs do (dialects/lq/Tile.h).
//
// The arguments are the operands of the launch (Specs.h); an index is a
// memref<1xi64>, which is read when the kernel runs. The function says on how many
// blocks it is launched (Grid).
//
//===----------------------------------------------------------------------===//

#ifndef LQ_LOWERING_CUDA_KERNELS_KERNELS_H
#define LQ_LOWERING_CUDA_KERNELS_KERNELS_H

#include "lowering/cuda/codegen/Chip.h"
#include "lowering/kernels/Specs.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace lq::cuda {

/// Attributes of kernels: the affine map and the operand of a Grid.
inline constexpr llvm::StringLiteral gridAttr = "lq.grid";
inline constexpr llvm::StringLiteral gridOperandAttr = "lq.grid_operand";

/// Dialects that the functions are written in.
void registerKernelDialects(mlir::DialectRegistry &registry);

/// Rows of activations up to which a product takes int8 activations and reads
/// the weight with each thread on its own.
inline constexpr int64_t fewRows = 1;

/// For a weight with codes.
/// With at most `fewRows` rows, all known, x is quantized in groups of
/// tileColumns (codes, scales, sums); else it is M x K x f16.
mlir::gpu::GPUFuncOp emitLinear(mlir::gpu::GPUModuleOp module,
                                llvm::StringRef name, const LinearSpec &spec,
                                const Chip &chip);

} // namespace lq::cuda

#endif // LQ_LOWERING_CUDA_KERNELS_KERNELS_H
