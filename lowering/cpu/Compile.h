//===- Compile.h - a code object for a CPU level ----------------*- C++ -*-===//

#ifndef LQ_LOWERING_CPU_COMPILE_H
#define LQ_LOWERING_CPU_COMPILE_H

#include "lowering/artifact/Artifact.h"
#include "lowering/cpu/codegen/CpuLevel.h"
#include "mlir/IR/BuiltinOps.h"

namespace lq::cpu {

/// Compiles a packed model for one level; `packed` stays as it is. Fails with
/// diagnostics.
mlir::FailureOr<TargetCode> compile(mlir::ModuleOp packed,
                                    const CpuLevel &level);

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_COMPILE_H
