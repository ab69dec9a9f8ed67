//===- Buffer.h - memory for activations and states -------------*- C++ -*-===//

#ifndef LQ_RUNTIME_BUFFER_H
#define LQ_RUNTIME_BUFFER_H

#include "runtime/Error.h"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace lq {

/// Zeroed, page-aligned memory that becomes resident as it is touched.
class Buffer {
public:
  Buffer() = default;
  Buffer(Buffer &&other) noexcept
      : address(std::exchange(other.address, nullptr)),
        length(std::exchange(other.length, 0)) {}
  Buffer &operator=(Buffer &&other) noexcept {
    std::swap(address, other.address);
    std::swap(length, other.length);
    return *this;
  }
  ~Buffer();

  /// `purpose` names the buffer in the error.
  static Expected<Buffer> create(uint64_t bytes, const char *purpose);

  /// Null if the buffer is empty.
  void *data() const { return address; }
  uint64_t size() const { return length; }

private:
  void *address = nullptr;
  uint64_t length = 0;
};

} // namespace lq

#endif // LQ_RUNTIME_BUFFER_H
