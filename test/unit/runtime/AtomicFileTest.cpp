//===- AtomicFileTest.cpp -------------------------------------------------===//

#include "runtime/AtomicFile.h"
#include "FakeArtifact.h"

using namespace lq;
using namespace lq::test;

namespace {

TEST(AtomicFile, ReplacesOnlyAtCommit) {
  TemporaryFolder folder;
  writeFile(folder.file("out"), "old");
  {
    auto file = AtomicFile::create(folder.file("out"));
    ASSERT_TRUE(file);
    ASSERT_FALSE(file->write("new"));
    EXPECT_EQ(readFile(folder.file("out")), "old");
    ASSERT_FALSE(file->commit());
  }
  EXPECT_EQ(readFile(folder.file("out")), "new");
  EXPECT_EQ(folder.files(), std::vector<std::string>{"out"});
}

TEST(AtomicFile, DiscardsWithoutCommit) {
  TemporaryFolder folder;
  {
    auto file = AtomicFile::create(folder.file("out"));
    ASSERT_TRUE(file);
    ASSERT_FALSE(file->write(std::string(3 << 20, 'x')));
  }
  EXPECT_TRUE(folder.files().empty());
}

TEST(AtomicFile, WritesPiecesOfAllSizes) {
  TemporaryFolder folder;
  auto file = AtomicFile::create(folder.file("out"));
  ASSERT_TRUE(file);
  std::string all;
  for (size_t size : {1, 2 << 20, 7, 5 << 20, 0, (2 << 20) - 1, 12345}) {
    std::string piece(size, static_cast<char>('a' + size % 26));
    ASSERT_FALSE(file->write(piece));
    all += piece;
    EXPECT_EQ(file->offset(), all.size());
  }
  ASSERT_FALSE(file->commit());
  EXPECT_EQ(readFile(folder.file("out")), all);
}

TEST(AtomicFile, ReportsAFullDisk) {
  Error error = writeFileAtomically("/dev/full", "x");
  ASSERT_TRUE(error);
  EXPECT_EQ(error.code(), ErrorCode::Io);
  EXPECT_CONTAINS(error.message(), "/dev/full");
  EXPECT_CONTAINS(error.message(), "No space left");
}

TEST(AtomicFile, ReportsAnUnwritableTarget) {
  TemporaryFolder folder;
  EXPECT_CONTAINS(messageOf(writeFileAtomically(folder.file("no/such"), "x")),
                  "No such file");
  EXPECT_CONTAINS(messageOf(writeFileAtomically(folder.file(""), "x")),
                  "directory");
  EXPECT_CONTAINS(messageOf(writeFileAtomically("", "x")), "empty");
}

} // namespace
