//===- CheckNodes.h - Refuse nodes that contradict themselves ---*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_CHECKNODES_H
#define LQ_PASSES_RAISE_CHECKNODES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lq::raise {

/// Checks that the nodes that raising looks into have the operands that ONNX
/// says they have, so that matchers need not, and that scales and zero points
/// fit the codes that they belong to. An error names the first node that does
/// not, and the initializer.
mlir::LogicalResult checkNodes(mlir::func::FuncOp graph);

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_CHECKNODES_H
