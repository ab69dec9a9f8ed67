//===- Passes.h - lowering to CPUs ------------------------------*- C++ -*-===//

#ifndef LQ_LOWERING_CPU_PASSES_H
#define LQ_LOWERING_CPU_PASSES_H

#include "lowering/exec/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace lq::cpu {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "lowering/cpu/Passes.h.inc"

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_PASSES_H
