//===- SafetensorsFuzz.cpp - any bytes as a safetensors file --------------===//
//
// Whatever the bytes, the reader gives tensors that lie in them, or an error.
//
//===----------------------------------------------------------------------===//

#include "runtime/Safetensors.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto reader = lq::SafetensorsReader::parse({data, size}, "input");
  if (!reader)
    return reader.error().message().empty() ? -1 : 0;
  uint64_t sum = 0;
  for (const lq::SafetensorsTensor &tensor : reader->tensors()) {
    for (uint8_t byte : tensor.bytes)
      sum += byte;
    if (reader->findTensor(tensor.name) != &tensor)
      std::abort();
  }
  // Keeps the reads.
  [[maybe_unused]] volatile uint64_t kept = sum;
  return 0;
}
