//===- Chip.h - NVIDIA chips that code is made for --------------*- C++ -*-===//
//
// What kernels have to know of a chip stands here; they ask for it, not for a
// name.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_LOWERING_CUDA_CODEGEN_CHIP_H
#define LQ_LOWERING_CUDA_CODEGEN_CHIP_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>

namespace lq::cuda {

struct Chip {
  /// What users type, LLVM and ptxas say, and artifacts store: "sm_90".
  std::string name;
  /// The least version of PTX that knows the chip, in LLVM's form: "ptx80".
  std::string ptxVersion;
  /// Columns that one matrix instruction on f16 multiplies: m16n8k8 or m16n8k16
  /// (PTX ISA, mma).
  int64_t matrixColumns = 16;
  /// Whether copies from global to shared memory run beside other instructions
  /// (cp.async).
  bool asyncCopies = true;

  /// All chips, the oldest first.
  static llvm::ArrayRef<Chip> all();
  /// The chip of this name; null if there is none.
  static const Chip *find(llvm::StringRef name);
};

} // namespace lq::cuda

#endif // LQ_LOWERING_CUDA_CODEGEN_CHIP_H
