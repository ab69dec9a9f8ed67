//===- Passes.h - Passes over the imported graph ----------------*- C++ -*-===//

#ifndef LQ_DIALECTS_ONNX_TRANSFORMS_PASSES_H
#define LQ_DIALECTS_ONNX_TRANSFORMS_PASSES_H

#include "dialects/onnx/OnnxDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace lq::onnx {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "dialects/onnx/transforms/Passes.h.inc"

/// Puts `values` in the place of the results of `node` and erases it. Where a
/// value's own type is unknown and the result's is not, the value takes that.
void replaceNode(NodeOp node, llvm::ArrayRef<mlir::Value> values);

/// Makes the signatures of functions agree with what they return, after
/// replaceNode() has put values of other types there.
void updateSignatures(mlir::ModuleOp module);

} // namespace lq::onnx

#endif // LQ_DIALECTS_ONNX_TRANSFORMS_PASSES_H
