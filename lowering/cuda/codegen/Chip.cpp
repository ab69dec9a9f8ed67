//===- Chip.cpp - NVIDIA chips that code is made for ----------------------===//

#include "lowering/cuda/codegen/Chip.h"
#include "llvm/ADT/STLExtras.h"
#include <vector>

using namespace lq::cuda;

llvm::ArrayRef<Chip> Chip::all() {
  static const std::vector<Chip> chips = {
      {"sm_75", "ptx65", /*matrixColumns=*/8, /*asyncCopies=*/false},
      {"sm_80", "ptx70"},
      {"sm_86", "ptx71"},
      {"sm_89", "ptx78"},
      {"sm_90", "ptx80"},
      {"sm_100", "ptx86"},
      {"sm_120", "ptx87"}};
  return chips;
}

const Chip *Chip::find(llvm::StringRef name) {
  const auto *chip =
      llvm::find_if(all(), [&](auto &chip) { return chip.name == name; });
  return chip == all().end() ? nullptr : chip;
}
