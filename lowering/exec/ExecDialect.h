//===- ExecDialect.h - the exec dialect -------------------------*- C++ -*-===//

#ifndef LQ_LOWERING_EXEC_EXECDIALECT_H
#define LQ_LOWERING_EXEC_EXECDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "lowering/exec/ExecDialect.h.inc"

#define GET_OP_CLASSES
#include "lowering/exec/ExecOps.h.inc"

namespace lq::exec {

/// Attribute of an entry point's function: the entry's name in the artifact.
inline constexpr llvm::StringLiteral entryAttr = "exec.entry";
/// i64 [least, most]: how many rows (tokens) a call of the entry may have.
inline constexpr llvm::StringLiteral rowsAttr = "exec.rows";
/// i64: bytes of the arena, and of each thread's scratch.
inline constexpr llvm::StringLiteral arenaBytesAttr = "exec.arena_bytes";
inline constexpr llvm::StringLiteral scratchBytesAttr = "exec.scratch_bytes";
/// Array of dictionaries {name, type, dims}: the entry's inputs and outputs.
inline constexpr llvm::StringLiteral inputsAttr = "exec.inputs";
inline constexpr llvm::StringLiteral outputsAttr = "exec.outputs";

/// Lets upstream bufferization see through exec.launch.
void registerBufferization(mlir::DialectRegistry &registry);

} // namespace lq::exec

#endif // LQ_LOWERING_EXEC_EXECDIALECT_H
