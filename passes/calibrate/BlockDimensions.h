//===- BlockDimensions.h - sizes of values by name --------------*- C++ -*-===//

#ifndef LQ_PASSES_CALIBRATE_BLOCKDIMENSIONS_H
#define LQ_PASSES_CALIBRATE_BLOCKDIMENSIONS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lq {

/// The attributes of arguments and results of a model's @main.
inline constexpr llvm::StringLiteral portNameAttr = "lq.name",
                                     portShapeAttr = "lq.shape";

/// The sizes of a tensor in @main as `lq.shape` writes them, from what makes it
/// back to arguments and dimensions; null if they cannot be written so.
mlir::ArrayAttr shapeOf(mlir::Value value, mlir::func::FuncOp main);

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_BLOCKDIMENSIONS_H
