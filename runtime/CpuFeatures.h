//===- CpuFeatures.h - what this processor can run --------------*- C++ -*-===//

#ifndef LQ_RUNTIME_CPUFEATURES_H
#define LQ_RUNTIME_CPUFEATURES_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lq {

/// The features of this machine's processor that the operating system has
/// enabled, by LLVM's names ("avx2", "avx512vnni", ...), sorted.
const std::vector<std::string> &hostCpuFeatures();

bool hostHasCpuFeature(std::string_view name);

/// The e_machine number of ELF files for this machine.
uint16_t hostElfMachine();

} // namespace lq

#endif // LQ_RUNTIME_CPUFEATURES_H
