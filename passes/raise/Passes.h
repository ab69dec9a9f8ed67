//===- Passes.h - From onnx to lq -------------------------------*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_PASSES_H
#define LQ_PASSES_RAISE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace lq {

#define GEN_PASS_DECL
#include "passes/raise/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/raise/Passes.h.inc"

} // namespace lq

#endif // LQ_PASSES_RAISE_PASSES_H
