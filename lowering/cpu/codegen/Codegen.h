//===- Codegen.h - from standard dialects to a code object ------*- C++ -*-===//
//
// The last steps for every CPU level: func, scf, cf, arith, math, vector and
// memref become LLVM IR, an object file, a shared object that needs nothing.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_LOWERING_CPU_CODEGEN_CODEGEN_H
#define LQ_LOWERING_CPU_CODEGEN_CODEGEN_H

#include "lowering/cpu/codegen/CpuLevel.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

namespace mlir {
class DialectRegistry;
class OpPassManager;
} // namespace mlir

namespace lq::cpu {

/// The dialects that `compileToObject` needs and their translation to LLVM IR.
void registerCodegenDialects(mlir::DialectRegistry &registry);

/// Says that the loops of a function are scalar ones, which LLVM shall turn into
/// vector code; those of other functions stay as they are.
void setScalarLoops(mlir::Operation *function);

/// Adds the passes from arith, math, scf, cf, func, vector and memref (with
/// static or identity layouts) to the LLVM dialect. Functions of the math
/// library become polynomials, so that the code calls none.
void buildLowerToLlvm(mlir::OpPassManager &passes);

/// Runs them on `module`; fails with diagnostics on what does not lower.
mlir::LogicalResult lowerToLlvm(mlir::ModuleOp module);

/// Options of code generation that only tools and tests set.
struct CodegenOptions {
  /// Assembly text instead of an object.
  bool assembly = false;
};

/// Optimises a module in the LLVM dialect (-O3) and generates position
/// independent code for the level. The same module gives the same bytes.
llvm::Expected<llvm::SmallVector<char, 0>>
compileToObject(mlir::ModuleOp module, const CpuLevel &level,
                const CodegenOptions &options = {});

/// Links an object into a shared object at `path` that depends on no library.
/// An undefined symbol is an error that names it.
llvm::Error linkSharedObject(llvm::ArrayRef<char> object, llvm::StringRef path);

/// The same, in memory.
llvm::Expected<llvm::SmallVector<char, 0>>
linkSharedObject(llvm::ArrayRef<char> object);

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_CODEGEN_CODEGEN_H
