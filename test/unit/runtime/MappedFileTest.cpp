//===- MappedFileTest.cpp -------------------------------------------------===//

#include "runtime/MappedFile.h"
#include "FakeArtifact.h"

#include <fstream>

using namespace lq;
using namespace lq::test;

namespace {

constexpr size_t hugePage = 2 << 20;

std::string someBytes(size_t size) {
  std::string bytes(size, 0);
  for (size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<char>(i * 7 + i / 4096);
  return bytes;
}

/// The address ranges of this process that belong to a file or to nothing: what
/// a mapping leaves behind would be among them.
std::string mappingsOf(const std::string &path) {
  std::ifstream maps("/proc/self/maps");
  std::string found;
  for (std::string line; std::getline(maps, line);)
    if (line.find(path) != std::string::npos ||
        line.find(" ---p 00000000 00:00 0") != std::string::npos)
      found += line + "\n";
  return found;
}

TEST(MappedFile, HoldsTheBytesOfFilesOfAllSizes) {
  TemporaryFolder folder;
  std::string path = folder.file("in");
  for (size_t size : {size_t(0), size_t(1), hugePage - 1, hugePage,
                      hugePage + 1, 2 * hugePage + 4096}) {
    std::string bytes = someBytes(size);
    std::ofstream(path, std::ios::binary) << bytes;
    std::string before = mappingsOf(path);
    {
      auto file = MappedFile::open(path);
      ASSERT_TRUE(file) << messageOf(file.takeError());
      std::span<const uint8_t> mapped = (*file)->bytes();
      ASSERT_EQ(mapped.size(), size);
      EXPECT_TRUE(std::equal(mapped.begin(), mapped.end(),
                             reinterpret_cast<const uint8_t *>(bytes.data())));
      if (size >= hugePage) {
        EXPECT_EQ(reinterpret_cast<uintptr_t>(mapped.data()) % hugePage, 0u);
      }
      (*file)->willNeed(size / 2, size);
    }
    EXPECT_EQ(mappingsOf(path), before);
  }
}

TEST(MappedFile, RefusesWhatIsNoRegularFile) {
  EXPECT_CONTAINS(messageOf(MappedFile::open("/dev/null").takeError()),
                  "expected a regular file");
  EXPECT_CONTAINS(messageOf(MappedFile::open("/no/such").takeError()),
                  "cannot open");
}

} // namespace
