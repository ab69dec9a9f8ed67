//===- MappedFile.cpp - a file mapped for reading -------------------------===//

#include "runtime/MappedFile.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace lq;

static Error systemError(const std::string &path, const char *what) {
  return makeError(ErrorCode::Io, path, ": cannot ", what, ": ",
                   std::strerror(errno));
}

/// Maps a file at a multiple of the size of huge pages, for only there can the
/// system use them; not every file system sees to that (overlays of containers
/// do not).
static void *mapAligned(int descriptor, size_t size) {
  constexpr uintptr_t hugePage = 2 << 20;
  if (size < hugePage)
    return mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
  size_t reservedSize = size + hugePage;
  void *reserved = mmap(nullptr, reservedSize, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED)
    return MAP_FAILED;
  auto begin = reinterpret_cast<uintptr_t>(reserved);
  uintptr_t start = (begin + hugePage - 1) / hugePage * hugePage;
  void *data = mmap(reinterpret_cast<void *>(start), size, PROT_READ,
                    MAP_SHARED | MAP_FIXED, descriptor, 0);
  if (data == MAP_FAILED) {
    int reason = errno;
    munmap(reserved, reservedSize);
    errno = reason;
    return MAP_FAILED;
  }
  auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  uintptr_t end = (start + size + page - 1) / page * page;
  if (start > begin)
    munmap(reserved, start - begin);
  if (begin + reservedSize > end)
    munmap(reinterpret_cast<void *>(end), begin + reservedSize - end);
  return data;
}

Expected<std::shared_ptr<const MappedFile>>
MappedFile::open(const std::string &path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer before it is refused.
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return systemError(path, "open");
  struct stat status;
  if (fstat(descriptor, &status) != 0) {
    Error error = systemError(path, "stat");
    close(descriptor);
    return error;
  }
  if (!S_ISREG(status.st_mode)) {
    close(descriptor);
    return makeError(ErrorCode::InvalidArgument, path,
                     ": expected a regular file");
  }
  size_t size = static_cast<size_t>(status.st_size);
  void *data = nullptr;
  if (size) {
    data = mapAligned(descriptor, size);
    if (data == MAP_FAILED) {
      Error error = systemError(path, "map");
      close(descriptor);
      return error;
    }
    // Before anything is read: pages that are in memory stay as small as they
    // came. A hint, which a system without huge pages does not take.
    madvise(data, size, MADV_HUGEPAGE);
  }
  close(descriptor);
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, static_cast<const uint8_t *>(data), size));
}

MappedFile::~MappedFile() {
  if (size)
    munmap(const_cast<uint8_t *>(data), size);
}

void MappedFile::willNeed(uint64_t offset, uint64_t length) const {
  if (offset >= size)
    return;
  uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t start = offset / page * page;
  uint64_t end = offset + std::min<uint64_t>(length, size - offset);
  void *address = const_cast<uint8_t *>(data) + start;
  // A hint: a system that does not take it is only slower.
  madvise(address, end - start, MADV_WILLNEED);
}
