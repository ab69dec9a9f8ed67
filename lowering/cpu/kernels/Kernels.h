//===- Kernels.h - functions derived for a model's operations ---*- C++ -*-===//
//
// Each emitter adds to a module one private func.func for one operation with
// known shapes, in arith, math, scf, vector and memref (and a few LLVM
// intrinsics). A weight's code follows from its FormatDescription alone.
//
// The arguments of a function are, in order,
//
//     operands (Specs.h), scratch: memref<?xi8>, thread: index, threads: index
//
// Each of `threads` threads calls the function with its own number and its own
// scratch (64-byte aligned, as large as scratchBytes says); together they write
// all outputs, without meeting inside. A linear with codes takes quantized
// activations.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_LOWERING_CPU_KERNELS_KERNELS_H
#define LQ_LOWERING_CPU_KERNELS_KERNELS_H

#include "lowering/cpu/codegen/CpuLevel.h"
#include "lowering/kernels/Specs.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace lq::cpu {

/// Dialects that the functions are written in.
void registerKernelDialects(mlir::DialectRegistry &registry);

//===----------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------===//

mlir::func::FuncOp emitLinear(mlir::ModuleOp module, llvm::StringRef name,
                              const LinearSpec &spec, const CpuLevel &level);
int64_t scratchBytes(const LinearSpec &spec, const CpuLevel &level);

mlir::func::FuncOp emitPermute(mlir::ModuleOp module, llvm::StringRef name,
                               const PermuteSpec &spec, const CpuLevel &level);

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

mlir::func::FuncOp emitNorm(mlir::ModuleOp module, llvm::StringRef name,
                            const NormSpec &spec, const CpuLevel &level);

/// Whether a block has but operations on elements, of which vectors can be made.
bool isElementFunction(const ElementFunction &function);

mlir::func::FuncOp emitQuantizeRows(mlir::ModuleOp module, llvm::StringRef name,
                                    const QuantizeRowsSpec &spec,
                                    const CpuLevel &level);

mlir::func::FuncOp emitRope(mlir::ModuleOp module, llvm::StringRef name,
                            const RopeSpec &spec, const CpuLevel &level);

mlir::func::FuncOp emitEmbedding(mlir::ModuleOp module, llvm::StringRef name,
                                 const EmbeddingSpec &spec,
                                 const CpuLevel &level);

//===----------------------------------------------------------------------===//
// Attention and its cache
//===----------------------------------------------------------------------===//

/// Bytes of a cache for `positions` of one batch element.
int64_t cacheBytes(const CacheSpec &spec, int64_t positions);

mlir::func::FuncOp emitAppend(mlir::ModuleOp module, llvm::StringRef name,
                              const AppendSpec &spec, const CpuLevel &level);

mlir::func::FuncOp emitAttention(mlir::ModuleOp module, llvm::StringRef name,
                                 const AttentionSpec &spec,
                                 const CpuLevel &level);
/// Bytes of scratch for up to `context` positions.
int64_t scratchBytes(const AttentionSpec &spec, const CpuLevel &level,
                     int64_t context);

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_KERNELS_H
