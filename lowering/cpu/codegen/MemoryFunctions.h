//===- MemoryFunctions.h - memcpy, memmove, memset of our own ---*- C++ -*-===//

#ifndef LQ_LOWERING_CPU_CODEGEN_MEMORYFUNCTIONS_H
#define LQ_LOWERING_CPU_CODEGEN_MEMORYFUNCTIONS_H

namespace llvm {
class Module;
} // namespace llvm

namespace lq::cpu {

/// Defines the three functions that LLVM may call without being asked to, as
/// generated code links no C library. Their symbols stay hidden.
void addMemoryFunctions(llvm::Module &module);

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_CODEGEN_MEMORYFUNCTIONS_H
