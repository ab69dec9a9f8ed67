//===- GgufFuzz.cpp - any bytes as a GGUF file ----------------------------===//
//
// Whatever the bytes, the reader gives values that can be read and tensors that
// lie in the file, or an error.
//
//===----------------------------------------------------------------------===//

#include "runtime/Gguf.h"

#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

using namespace lq;

/// Reads a value as everything it could be; only its own type gives a result.
static void readValue(const GgufValue &value) {
  (void)value.asInteger();
  (void)value.asFloat();
  (void)value.asBool();
  (void)value.asString();
  if (value.type() != GgufType::Array)
    return;
  (void)value.asStrings();
  (void)value.asIntegers();
  (void)value.asFloats();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int file = memfd_create("input", MFD_CLOEXEC);
  if (file < 0 || write(file, data, size) != static_cast<ssize_t>(size))
    std::abort();
  {
    auto reader = GgufReader::open("/proc/self/fd/" + std::to_string(file));
    if (reader) {
      for (const auto &[key, value] : reader->metadata())
        readValue(value);
      uint64_t sum = 0;
      for (const GgufTensor &tensor : reader->tensors()) {
        for (uint8_t byte : tensor.bytes)
          sum += byte;
        if (!reader->findTensor(tensor.name))
          std::abort();
      }
      [[maybe_unused]] volatile uint64_t kept = sum;
    }
  }
  close(file);
  return 0;
}
