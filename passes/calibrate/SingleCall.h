//===- SingleCall.h - a model as it is called once --------------*- C++ -*-===//

#ifndef LQ_PASSES_CALIBRATE_SINGLECALL_H
#define LQ_PASSES_CALIBRATE_SINGLECALL_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/calibrate/Blocks.h"

namespace lq {

/// Makes a model one of named tensors, whose function is called once: dimensions
/// that are fixed become constants; a generative model has an empty cache, and gives
/// the logits of all tokens.
void makeSingleCall(mlir::ModuleOp module, mlir::func::FuncOp main,
                    const BlockOptions &options);

/// Erases operations whose results nothing reads.
void eraseDead(mlir::func::FuncOp main);

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_SINGLECALL_H
