//===- Optimise.h - LLVM's optimiser ----------------------------*- C++ -*-===//

#ifndef LQ_LOWERING_CODEGEN_OPTIMISE_H
#define LQ_LOWERING_CODEGEN_OPTIMISE_H

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace lq {

/// Runs the passes of -O3 for the machine, with or without those that make vector
/// code of loops.
void optimise(llvm::Module &module, llvm::TargetMachine &machine,
              bool vectorisesLoops);

} // namespace lq

#endif // LQ_LOWERING_CODEGEN_OPTIMISE_H
