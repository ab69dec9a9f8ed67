//===- WeightFileTest.cpp - Reading and writing weights -------------------===//

#include "dialects/common/WeightFile.h"
#include "dialects/common/WeightArchive.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

#include <sys/resource.h>
#include <thread>
#include <unistd.h>

using namespace llvm;
using namespace lq;
namespace fs = sys::fs;

namespace {

/// A folder that is there for one test.
class WeightFileTest : public testing::Test {
protected:
  void SetUp() override {
    SmallString<256> path;
    ASSERT_FALSE(fs::createUniqueDirectory("lq-weights", path));
    ASSERT_FALSE(fs::real_path(path, path));
    folder = path.str().str();
  }
  void TearDown() override { fs::remove_directories(folder); }

  std::string path(StringRef name) { return folder + "/" + name.str(); }

  void write(StringRef name, StringRef text) {
    fs::create_directories(sys::path::parent_path(path(name)));
    std::error_code error;
    raw_fd_ostream(path(name), error) << text;
    ASSERT_FALSE(error);
  }

  std::unique_ptr<WeightFiles> open(StringRef name = "") {
    return cantFail(WeightFiles::open(path(name)));
  }

  std::string folder;
};

/// The bytes, or the error, as text.
std::string textOf(Expected<ArrayRef<char>> bytes) {
  if (!bytes)
    return "error: " + toString(bytes.takeError());
  return std::string(bytes->data(), bytes->size());
}

std::string messageOf(Error error) { return toString(std::move(error)); }

TEST_F(WeightFileTest, ReadsBelowTheFolder) {
  write("a.bin", "0123456789");
  write("sub/b.bin", "abc");
  auto files = open();
  EXPECT_EQ(textOf(files->read("a.bin", 2, 3)), "234");
  EXPECT_EQ(textOf(files->read("./sub//b.bin", 0, 3)), "abc");
  EXPECT_EQ(textOf(files->read(path("sub/b.bin"), 1, 2)), "bc");
  EXPECT_EQ(textOf(files->read("a.bin", 10, 0)), "");
  EXPECT_EQ(cantFail(files->size("a.bin")), 10u);
}

TEST_F(WeightFileTest, MapsAFileOnce) {
  write("a.bin", "0123456789");
  auto files = open();
  auto first = cantFail(files->read("a.bin", 0, 5));
  auto second = cantFail(files->read(path("a.bin"), 3, 5));
  EXPECT_EQ(first.data() + 3, second.data());
}

TEST_F(WeightFileTest, RefusesWhatLiesElsewhere) {
  write("in/a.bin", "inside");
  write("b.bin", "outside");
  auto files = open("in");
  EXPECT_NE(textOf(files->read("../b.bin", 0, 1)).find("\"..\""),
            std::string::npos);
  EXPECT_NE(textOf(files->read(path("in/../b.bin"), 0, 1)).find("\"..\""),
            std::string::npos);
  EXPECT_NE(textOf(files->read(path("b.bin"), 0, 1)).find("outside the model"),
            std::string::npos);
  // A folder whose name begins with that of the allowed one.
  write("inner/c.bin", "outside");
  EXPECT_NE(
      textOf(files->read(path("inner/c.bin"), 0, 1)).find("outside the model"),
      std::string::npos);
  EXPECT_NE(textOf(files->read("", 0, 0)).find("names no file"),
            std::string::npos);
  EXPECT_NE(textOf(files->read(StringRef("a\0b", 3), 0, 0)).find("zero byte"),
            std::string::npos);
  cantFail(files->allow(folder));
  EXPECT_EQ(textOf(files->read(path("b.bin"), 0, 3)), "out");
}

TEST_F(WeightFileTest, RefusesWhatIsNoRegularFile) {
  write("in/a.bin", "inside");
  write("b.bin", "outside");
  ASSERT_EQ(symlink("../b.bin", path("in/link").c_str()), 0);
  ASSERT_EQ(symlink("..", path("in/up").c_str()), 0);
  auto files = open("in");
  EXPECT_NE(textOf(files->read("link", 0, 1)).find("symbolic link"),
            std::string::npos);
  EXPECT_NE(textOf(files->read("up/b.bin", 0, 1)).find("symbolic link"),
            std::string::npos);
  EXPECT_NE(textOf(files->read("a.bin/x", 0, 1)).find("or a file"),
            std::string::npos);
  fs::create_directories(path("in/folder"));
  EXPECT_NE(textOf(files->read("folder", 0, 0)).find("not a regular file"),
            std::string::npos);
}

TEST_F(WeightFileTest, RefusesPlacesOutsideTheFile) {
  write("a.bin", "0123456789");
  auto files = open();
  EXPECT_NE(textOf(files->read("a.bin", 8, 3)).find("has 10 bytes"),
            std::string::npos);
  EXPECT_NE(textOf(files->read("a.bin", UINT64_MAX, 2)).find("overflows"),
            std::string::npos);
  EXPECT_NE(textOf(files->read("a.bin", 0, UINT64_MAX)).find("has 10 bytes"),
            std::string::npos);
}

TEST_F(WeightFileTest, NamesFilesRelativeToTheFolder) {
  write("in/a.bin", "");
  auto files = open("in");
  EXPECT_EQ(cantFail(files->address(path("in/new.bin"))), "new.bin");
  EXPECT_EQ(cantFail(files->address(path("new.bin"))), path("new.bin"));
}

TEST_F(WeightFileTest, ArchiveAppearsWhenItIsCommitted) {
  {
    auto archive = cantFail(WeightArchive::create(path("w")));
    EXPECT_EQ(cantFail(archive->add({'a', 'b'})), 0u);
    EXPECT_EQ(cantFail(archive->add({'c'})), 64u);
    EXPECT_FALSE(fs::exists(path("w")));
    cantFail(archive->commit());
    EXPECT_TRUE(fs::exists(path("w")));
  }
  EXPECT_EQ(textOf(open()->read("w", 64, 1)), "c");
  EXPECT_EQ(cantFail(open()->size("w")), 65u);
}

TEST_F(WeightFileTest, ArchiveLeavesNothingBehind) {
  write("w", "before");
  cantFail(cantFail(WeightArchive::create(path("w")))->add({'a'}));
  EXPECT_EQ(textOf(open()->read("w", 0, 6)), "before");
  cantFail(cantFail(WeightArchive::append(path("w")))->add({'a'}));
  EXPECT_EQ(cantFail(open()->size("w")), 6u);
  std::error_code error;
  unsigned count = 0;
  for (fs::directory_iterator it(folder, error), end; it != end && !error;
       it.increment(error))
    ++count;
  EXPECT_EQ(count, 1u);
}

TEST_F(WeightFileTest, ArchiveContinues) {
  for (StringRef text : {"first", "second"}) {
    auto archive = cantFail(WeightArchive::append(path("w")));
    cantFail(archive->add(ArrayRef<char>(text.data(), text.size())));
    cantFail(archive->commit());
  }
  EXPECT_EQ(textOf(open()->read("w", 0, 5)), "first");
  EXPECT_EQ(textOf(open()->read("w", 64, 6)), "second");
}

TEST_F(WeightFileTest, AttachedArchiveIsReadableAtOnce) {
  auto files = open();
  auto archive = cantFail(WeightArchive::create(path("w")));
  cantFail(files->attach(*archive));
  auto address = cantFail(files->address(archive->path()));
  uint64_t first = cantFail(archive->add({'a', 'b'}));
  auto early = cantFail(files->read(address, first, 2));
  uint64_t second = cantFail(archive->add({'c', 'd'}));
  EXPECT_EQ(textOf(files->read(address, second, 2)), "cd");
  EXPECT_EQ(textOf(early), "ab");
  cantFail(archive->commit());
  EXPECT_EQ(textOf(files->read(address, second, 2)), "cd");
}

TEST_F(WeightFileTest, ArchiveTakesBlobsFromManyThreads) {
  auto archive = cantFail(WeightArchive::create(path("w")));
  std::vector<std::thread> threads;
  std::vector<uint64_t> offsets(8);
  for (size_t i = 0; i < offsets.size(); ++i)
    threads.emplace_back([&, i] {
      std::vector<char> bytes(1000, static_cast<char>('a' + i));
      offsets[i] = cantFail(archive->add(bytes));
    });
  for (std::thread &thread : threads)
    thread.join();
  cantFail(archive->commit());
  auto files = open();
  for (size_t i = 0; i < offsets.size(); ++i)
    EXPECT_EQ(textOf(files->read("w", offsets[i], 1000)),
              std::string(1000, static_cast<char>('a' + i)));
}

TEST_F(WeightFileTest, ArchiveSaysThatTheDiskIsFull) {
  // A limit on the size of files stands for a disk that fills up.
  rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  auto archive = cantFail(WeightArchive::create(path("w")));
  // An archive's file is removed on a fatal signal: this one is not to be.
  signal(SIGXFSZ, SIG_IGN);
  rlimit small = {4096, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_EQ(cantFail(archive->add(std::vector<char>(100))), 0u);
  auto offset = archive->add(std::vector<char>(10000));
  EXPECT_FALSE(!!offset);
  std::string message = messageOf(offset.takeError());
  EXPECT_NE(message.find("cannot write"), std::string::npos) << message;
  EXPECT_EQ(archive->size(), 100u);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  cantFail(archive->commit());
  EXPECT_EQ(cantFail(open()->size("w")), 100u);
}

TEST_F(WeightFileTest, ArchiveNeedsAPlace) {
  auto archive = WeightArchive::create(path("missing/w"));
  EXPECT_FALSE(!!archive);
  EXPECT_NE(messageOf(archive.takeError()).find("cannot write"),
            std::string::npos);
}

} // namespace
