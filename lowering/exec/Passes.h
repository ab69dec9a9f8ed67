//===- Passes.h - passes on entry points ------------------------*- C++ -*-===//

#ifndef LQ_LOWERING_EXEC_PASSES_H
#define LQ_LOWERING_EXEC_PASSES_H

#include "lowering/exec/ExecDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/Pass.h"

namespace lq::exec {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "lowering/exec/Passes.h.inc"

/// The entry points of a module, in order.
llvm::SmallVector<mlir::func::FuncOp> getEntries(mlir::ModuleOp module);

} // namespace lq::exec

#endif // LQ_LOWERING_EXEC_PASSES_H
