//===- CpuLevelTest.cpp - which machines run which level ------------------===//

#include "runtime/CpuFeatures.h"
#include "test/unit/kernels/Harness.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace lq::cpu;
using namespace lq::cpu::test;

namespace {

/// The AArch64 levels whose features lq's runtime finds on a processor.
std::string levelsOf(const std::string &processor) {
  std::string text = Emulator::features(processor);
  llvm::SmallVector<llvm::StringRef> lines;
  llvm::SplitString(text, lines, "\n");
  llvm::StringSet<> features;
  features.insert(lines.begin(), lines.end());
  std::string names;
  for (const CpuLevel &level : CpuLevel::all())
    if (level.architecture == Architecture::AArch64 &&
        llvm::all_of(level.features,
                     [&](auto &name) { return features.contains(name); }))
      names += level.name + " ";
  return names;
}

TEST(CpuLevelTest, TheRuntimeFindsWhatAArch64ProcessorsHave) {
  std::string missing = Emulator::whyNone(Architecture::AArch64);
  if (!missing.empty())
    GTEST_SKIP() << missing;
  EXPECT_EQ(levelsOf("max"), "aarch64-i8mm aarch64-dotprod ");
  EXPECT_EQ(levelsOf("neoverse-n1"), "aarch64-dotprod ");
  EXPECT_EQ(levelsOf("cortex-a72"), "");
}

TEST(CpuLevelTest, ANameFindsItsLevel) {
  for (const CpuLevel &level : CpuLevel::all()) {
    EXPECT_EQ(CpuLevel::find(level.name), &level);
    EXPECT_TRUE(
        llvm::StringRef(level.name).starts_with(getName(level.architecture)));
    if (level.architecture != hostArchitecture()) {
      EXPECT_FALSE(level.availableOnHost());
    }
  }
  EXPECT_EQ(CpuLevel::find("aarch64"), nullptr);
}

/// The first level a machine can run is the best: those before it can do more.
TEST(CpuLevelTest, BetterLevelsStandFirst) {
  llvm::ArrayRef<CpuLevel> levels = CpuLevel::all();
  for (const CpuLevel &level : levels.drop_front()) {
    const CpuLevel &better = *(&level - 1);
    if (better.architecture != level.architecture)
      continue;
    for (const std::string &feature : level.features)
      EXPECT_TRUE(llvm::is_contained(better.features, feature)) << feature;
  }
}

} // namespace
