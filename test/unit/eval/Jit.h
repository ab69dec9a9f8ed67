//===- Jit.h - Run a function on tensors in this process --------*- C++ -*-===//

#ifndef LQ_TEST_UNIT_EVAL_JIT_H
#define LQ_TEST_UNIT_EVAL_JIT_H

#include "mlir/IR/BuiltinOps.h"
#include "passes/raise/eval/HostTensor.h"
#include "llvm/Support/Error.h"

namespace lq::test {

/// Lowers `@main` of `module` (tensor, linalg, arith, math on signless types)
/// with MLIR's own passes to loops and machine code, and calls it. `indices`
/// are the values of leading arguments of type index, `kinds` what the elements
/// of the results mean. The module is destroyed.
llvm::Expected<std::vector<HostTensor>>
compileAndRun(mlir::ModuleOp module, llvm::ArrayRef<int64_t> indices,
              llvm::ArrayRef<HostTensor> inputs,
              llvm::ArrayRef<ElementKind> kinds);

/// Registers what the lowering needs.
void registerJit(mlir::DialectRegistry &registry);

} // namespace lq::test

#endif // LQ_TEST_UNIT_EVAL_JIT_H
