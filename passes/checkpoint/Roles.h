//===- Roles.h - names of weights from what reads them ----------*- C++ -*-===//

#ifndef LQ_PASSES_CHECKPOINT_ROLES_H
#define LQ_PASSES_CHECKPOINT_ROLES_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include <string>

namespace lq::checkpoint {

/// What Hugging Face's libraries call the weight that an operand reads, as far as
/// the model's structure tells: some exporters lose names, and give equal
/// weights of several modules as one. Several names where families differ, most
/// common first.
using RoleNames = llvm::SmallVector<std::string>;
using Roles = llvm::DenseMap<mlir::OpOperand *, RoleNames>;

/// The roles of weights in the module's linears, norms and embeddings. Layers are
/// counted by their attentions.
Roles findRoles(mlir::ModuleOp module);

} // namespace lq::checkpoint

#endif // LQ_PASSES_CHECKPOINT_ROLES_H
