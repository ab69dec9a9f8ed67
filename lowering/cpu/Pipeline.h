//===- Pipeline.h - from a packed model to code for CPUs --------*- C++ -*-===//

#ifndef LQ_LOWERING_CPU_PIPELINE_H
#define LQ_LOWERING_CPU_PIPELINE_H

#include "lowering/cpu/codegen/CpuLevel.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

namespace lq::cpu {

/// The dialects and interfaces that the pipeline needs.
void registerLowering(mlir::DialectRegistry &registry);

/// Adds the passes from a packed model in the lq dialect to entry points that
/// launch derived kernels on planned buffers.
void buildEntryPipeline(mlir::OpPassManager &passes, const CpuLevel &level);

/// Adds the passes from there to the LLVM dialect.
void buildLlvmPipeline(mlir::OpPassManager &passes);

/// Makes the pipelines known as `lq-cpu-entries` and `lq-cpu-llvm`.
void registerPipelines();

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_PIPELINE_H
