//===- Sha256.cpp - SHA-256 digests ---------------------------------------===//

#include "runtime/Sha256.h"

#include <cstdio>
#include <cstdlib>
#include <openssl/evp.h>

using namespace lq;

struct Sha256::Context {
  EVP_MD_CTX *evp = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(evp); }
};

/// OpenSSL fails here only without memory or without its own SHA-256: a wrong
/// digest must not pass for a right one, and there is nobody to report to.
static void require(int result) {
  if (result != 1) {
    std::fputs("lq: libcrypto cannot compute SHA-256\n", stderr);
    std::abort();
  }
}

Sha256::Sha256() : context(std::make_unique<Context>()) {
  require(EVP_DigestInit_ex(context->evp, EVP_sha256(), nullptr));
}

Sha256::~Sha256() = default;

void Sha256::update(std::span<const uint8_t> bytes) {
  require(EVP_DigestUpdate(context->evp, bytes.data(), bytes.size()));
}

std::string Sha256::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  require(EVP_DigestFinal_ex(context->evp, digest, &length));
  static const char digits[] = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < length; ++i) {
    text += digits[digest[i] >> 4];
    text += digits[digest[i] & 15];
  }
  return text;
}

std::string lq::sha256Hex(std::span<const uint8_t> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

std::string lq::sha256Hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}
