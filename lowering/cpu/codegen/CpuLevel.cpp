//===- CpuLevel.cpp - instruction sets that code is made for --------------===//

#include "lowering/cpu/codegen/CpuLevel.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

using namespace lq::cpu;

std::string CpuLevel::featureString() const {
  return llvm::join(
      llvm::map_range(features, [](auto &name) { return "+" + name; }), ",");
}

bool CpuLevel::availableOnHost() const {
  llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
  return llvm::all_of(features, [&](auto &name) { return host.lookup(name); });
}

llvm::ArrayRef<CpuLevel> CpuLevel::all() {
  // The base processor has no extension of its own, so that `features` is all
  // that the code can use.
  static const std::vector<CpuLevel> levels = [] {
    std::vector<std::string> avx2 = {"avx",  "avx2", "fma",
                                     "f16c", "bmi",  "bmi2"};
    std::vector<std::string> avx512 = avx2;
    avx512.insert(avx512.end(), {"avx512f", "avx512cd", "avx512bw", "avx512dq",
                                 "avx512vl", "avx512vnni"});
    return std::vector<CpuLevel>{{.name = "x86-64-avx512vnni",
                                  .llvmCpu = "x86-64",
                                  .tuneCpu = "znver4",
                                  .features = avx512,
                                  .vectorBits = 512,
                                  .registers = 32,
                                  .vnni = true},
                                 {.name = "x86-64-avx2",
                                  .llvmCpu = "x86-64",
                                  .tuneCpu = "znver3",
                                  .features = avx2,
                                  .vectorBits = 256,
                                  .registers = 16,
                                  .vnni = false}};
  }();
  return levels;
}

const CpuLevel *CpuLevel::find(llvm::StringRef name) {
  const auto *level = llvm::find_if(
      all(), [&](auto &candidate) { return candidate.name == name; });
  return level == all().end() ? nullptr : level;
}
