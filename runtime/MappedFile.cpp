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
    data = mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (data == MAP_FAILED) {
      Error error = systemError(path, "map");
      close(descriptor);
      return error;
    }
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
  // Both are hints: a system without them is only slower.
  madvise(address, end - start, MADV_HUGEPAGE);
  madvise(address, end - start, MADV_WILLNEED);
}
