//===- Passes.h - activation-aware quantization -----------------*- C++ -*-===//

#ifndef LQ_PASSES_AWQ_PASSES_H
#define LQ_PASSES_AWQ_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/quantize/Progress.h"

namespace lq {

#define GEN_PASS_DECL
#include "passes/awq/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/awq/Passes.h.inc"

/// The pass with a callback for its progress, called from the pass's thread.
std::unique_ptr<mlir::Pass> createAwq(AwqOptions options,
                                      ProgressCallback progress);

} // namespace lq

#endif // LQ_PASSES_AWQ_PASSES_H
