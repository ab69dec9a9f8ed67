//===- Chip.cpp - NVIDIA chips that code is made for ----------------------===//

#include "lowering/cuda/codegen/Chip.h"
#include "llvm/ADT/STLExtras.h"
#include <vector>

using namespace lq::cuda;

llvm::ArrayRef<Chip> Chip::all() {
  static const std::vector<Chip> chips = {
      {"sm_75", 7, 5, "ptx65", /*matrixColumns=*/8, /*asyncCopies=*/false, 72},
      {"sm_80", 8, 0, "ptx70", 16, true, 108},
      {"sm_86", 8, 6, "ptx71", 16, true, 84},
      {"sm_89", 8, 9, "ptx78", 16, true, 142},
      {"sm_90", 9, 0, "ptx80", 16, true, 132},
      {"sm_100", 10, 0, "ptx86", 16, true, 148},
      {"sm_120", 12, 0, "ptx87", 16, true, 188}};
  return chips;
}

const Chip *Chip::find(llvm::StringRef name) {
  const auto *chip =
      llvm::find_if(all(), [&](auto &chip) { return chip.name == name; });
  return chip == all().end() ? nullptr : chip;
}
