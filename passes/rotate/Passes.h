//===- Passes.h - rotation passes -------------------------------*- C++ -*-===//

#ifndef LQ_PASSES_ROTATE_PASSES_H
#define LQ_PASSES_ROTATE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/quantize/Progress.h"

namespace lq {

#define GEN_PASS_DECL
#include "passes/rotate/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/rotate/Passes.h.inc"

/// The pass with a callback for its progress, called from the pass's thread.
std::unique_ptr<mlir::Pass> createRotate(RotateOptions options,
                                         ProgressCallback progress);

} // namespace lq

#endif // LQ_PASSES_ROTATE_PASSES_H
