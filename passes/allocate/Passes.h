//===- Passes.h - choosing formats by measured damage -----------*- C++ -*-===//

#ifndef LQ_PASSES_ALLOCATE_PASSES_H
#define LQ_PASSES_ALLOCATE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/calibrate/Executor.h"
#include "passes/quantize/Progress.h"

namespace lq {

#define GEN_PASS_DECL
#include "passes/allocate/Passes.h.inc"

/// The pass; `progress` is called from the pass's thread.
std::unique_ptr<mlir::Pass> createAllocate(AllocateOptions options,
                                           ExecutorProvider executors,
                                           ProgressCallback progress = {});

/// Makes the passes known by name. They run models with these executors.
void registerAllocatePasses(const ExecutorProvider &executors);

} // namespace lq

#endif // LQ_PASSES_ALLOCATE_PASSES_H
