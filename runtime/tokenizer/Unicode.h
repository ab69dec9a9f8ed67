//===- Unicode.h - UTF-8, character classes, normalisation ------*- C++ -*-===//
//
// The character classes are those of the libraries that `tokenizers` is built
// on, some of which know an old Unicode only: such a class leaves out what
// later versions assigned.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_RUNTIME_TOKENIZER_UNICODE_H
#define LQ_RUNTIME_TOKENIZER_UNICODE_H

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lq::tok {

/// Bytes of the UTF-8 sequence that starts with `lead`; 1 for bytes that start
/// none.
inline size_t sequenceLength(unsigned char lead) {
  return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/// The code point at `position` of well-formed text, which is advanced past it.
inline char32_t nextCodePoint(std::string_view text, size_t &position) {
  auto byte = [&](size_t i) {
    return static_cast<unsigned char>(text[position + i]);
  };
  char32_t lead = byte(0);
  size_t length = sequenceLength(static_cast<unsigned char>(lead));
  char32_t c = lead;
  if (length == 2)
    c = (lead & 0x1F) << 6 | (byte(1) & 0x3F);
  else if (length == 3)
    c = (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  else if (length == 4)
    c = (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 |
        (byte(3) & 0x3F);
  position += length;
  return c;
}

/// The code point that ends at `end` (> 0) of well-formed text.
char32_t codePointBefore(std::string_view text, size_t end);

void appendUtf8(std::string &text, char32_t c);
inline std::string toUtf8(char32_t c) {
  std::string text;
  appendUtf8(text, c);
  return text;
}

bool isAscii(std::string_view text);

/// Bytes of the longest well-formed prefix.
size_t wellFormedPrefix(std::string_view bytes);
inline bool isWellFormed(std::string_view bytes) {
  return wellFormedPrefix(bytes) == bytes.size();
}

/// Moves `bytes` to `text` with each maximal malformed part as U+FFFD. Unless
/// `atEnd`, a sequence that may still become complete stays in `bytes`.
void drainLossy(std::string &bytes, std::string &text, bool atEnd);

/// `Alphabetic`, marks, decimal numbers, connectors and joiners: \w of Rust's
/// regex crate.
bool isWordCharacter(char32_t c);
bool isWhiteSpace(char32_t c);
/// General category N.
bool isNumeric(char32_t c);
/// ASCII punctuation or, by Unicode 8, category P.
bool isPunctuation(char32_t c);
/// By Unicode 8, category C other than unassigned.
bool isOther(char32_t c);
/// By Unicode 8, category Mn.
bool isNonspacingMark(char32_t c);
/// By Unicode 9, category M.
bool isCombiningMark(char32_t c);

/// Lower-cases each character by itself.
std::string toLower(std::string_view text);

enum class NormalForm { Nfc, Nfd, Nfkc, Nfkd };
/// Normalises by Unicode 9; later characters stay as they are.
std::string normalise(std::string_view text, NormalForm form);

/// Ends of the extended grapheme clusters of `text`.
std::vector<size_t> graphemeEnds(std::string_view text);

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_UNICODE_H
