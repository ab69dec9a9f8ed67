//===- Initializers.h - The values of constants in a graph ------*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_EVAL_INITIALIZERS_H
#define LQ_PASSES_RAISE_EVAL_INITIALIZERS_H

#include "dialects/common/WeightFile.h"
#include "dialects/onnx/OnnxDialect.h"
#include "passes/raise/eval/HostTensor.h"

namespace lq {

/// The version of the node's domain that the model imports; the newest where it
/// does not say.
int64_t opsetOf(onnx::NodeOp node);

/// The tensor of an elements attribute; its shape alone where the evaluator
/// does not compute with its elements' type.
HostTensor tensorOf(mlir::ElementsAttr elements);

/// The initializer `symbol`, looked up from `user`. Its data is read if
/// it has at most `maxElements`, from `weights` (may be null) where it is not
/// inline. Nothing if there is no such initializer.
std::optional<HostTensor> readInitializer(mlir::Operation *user,
                                          llvm::StringRef symbol,
                                          WeightFiles *weights,
                                          int64_t maxElements);

/// The TENSOR attribute `name` of a node, inline or by reference.
std::optional<HostTensor> tensorAttribute(onnx::NodeOp node,
                                          llvm::StringRef name,
                                          WeightFiles *weights,
                                          int64_t maxElements);

} // namespace lq

#endif // LQ_PASSES_RAISE_EVAL_INITIALIZERS_H
