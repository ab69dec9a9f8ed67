//===- ByteLevel.cpp - bytes as printable characters ----------------------===//

#include "runtime/tokenizer/ByteLevel.h"
#include "runtime/tokenizer/Unicode.h"

#include <array>
#include <cstdint>

namespace lq::tok {

namespace {

/// Printable Latin-1 characters stand for themselves; the other bytes take
/// U+0100 and up, in order.
struct Alphabet {
  std::array<char32_t, 256> characters;
  /// -1 outside the alphabet.
  std::array<int16_t, 0x180> bytes;

  constexpr Alphabet() : characters(), bytes() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      bool printable = (byte >= '!' && byte <= '~') ||
                       (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      characters[byte] = printable ? static_cast<char32_t>(byte) : next++;
      bytes[characters[byte]] = static_cast<int16_t>(byte);
    }
  }
};

constexpr Alphabet alphabet;

char32_t characterOf(char byte) {
  return alphabet.characters[static_cast<unsigned char>(byte)];
}

} // namespace

void appendByteLevel(std::string &text, std::string_view bytes) {
  for (char byte : bytes)
    appendUtf8(text, characterOf(byte));
}

size_t byteLevelSize(std::string_view bytes) {
  size_t size = 0;
  for (char byte : bytes)
    size += characterOf(byte) < 0x80 ? 1 : 2;
  return size;
}

void appendFromByteLevel(std::string &bytes, std::string_view text) {
  size_t start = bytes.size();
  for (size_t at = 0; at < text.size();) {
    char32_t c = nextCodePoint(text, at);
    if (c >= alphabet.bytes.size() || alphabet.bytes[c] < 0) {
      bytes.resize(start);
      bytes += text;
      return;
    }
    bytes.push_back(static_cast<char>(alphabet.bytes[c]));
  }
}

} // namespace lq::tok
