//===- Passes.h - checkpoints of other software -----------------*- C++ -*-===//

#ifndef LQ_PASSES_CHECKPOINT_PASSES_H
#define LQ_PASSES_CHECKPOINT_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace lq {

#define GEN_PASS_DECL
#include "passes/checkpoint/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/checkpoint/Passes.h.inc"

} // namespace lq

#endif // LQ_PASSES_CHECKPOINT_PASSES_H
