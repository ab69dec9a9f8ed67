//===- CpuFeaturesTest.cpp ------------------------------------------------===//

#include "runtime/CpuFeatures.h"

#include <gtest/gtest.h>

using namespace lq;

namespace {

#if defined(__x86_64__)
// The compiler's own run-time check is the reference.
TEST(CpuFeatures, AgreeWithTheCompiler) {
  EXPECT_TRUE(hostHasCpuFeature("sse2"));
  EXPECT_EQ(hostHasCpuFeature("sse4.2"), !!__builtin_cpu_supports("sse4.2"));
  EXPECT_EQ(hostHasCpuFeature("popcnt"), !!__builtin_cpu_supports("popcnt"));
  EXPECT_EQ(hostHasCpuFeature("avx"), !!__builtin_cpu_supports("avx"));
  EXPECT_EQ(hostHasCpuFeature("avx2"), !!__builtin_cpu_supports("avx2"));
  EXPECT_EQ(hostHasCpuFeature("fma"), !!__builtin_cpu_supports("fma"));
  EXPECT_EQ(hostHasCpuFeature("bmi2"), !!__builtin_cpu_supports("bmi2"));
  EXPECT_EQ(hostHasCpuFeature("avx512f"), !!__builtin_cpu_supports("avx512f"));
  EXPECT_EQ(hostHasCpuFeature("avx512bw"),
            !!__builtin_cpu_supports("avx512bw"));
  EXPECT_EQ(hostHasCpuFeature("avx512vl"),
            !!__builtin_cpu_supports("avx512vl"));
  EXPECT_EQ(hostHasCpuFeature("avx512vnni"),
            !!__builtin_cpu_supports("avx512vnni"));
  EXPECT_EQ(hostHasCpuFeature("avx512bf16"),
            !!__builtin_cpu_supports("avx512bf16"));
}
#endif

TEST(CpuFeatures, UnknownOnesAreMissing) {
  EXPECT_FALSE(hostHasCpuFeature("warp-drive"));
  EXPECT_FALSE(hostHasCpuFeature(""));
}

} // namespace
