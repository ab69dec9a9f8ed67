//===- ScaleLogTest.cpp - scales that were found so far -------------------===//

#include "passes/awq/ScaleLog.h"

#include "gtest/gtest.h"

#include <fstream>
#include <unistd.h>

using namespace lq;

namespace {

class ScaleLogTest : public testing::Test {
protected:
  /// Of the process: tests run side by side.
  std::string path =
      testing::TempDir() + "lq-scale-log-" + std::to_string(getpid());

  void SetUp() override { std::remove(path.c_str()); }
  void TearDown() override { std::remove(path.c_str()); }

  ScaleLog open(const char *key) {
    auto log = ScaleLog::open(path, key);
    EXPECT_TRUE(static_cast<bool>(log)) << llvm::toString(log.takeError());
    return std::move(*log);
  }
};

TEST_F(ScaleLogTest, KeepsNumbersExactly) {
  ChosenScale scale{{1.0f / 3, 3e-38f, 1.7e5f}, 1.0 / 7, 1e-300};
  {
    ScaleLog log = open("key");
    ASSERT_FALSE(static_cast<bool>(log.add(4, scale)));
    ASSERT_FALSE(static_cast<bool>(log.add(7, {})));
  }
  ScaleLog log = open("key");
  ASSERT_EQ(log.size(), 2u);
  ASSERT_NE(log.find(4), nullptr);
  EXPECT_EQ(log.find(4)->scale, scale.scale);
  EXPECT_EQ(log.find(4)->before, scale.before);
  EXPECT_EQ(log.find(4)->after, scale.after);
  EXPECT_TRUE(log.find(7)->scale.empty());
  EXPECT_EQ(log.find(5), nullptr);
}

TEST_F(ScaleLogTest, ForgetsAnotherRun) {
  ASSERT_FALSE(static_cast<bool>(open("key").add(0, {})));
  {
    ScaleLog another = open("another");
    EXPECT_EQ(another.size(), 0u);
    ASSERT_FALSE(static_cast<bool>(another.add(1, {})));
  }
  EXPECT_EQ(open("another").size(), 1u);
  EXPECT_EQ(open("key").size(), 0u);
}

TEST_F(ScaleLogTest, GoesOnAfterALineThatWasCutOff) {
  ASSERT_FALSE(static_cast<bool>(open("key").add(0, {{2, 3}, 1, 0.5})));
  std::ofstream(path, std::ios::app) << "1 0x1p+0 0x1";
  {
    ScaleLog log = open("key");
    EXPECT_EQ(log.size(), 1u);
    ASSERT_FALSE(static_cast<bool>(log.add(1, {{5}, 2, 1})));
  }
  ScaleLog log = open("key");
  ASSERT_EQ(log.size(), 2u);
  EXPECT_EQ(log.find(1)->scale, std::vector<float>{5});
  log.remove();
  EXPECT_FALSE(std::ifstream(path).good());
}

TEST_F(ScaleLogTest, MakesNoFileForNothing) {
  open("key");
  EXPECT_FALSE(std::ifstream(path).good());
}

TEST_F(ScaleLogTest, SaysWhatCannotBeOpened) {
  auto log = ScaleLog::open(testing::TempDir() + "no/such/folder", "key");
  ASSERT_TRUE(static_cast<bool>(log));
  llvm::Error error = log->add(0, {});
  ASSERT_TRUE(static_cast<bool>(error));
  EXPECT_NE(
      llvm::toString(std::move(error)).find("no/such/folder: cannot open"),
      std::string::npos);
}

} // namespace
