//===- Unicode.cpp - UTF-8, character classes, normalisation --------------===//

#include "runtime/tokenizer/Unicode.h"

#include <unicode/brkiter.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/utext.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace lq::tok {

namespace {

/// Whether the character was assigned in `version` or before. Old libraries
/// take the rest for unassigned.
bool isAssignedIn(char32_t c, int version) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] != 0 && age[0] <= version;
}

uint32_t categoryMask(char32_t c) {
  return U_GET_GC_MASK(static_cast<UChar32>(c));
}

bool isAsciiPunctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') ||
         (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

/// Length of the well-formed sequence at the start of `bytes` (not empty), or
/// 0. `valid` is the number of bytes that could start one (Unicode 15, table
/// 3-7).
size_t checkedSequence(std::string_view bytes, size_t &valid) {
  auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  unsigned char lead = at(0);
  valid = 1;
  if (lead < 0x80)
    return 1;
  if (lead < 0xC2 || lead > 0xF4)
    return 0;
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  size_t length = sequenceLength(lead);
  for (; valid < length; ++valid) {
    if (valid == bytes.size() || at(valid) < low || at(valid) > high)
      return 0;
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

/// Normalisation restricted to the characters that Unicode 9 had, for that is
/// what the library below `tokenizers` knows.
class OldNormalizer {
public:
  explicit OldNormalizer(const icu::Normalizer2 *full)
      : filtered(*full, assigned()) {}

  std::string operator()(std::string_view text) const {
    std::string result;
    icu::StringByteSink<std::string> sink(&result);
    UErrorCode status = U_ZERO_ERROR;
    filtered.normalizeUTF8(
        0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())),
        sink, nullptr, status);
    return U_SUCCESS(status) ? result : std::string(text);
  }

private:
  static const icu::UnicodeSet &assigned() {
    static const icu::UnicodeSet set = [] {
      UErrorCode status = U_ZERO_ERROR;
      icu::UnicodeSet made(icu::UnicodeString("[:age=9.0:]"), status);
      made.freeze();
      return made;
    }();
    return set;
  }

  icu::FilteredNormalizer2 filtered;
};

const OldNormalizer &normalizerOf(NormalForm form) {
  using icu::Normalizer2;
  static UErrorCode status = U_ZERO_ERROR;
  switch (form) {
  case NormalForm::Nfc: {
    static const OldNormalizer nfc(Normalizer2::getNFCInstance(status));
    return nfc;
  }
  case NormalForm::Nfd: {
    static const OldNormalizer nfd(Normalizer2::getNFDInstance(status));
    return nfd;
  }
  case NormalForm::Nfkc: {
    static const OldNormalizer nfkc(Normalizer2::getNFKCInstance(status));
    return nfkc;
  }
  case NormalForm::Nfkd:
    break;
  }
  static const OldNormalizer nfkd(Normalizer2::getNFKDInstance(status));
  return nfkd;
}

} // namespace

char32_t codePointBefore(std::string_view text, size_t end) {
  do
    --end;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
  return nextCodePoint(text, end);
}

void appendUtf8(std::string &text, char32_t c) {
  auto put = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
    return;
  }
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      put(0xE0 | c >> 12);
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
    }
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

bool isAscii(std::string_view text) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    if (word & 0x8080808080808080u)
      return false;
  }
  return std::all_of(text.begin() + i, text.end(),
                     [](char c) { return static_cast<signed char>(c) >= 0; });
}

size_t wellFormedPrefix(std::string_view bytes) {
  size_t position = 0;
  while (position < bytes.size()) {
    if (position + 32 <= bytes.size() && isAscii(bytes.substr(position, 32))) {
      position += 32;
      continue;
    }
    size_t valid;
    size_t length = checkedSequence(bytes.substr(position), valid);
    if (length == 0)
      break;
    position += length;
  }
  return position;
}

void drainLossy(std::string &bytes, std::string &text, bool atEnd) {
  std::string_view rest = bytes;
  while (!rest.empty()) {
    size_t good = wellFormedPrefix(rest);
    text.append(rest.substr(0, good));
    rest.remove_prefix(good);
    if (rest.empty())
      break;
    size_t valid;
    (void)checkedSequence(rest, valid);
    if (!atEnd && valid == rest.size() &&
        static_cast<unsigned char>(rest[0]) >= 0xC2 &&
        static_cast<unsigned char>(rest[0]) <= 0xF4)
      break;
    text += "\uFFFD";
    rest.remove_prefix(valid);
  }
  bytes.erase(0, bytes.size() - rest.size());
}

bool isWordCharacter(char32_t c) {
  if (c < 0x80)
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
  return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_ALPHABETIC) ||
         (categoryMask(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 ||
         c == 0x200C || c == 0x200D;
}

bool isWhiteSpace(char32_t c) {
  if (c < 0x80)
    return c == ' ' || (c >= '\t' && c <= '\r');
  return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_WHITE_SPACE);
}

bool isNumeric(char32_t c) {
  if (c < 0x80)
    return c >= '0' && c <= '9';
  return (categoryMask(c) & U_GC_N_MASK) != 0;
}

// In the three classes below, the characters named one by one changed their
// category after the version in question.

bool isPunctuation(char32_t c) {
  if (c < 0x80)
    return isAsciiPunctuation(c);
  if (c == 0x166D || c == 0x111C9)
    return true;
  return (categoryMask(c) & U_GC_P_MASK) != 0 && isAssignedIn(c, 8);
}

bool isOther(char32_t c) {
  return (categoryMask(c) & (U_GC_C_MASK & ~U_GC_CN_MASK)) != 0 &&
         isAssignedIn(c, 8);
}

bool isNonspacingMark(char32_t c) {
  if (c < 0x300)
    return false;
  if (c == 0x1734)
    return true;
  if (c == 0x1885 || c == 0x1886 || c == 0xA9BD || c == 0x111C9)
    return false;
  return (categoryMask(c) & U_GC_MN_MASK) != 0 && isAssignedIn(c, 8);
}

bool isCombiningMark(char32_t c) {
  if (c < 0x300)
    return false;
  if (c == 0x1CF2 || c == 0x1CF3)
    return true;
  if (c == 0x111C9)
    return false;
  return (categoryMask(c) & U_GC_M_MASK) != 0 && isAssignedIn(c, 9);
}

std::string toLower(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    char32_t c = nextCodePoint(text, i);
    if (c < 0x80) {
      bool upper = c >= 'A' && c <= 'Z';
      result.push_back(static_cast<char>(upper ? c + ('a' - 'A') : c));
    } else if (c == 0x130) {
      // The only character whose lower case, without context, is two.
      result += "i\u0307";
    } else {
      appendUtf8(result,
                 static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))));
    }
  }
  return result;
}

std::string normalise(std::string_view text, NormalForm form) {
  if (isAscii(text))
    return std::string(text);
  return normalizerOf(form)(text);
}

std::vector<size_t> graphemeEnds(std::string_view text) {
  std::vector<size_t> ends;
  UErrorCode status = U_ZERO_ERROR;
  UText *utext = utext_openUTF8(nullptr, text.data(),
                                static_cast<int64_t>(text.size()), &status);
  std::unique_ptr<icu::BreakIterator> breaks(
      icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(),
                                                  status));
  if (U_SUCCESS(status))
    breaks->setText(utext, status);
  if (U_SUCCESS(status))
    while (breaks->next() != icu::BreakIterator::DONE)
      ends.push_back(static_cast<size_t>(breaks->current()));
  else // without ICU's data: each character by itself
    for (size_t i = 0; i < text.size(); ends.push_back(i))
      nextCodePoint(text, i);
  utext_close(utext);
  return ends;
}

} // namespace lq::tok
