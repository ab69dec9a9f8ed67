//===- Sha256.h - SHA-256 digests -------------------------------*- C++ -*-===//

#ifndef LQ_RUNTIME_SHA256_H
#define LQ_RUNTIME_SHA256_H

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lq {

/// An incremental SHA-256 (OpenSSL's, which uses the machine's instructions).
class Sha256 {
public:
  Sha256();
  ~Sha256();
  void update(std::span<const uint8_t> bytes);
  void update(std::string_view bytes) {
    update({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
  }
  /// The digest as 64 lower-case hex digits. Call once, last.
  std::string hex();

private:
  struct Context;
  std::unique_ptr<Context> context;
};

/// The digest of `bytes` as 64 lower-case hex digits.
std::string sha256Hex(std::span<const uint8_t> bytes);
std::string sha256Hex(std::string_view bytes);

} // namespace lq

#endif // LQ_RUNTIME_SHA256_H
