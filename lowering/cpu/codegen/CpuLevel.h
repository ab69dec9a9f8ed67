//===- CpuLevel.h - instruction sets that code is made for ------*- C++ -*-===//
//
// An artifact carries one code object for each level it was compiled for; the
// runtime takes the first whose features the machine has. What kernels have to
// know of an instruction set stands here; they ask for it, not for a name.
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

enum class Architecture { X86_64, AArch64 };

/// How users write it: "x86-64", "aarch64".
llvm::StringRef getName(Architecture architecture);

/// That of this machine.
Architecture hostArchitecture();

/// The instructions that multiply codes with int8 activations.
struct ProductInstructions {
  /// Adds four products of bytes to each 32-bit lane: the intrinsic, and
  /// whether it takes codes unsigned. Empty: there are only products of u8 and
  /// s8 that are added in pairs, to a saturating int16 (vpmaddubsw).
  std::string dot = {};
  bool unsignedCodes = true;
  /// Steps of four columns whose activations are loaded together, as the
  /// instruction takes a lane of a register.
  int64_t steps = 1;
  /// Multiplies 2 x 8 unsigned codes with 8 x 2 activations and adds to 2 x 2
  /// 32-bit lanes; empty if there is none.
  std::string matrix = {};
};

struct CpuLevel {
  /// What users type and artifacts say, e.g. "x86-64-avx2".
  std::string name;
  Architecture architecture = Architecture::X86_64;
  /// LLVM's names of the processor whose code is selected, and of the one
  /// whose pipeline it is scheduled for.
  std::string llvmCpu, tuneCpu;
  /// Features that a machine must have, by LLVM's (and the runtime's) names.
  std::vector<std::string> features;
  /// Width of a vector register, and how many there are.
  int64_t vectorBits;
  int64_t registers;
  ProductInstructions products;
  /// Whether loads and stores of some lanes of a vector are one instruction.
  bool maskedMoves;

  /// f32 numbers in a vector.
  int64_t lanes() const { return vectorBits / 32; }
  /// Bytes that all vector registers hold.
  int64_t registerBytes() const { return registers * vectorBits / 8; }
  /// LLVM's feature string: "+avx2,+fma".
  std::string featureString() const;
  /// LLVM's target triple.
  llvm::StringRef triple() const;
  /// Whether this machine can run the level's code.
  bool availableOnHost() const;

  /// All levels, an architecture after the other, best first.
  static llvm::ArrayRef<CpuLevel> all();
  /// The level of this name; null if there is none.
  static const CpuLevel *find(llvm::StringRef name);
};

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_CODEGEN_CPULEVEL_H
