//===- CpuFeatures.cpp - what this processor can run ----------------------===//

#include "runtime/CpuFeatures.h"

#include <algorithm>
#include <elf.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

using namespace lq;

#if defined(__x86_64__)

namespace {
/// Register state that the operating system must save for a feature to be
/// usable (bits of XCR0; Intel SDM volume 1, 13.3).
enum State : uint64_t {
  None = 0,
  Avx = 0x6,      // XMM, YMM
  Avx512 = 0xe6,  // and opmask, upper ZMM
  Amx = 0x60000,  // tile configuration and data
  Egpr = 0x80000, // APX
};

enum Register { Eax, Ebx, Ecx, Edx };

/// Where CPUID reports a feature (Intel SDM volume 2, CPUID; AMD APM volume 3,
/// appendix E).
struct FeatureBit {
  const char *name;
  uint32_t leaf;
  uint32_t subleaf;
  Register where;
  unsigned bit;
  State state;
};
} // namespace

static constexpr FeatureBit featureBits[] = {
    {"cx8", 1, 0, Edx, 8, None},
    {"cmov", 1, 0, Edx, 15, None},
    {"mmx", 1, 0, Edx, 23, None},
    {"fxsr", 1, 0, Edx, 24, None},
    {"sse", 1, 0, Edx, 25, None},
    {"sse2", 1, 0, Edx, 26, None},
    {"sse3", 1, 0, Ecx, 0, None},
    {"pclmul", 1, 0, Ecx, 1, None},
    {"ssse3", 1, 0, Ecx, 9, None},
    {"fma", 1, 0, Ecx, 12, Avx},
    {"cx16", 1, 0, Ecx, 13, None},
    {"sse4.1", 1, 0, Ecx, 19, None},
    {"sse4.2", 1, 0, Ecx, 20, None},
    {"crc32", 1, 0, Ecx, 20, None},
    {"movbe", 1, 0, Ecx, 22, None},
    {"popcnt", 1, 0, Ecx, 23, None},
    {"aes", 1, 0, Ecx, 25, None},
    {"xsave", 1, 0, Ecx, 26, None},
    {"avx", 1, 0, Ecx, 28, Avx},
    {"f16c", 1, 0, Ecx, 29, Avx},
    {"rdrnd", 1, 0, Ecx, 30, None},
    {"fsgsbase", 7, 0, Ebx, 0, None},
    {"bmi", 7, 0, Ebx, 3, None},
    {"avx2", 7, 0, Ebx, 5, Avx},
    {"bmi2", 7, 0, Ebx, 8, None},
    {"avx512f", 7, 0, Ebx, 16, Avx512},
    {"avx512dq", 7, 0, Ebx, 17, Avx512},
    {"invpcid", 7, 0, Ebx, 10, None},
    {"rdseed", 7, 0, Ebx, 18, None},
    {"adx", 7, 0, Ebx, 19, None},
    {"avx512ifma", 7, 0, Ebx, 21, Avx512},
    {"clflushopt", 7, 0, Ebx, 23, None},
    {"clwb", 7, 0, Ebx, 24, None},
    {"avx512cd", 7, 0, Ebx, 28, Avx512},
    {"sha", 7, 0, Ebx, 29, None},
    {"avx512bw", 7, 0, Ebx, 30, Avx512},
    {"avx512vl", 7, 0, Ebx, 31, Avx512},
    {"avx512vbmi", 7, 0, Ecx, 1, Avx512},
    {"avx512vbmi2", 7, 0, Ecx, 6, Avx512},
    {"gfni", 7, 0, Ecx, 8, None},
    {"vaes", 7, 0, Ecx, 9, Avx},
    {"vpclmulqdq", 7, 0, Ecx, 10, Avx},
    {"avx512vnni", 7, 0, Ecx, 11, Avx512},
    {"avx512bitalg", 7, 0, Ecx, 12, Avx512},
    {"avx512vpopcntdq", 7, 0, Ecx, 14, Avx512},
    {"waitpkg", 7, 0, Ecx, 5, None},
    {"rdpid", 7, 0, Ecx, 22, None},
    {"cldemote", 7, 0, Ecx, 25, None},
    {"movdiri", 7, 0, Ecx, 27, None},
    {"movdir64b", 7, 0, Ecx, 28, None},
    {"serialize", 7, 0, Edx, 14, None},
    {"avx512vp2intersect", 7, 0, Edx, 8, Avx512},
    {"amx-bf16", 7, 0, Edx, 22, Amx},
    {"avx512fp16", 7, 0, Edx, 23, Avx512},
    {"amx-tile", 7, 0, Edx, 24, Amx},
    {"amx-int8", 7, 0, Edx, 25, Amx},
    {"avxvnni", 7, 1, Eax, 4, Avx},
    {"avx512bf16", 7, 1, Eax, 5, Avx512},
    {"amx-fp16", 7, 1, Eax, 21, Amx},
    {"avxifma", 7, 1, Eax, 23, Avx},
    {"avxvnniint8", 7, 1, Edx, 4, Avx},
    {"avxneconvert", 7, 1, Edx, 5, Avx},
    {"avxvnniint16", 7, 1, Edx, 10, Avx},
    {"xsaveopt", 0xd, 1, Eax, 0, None},
    {"xsavec", 0xd, 1, Eax, 1, None},
    {"xsaves", 0xd, 1, Eax, 3, None},
    {"sahf", 0x80000001, 0, Ecx, 0, None},
    {"lzcnt", 0x80000001, 0, Ecx, 5, None},
    {"sse4a", 0x80000001, 0, Ecx, 6, None},
    {"prfchw", 0x80000001, 0, Ecx, 8, None},
    {"mwaitx", 0x80000001, 0, Ecx, 29, None},
    {"clzero", 0x80000008, 0, Ebx, 0, None},
    {"wbnoinvd", 0x80000008, 0, Ebx, 9, None},
    {"64bit", 0x80000001, 0, Edx, 29, None},
};

/// The XCR0 register: what the operating system saves; 0 without XSAVE.
static uint64_t enabledState() {
  constexpr unsigned osxsave = 1u << 27;
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & osxsave))
    return 0;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t(high) << 32) | low;
}

static std::vector<std::string> detect() {
  uint64_t state = enabledState();
  std::vector<std::string> names{"x87"};
  for (const FeatureBit &feature : featureBits) {
    unsigned registers[4];
    if (__get_cpuid_count(feature.leaf, feature.subleaf, &registers[Eax],
                          &registers[Ebx], &registers[Ecx], &registers[Edx]) &&
        (registers[feature.where] >> feature.bit & 1) &&
        (state & feature.state) == feature.state)
      names.emplace_back(feature.name);
  }
  return names;
}

uint16_t lq::hostElfMachine() { return EM_X86_64; }

#elif defined(__aarch64__)

namespace {
/// A bit of the kernel's hardware capabilities (arch/arm64 elf_hwcaps).
struct FeatureBit {
  const char *name;
  unsigned long which;
  unsigned bit;
};
} // namespace

static constexpr FeatureBit featureBits[] = {
    {"fp-armv8", AT_HWCAP, 0},  {"neon", AT_HWCAP, 1},
    {"aes", AT_HWCAP, 3},       {"sha2", AT_HWCAP, 6},
    {"crc", AT_HWCAP, 7},       {"lse", AT_HWCAP, 8},
    {"fullfp16", AT_HWCAP, 10}, {"rdm", AT_HWCAP, 12},
    {"dotprod", AT_HWCAP, 20},  {"sve", AT_HWCAP, 22},
    {"sve2", AT_HWCAP2, 1},     {"i8mm", AT_HWCAP2, 13},
    {"bf16", AT_HWCAP2, 14},    {"sme", AT_HWCAP2, 23},
};

static std::vector<std::string> detect() {
  std::vector<std::string> names;
  for (const FeatureBit &feature : featureBits)
    if (getauxval(feature.which) >> feature.bit & 1)
      names.emplace_back(feature.name);
  return names;
}

uint16_t lq::hostElfMachine() { return EM_AARCH64; }

#else
#error "lq's runtime knows x86-64 and AArch64"
#endif

const std::vector<std::string> &lq::hostCpuFeatures() {
  static const std::vector<std::string> features = [] {
    std::vector<std::string> names = detect();
    std::ranges::sort(names);
    return names;
  }();
  return features;
}

bool lq::hostHasCpuFeature(std::string_view name) {
  const std::vector<std::string> &features = hostCpuFeatures();
  return std::ranges::binary_search(features, name);
}
