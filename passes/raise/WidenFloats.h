//===- WidenFloats.h - Compute 16-bit graphs in f32 -------------*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_WIDENFLOATS_H
#define LQ_PASSES_RAISE_WIDENFLOATS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lq::raise {

/// Gives every f16 and bf16 value of an ONNX graph the type f32, inputs and
/// outputs included. Constants keep their type and are cast where they are
/// used, so that weights stay as they are stored.
void widenFloats(mlir::func::FuncOp graph);

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_WIDENFLOATS_H
