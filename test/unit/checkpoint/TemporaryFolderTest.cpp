//===- TemporaryFolderTest.cpp --------------------------------------------===//

#include "dialects/common/TemporaryFolder.h"

#include "gtest/gtest.h"
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace lq;
namespace fs = std::filesystem;

namespace {

class TemporaryFolderTest : public testing::Test {
protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "lq-folder-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    home = name;
  }
  void TearDown() override { fs::remove_all(home); }

  std::unique_ptr<TemporaryFolder> create() {
    auto folder = TemporaryFolder::create((home / "result").string());
    EXPECT_TRUE(bool(folder));
    std::ofstream((*folder)->file("part")) << "text";
    return std::move(*folder);
  }
  bool isEmpty() const { return fs::is_empty(home); }

  fs::path home;
};

TEST_F(TemporaryFolderTest, GoesWithItsObject) {
  create();
  EXPECT_TRUE(isEmpty());
}

TEST_F(TemporaryFolderTest, BecomesTheResult) {
  EXPECT_FALSE(bool(create()->moveTo((home / "result").string())));
  EXPECT_TRUE(fs::exists(home / "result" / "part"));
  EXPECT_EQ(std::distance(fs::directory_iterator(home), {}), 1);
}

TEST_F(TemporaryFolderTest, FailsWithoutAParent) {
  auto folder = TemporaryFolder::create((home / "no" / "result").string());
  EXPECT_EQ(llvm::toString(folder.takeError()), "No such file or directory");
}

TEST_F(TemporaryFolderTest, AllGoWithAStoppedProcess) {
  EXPECT_EXIT(
      {
        auto first = create();
        auto second = create();
        TemporaryFolder::removeAll();
        std::_Exit(isEmpty() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

} // namespace
