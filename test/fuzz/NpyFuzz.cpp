//===- NpyFuzz.cpp - any bytes as a .npy file -----------------------------===//
//
// Whatever the bytes, the reader gives an array whose elements lie in the file,
// or an error.
//
//===----------------------------------------------------------------------===//

#include "runtime/Npy.h"

#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

using namespace lq;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int file = memfd_create("input", MFD_CLOEXEC);
  if (file < 0 || write(file, data, size) != static_cast<ssize_t>(size))
    std::abort();
  if (auto array = readNpy("/proc/self/fd/" + std::to_string(file))) {
    uint64_t elements = 1, sum = 0;
    for (int64_t extent : array->shape)
      elements *= static_cast<uint64_t>(extent);
    if (elements * elementBytes(array->type) != array->bytes.size())
      std::abort();
    for (uint8_t byte : array->bytes)
      sum += byte;
    [[maybe_unused]] volatile uint64_t kept = sum;
  }
  close(file);
  return 0;
}
