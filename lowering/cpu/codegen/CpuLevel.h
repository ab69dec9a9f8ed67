//===- CpuLevel.h - instruction sets that code is made for ------*- C++ -*-===//
//
// An artifact carries one code object for each level it was compiled for; the
// runtime takes the first whose features the machine has.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_LOWERING_CPU_CODEGEN_CPULEVEL_H
#define LQ_LOWERING_CPU_CODEGEN_CPULEVEL_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>
#include <vector>

namespace lq::cpu {

struct CpuLevel {
  /// What users type and artifacts say, e.g. "x86-64-avx2".
  std::string name;
  /// LLVM's names of the processor whose code is selected, and of the one
  /// whose pipeline it is scheduled for.
  std::string llvmCpu, tuneCpu;
  /// Features that a machine must have, by LLVM's (and
  /// __builtin_cpu_supports') names.
  std::vector<std::string> features;
  /// Width of a vector register, and how many there are.
  int64_t vectorBits;
  int64_t registers;
  /// Whether u8 x s8 products of four are one instruction (vpdpbusd).
  bool vnni;

  /// f32 numbers in a vector.
  int64_t lanes() const { return vectorBits / 32; }
  /// LLVM's feature string: "+avx2,+fma".
  std::string featureString() const;
  /// Whether this machine can run the level's code.
  bool availableOnHost() const;

  /// All levels, best first.
  static llvm::ArrayRef<CpuLevel> all();
  /// The level of this name; null if there is none.
  static const CpuLevel *find(llvm::StringRef name);
};

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_CODEGEN_CPULEVEL_H
