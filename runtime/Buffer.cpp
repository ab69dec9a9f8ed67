//===- Buffer.cpp - memory for activations and states ---------------------===//

#include "runtime/Buffer.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>

using namespace lq;

static constexpr uint64_t hugePageBytes = 2 << 20;

Expected<Buffer> Buffer::create(uint64_t bytes, const char *purpose) {
  Buffer buffer;
  if (bytes == 0)
    return buffer;
  void *address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED)
    return makeError(ErrorCode::OutOfMemory, "cannot allocate ", bytes,
                     " bytes for ", purpose, ": ", std::strerror(errno));
  if (bytes >= hugePageBytes)
    madvise(address, bytes, MADV_HUGEPAGE);
  buffer.address = address;
  buffer.length = bytes;
  return buffer;
}

Buffer::~Buffer() {
  if (address)
    munmap(address, length);
}
