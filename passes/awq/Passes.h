//===- Passes.h - activation-aware quantization -----------------*- C++ -*-===//

#ifndef LQ_PASSES_AWQ_PASSES_H
#define LQ_PASSES_AWQ_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/calibrate/Executor.h"
#include "passes/quantize/Progress.h"

namespace lq {

/// What errors scales are chosen by.
enum class AwqObjective { Products, Block };

#define GEN_PASS_DECL
#include "passes/awq/Passes.h.inc"

/// The pass; `progress` is called from the pass's thread. Executors are needed
/// where errors are those of blocks.
std::unique_ptr<mlir::Pass> createAwq(AwqOptions options,
                                      ExecutorProvider executors,
                                      ProgressCallback progress = {});

/// Makes the passes known by name. They run models with these executors.
void registerAwqPasses(const ExecutorProvider &executors);

} // namespace lq

#endif // LQ_PASSES_AWQ_PASSES_H
