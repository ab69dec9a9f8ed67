//===- Passes.h - The general lowering as a pass ----------------*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_GENERAL_PASSES_H
#define LQ_PASSES_RAISE_GENERAL_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace lq {

#define GEN_PASS_DECL
#include "passes/raise/general/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/raise/general/Passes.h.inc"

} // namespace lq

#endif // LQ_PASSES_RAISE_GENERAL_PASSES_H
