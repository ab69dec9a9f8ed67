//===- CpuLevel.cpp - instruction sets that code is made for --------------===//

#include "lowering/cpu/codegen/CpuLevel.h"
#include "runtime/CpuFeatures.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/BinaryFormat/ELF.h"

using namespace lq::cpu;

llvm::StringRef lq::cpu::getName(Architecture architecture) {
  return architecture == Architecture::X86_64 ? "x86-64" : "aarch64";
}

Architecture lq::cpu::hostArchitecture() {
  return hostElfMachine() == llvm::ELF::EM_AARCH64 ? Architecture::AArch64
                                                   : Architecture::X86_64;
}

std::string CpuLevel::featureString() const {
  return llvm::join(
      llvm::map_range(features, [](auto &name) { return "+" + name; }), ",");
}

llvm::StringRef CpuLevel::triple() const {
  return architecture == Architecture::X86_64 ? "x86_64-unknown-linux-gnu"
                                              : "aarch64-unknown-linux-gnu";
}

bool CpuLevel::availableOnHost() const {
  return architecture == hostArchitecture() &&
         llvm::all_of(features,
                      [](auto &name) { return hostHasCpuFeature(name); });
}

// The base processors have no extension of their own, so that `features` is all
// that the code can use.

static std::vector<CpuLevel> listX86Levels() {
  std::vector<std::string> avx2 = {"avx", "avx2", "fma", "f16c", "bmi", "bmi2"};
  std::vector<std::string> avx512 = avx2;
  avx512.insert(avx512.end(), {"avx512f", "avx512cd", "avx512bw", "avx512dq",
                               "avx512vl", "avx512vnni"});
  return {{.name = "x86-64-avx512vnni",
           .architecture = Architecture::X86_64,
           .llvmCpu = "x86-64",
           .tuneCpu = "znver4",
           .features = avx512,
           .vectorBits = 512,
           .registers = 32,
           .products = {.dot = "llvm.x86.avx512.vpdpbusd.512"},
           .maskedMoves = true},
          {.name = "x86-64-avx2",
           .architecture = Architecture::X86_64,
           .llvmCpu = "x86-64",
           .tuneCpu = "znver3",
           .features = avx2,
           .vectorBits = 256,
           .registers = 16,
           .products = {},
           .maskedMoves = true}};
}

static std::vector<CpuLevel> listAArch64Levels() {
  std::vector<std::string> dotprod = {"neon", "fullfp16", "dotprod"};
  std::vector<std::string> i8mm = dotprod;
  i8mm.insert(i8mm.end(), {"i8mm", "bf16"});
  return {{.name = "aarch64-i8mm",
           .architecture = Architecture::AArch64,
           .llvmCpu = "generic",
           .tuneCpu = "neoverse-v1",
           .features = i8mm,
           .vectorBits = 128,
           .registers = 32,
           .products = {.dot = "llvm.aarch64.neon.usdot.v4i32.v16i8",
                        .steps = 2,
                        .matrix = "llvm.aarch64.neon.usmmla.v4i32.v16i8"},
           .maskedMoves = false},
          {.name = "aarch64-dotprod",
           .architecture = Architecture::AArch64,
           .llvmCpu = "generic",
           .tuneCpu = "neoverse-n1",
           .features = dotprod,
           .vectorBits = 128,
           .registers = 32,
           .products = {.dot = "llvm.aarch64.neon.sdot.v4i32.v16i8",
                        .unsignedCodes = false,
                        .steps = 2},
           .maskedMoves = false}};
}

llvm::ArrayRef<CpuLevel> CpuLevel::all() {
  static const std::vector<CpuLevel> levels = [] {
    std::vector<CpuLevel> levels = listX86Levels();
    llvm::append_range(levels, listAArch64Levels());
    return levels;
  }();
  return levels;
}

const CpuLevel *CpuLevel::find(llvm::StringRef name) {
  const auto *level = llvm::find_if(
      all(), [&](auto &candidate) { return candidate.name == name; });
  return level == all().end() ? nullptr : level;
}
