//===- Normalizer.cpp - rewriting text before it is cut -------------------===//

#include "runtime/tokenizer/Normalizer.h"
#include "runtime/tokenizer/ByteLevel.h"
#include "runtime/tokenizer/Charsmap.h"
#include "runtime/tokenizer/JsonFields.h"
#include "runtime/tokenizer/Regex.h"
#include "runtime/tokenizer/TextPattern.h"
#include "runtime/tokenizer/Unicode.h"

#include <algorithm>
#include <functional>

namespace lq::tok {

Normalizer::~Normalizer() = default;

namespace {

using Made = Expected<std::unique_ptr<Normalizer>>;

class NormalizerSequence : public Normalizer {
public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> parts)
      : parts(std::move(parts)) {}
  Error normalize(NormalizedText &text) const override {
    for (const auto &part : parts)
      if (Error error = part->normalize(text))
        return error;
    return Error::success();
  }

private:
  std::vector<std::unique_ptr<Normalizer>> parts;
};

/// Replaces each character by a text, on its own.
class CharacterMap : public Normalizer {
public:
  using Map = std::function<void(char32_t, std::string &)>;
  explicit CharacterMap(Map map) : map(std::move(map)) {}

  Error normalize(NormalizedText &text) const override {
    std::string result;
    result.reserve(text.text.size());
    size_t fromStart = 0;
    for (size_t at = 0; at < text.text.size();) {
      bool isFirst = at < text.fromStart;
      map(nextCodePoint(text.text, at), result);
      if (isFirst)
        fromStart = result.size();
    }
    text = {std::move(result), fromStart};
    return Error::success();
  }

private:
  Map map;
};

/// Replaces the text as a whole, by a function that can say of a prefix what
/// becomes of it.
class TextMap : public Normalizer {
public:
  using Map = std::function<std::string(std::string_view)>;
  explicit TextMap(Map map) : map(std::move(map)) {}

  Error normalize(NormalizedText &text) const override {
    size_t fromStart = 0;
    if (text.fromStart > 0)
      fromStart =
          map(std::string_view(text.text).substr(0, text.fromStart)).size();
    std::string result = map(text.text);
    text = {std::move(result), 0};
    text.fromStart = std::min(fromStart, text.text.size());
    return Error::success();
  }

private:
  Map map;
};

class Strip : public Normalizer {
public:
  Strip(bool left, bool right) : left(left), right(right) {}
  Error normalize(NormalizedText &text) const override {
    std::string_view rest = text.text;
    size_t begin = 0;
    for (size_t at = 0; left && at < rest.size(); begin = at)
      if (!isWhiteSpace(nextCodePoint(rest, at)))
        break;
    size_t end = rest.size();
    while (right && end > begin) {
      char32_t c = codePointBefore(rest, end);
      if (!isWhiteSpace(c))
        break;
      end -= toUtf8(c).size();
    }
    text.text = text.text.substr(begin, end - begin);
    text.fromStart -= std::min(text.fromStart, begin);
    text.fromStart = std::min(text.fromStart, text.text.size());
    return Error::success();
  }

private:
  bool left, right;
};

class Prepend : public Normalizer {
public:
  explicit Prepend(std::string prefix) : prefix(std::move(prefix)) {}
  Error normalize(NormalizedText &text) const override {
    if (text.text.empty())
      return Error::success();
    text.text.insert(0, prefix);
    if (text.fromStart > 0)
      text.fromStart += prefix.size();
    return Error::success();
  }

private:
  std::string prefix;
};

class Replace : public Normalizer {
public:
  Replace(Regex pattern, std::string content)
      : pattern(std::move(pattern)), content(std::move(content)) {}
  Error normalize(NormalizedText &text) const override {
    std::vector<Span> spans;
    if (Error error = pattern.split(text.text, spans))
      return error;
    std::string result;
    size_t fromStart = 0;
    for (const Span &span : spans) {
      std::string_view source =
          std::string_view(text.text).substr(span.begin, span.end - span.begin);
      result += span.isMatch ? std::string_view(content) : source;
      if (span.end <= text.fromStart)
        fromStart = result.size();
      else if (!span.isMatch && span.begin < text.fromStart)
        fromStart = result.size() - (span.end - text.fromStart);
    }
    text = {std::move(result), fromStart};
    return Error::success();
  }

private:
  Regex pattern;
  std::string content;
};

bool isCjkIdeograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) ||
         (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

void cleanForBert(char32_t c, std::string &text) {
  bool isLineSpace = c == '\t' || c == '\n' || c == '\r';
  if (c == 0 || c == 0xFFFD || (isOther(c) && !isLineSpace))
    return;
  appendUtf8(text, isWhiteSpace(c) ? U' ' : c);
}

void spaceOutIdeographs(char32_t c, std::string &text) {
  if (!isCjkIdeograph(c))
    return appendUtf8(text, c);
  text += ' ';
  appendUtf8(text, c);
  text += ' ';
}

/// SentencePiece's "nmt" rules: control characters go, odd spaces become plain.
void applyNmt(char32_t c, std::string &text) {
  if ((c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) ||
      c == 0x7F || c == 0x8F || c == 0x9F)
    return;
  bool isSpace = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D ||
                 c == 0x1680 || (c >= 0x200B && c <= 0x200F) || c == 0x2028 ||
                 c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
  appendUtf8(text, isSpace ? U' ' : c);
}

template <bool (*isDropped)(char32_t)>
void dropCharacters(char32_t c, std::string &text) {
  if (!isDropped(c))
    appendUtf8(text, c);
}

std::unique_ptr<Normalizer> makeForm(NormalForm form) {
  return std::make_unique<TextMap>(
      [form](std::string_view text) { return normalise(text, form); });
}

Made makeBert(const Json &json, const std::string &where) {
  JsonFields fields(json, where);
  bool clean = fields.boolean("clean_text");
  bool spaceOut = fields.boolean("handle_chinese_chars");
  bool lower = fields.boolean("lowercase");
  bool strip = fields.boolean("strip_accents", lower);
  if (Error error = fields.takeError())
    return error;
  std::vector<std::unique_ptr<Normalizer>> parts;
  if (clean)
    parts.push_back(std::make_unique<CharacterMap>(cleanForBert));
  if (spaceOut)
    parts.push_back(std::make_unique<CharacterMap>(spaceOutIdeographs));
  if (strip) {
    parts.push_back(makeForm(NormalForm::Nfd));
    parts.push_back(
        std::make_unique<CharacterMap>(dropCharacters<isNonspacingMark>));
  }
  if (lower)
    parts.push_back(std::make_unique<TextMap>(toLower));
  return std::unique_ptr<Normalizer>(
      std::make_unique<NormalizerSequence>(std::move(parts)));
}

Made makeReplace(const Json &json, const std::string &where) {
  JsonFields fields(json, where);
  std::string content = fields.string("content");
  if (Error error = fields.takeError())
    return error;
  Expected<Regex> pattern = makeTextPattern(json, where);
  if (!pattern)
    return pattern.takeError();
  return std::unique_ptr<Normalizer>(
      std::make_unique<Replace>(std::move(*pattern), std::move(content)));
}

Made makeCharsmap(const Json &json, const std::string &where) {
  JsonFields fields(json, where);
  std::string base64 = fields.string("precompiled_charsmap");
  if (Error error = fields.takeError())
    return error;
  Expected<Charsmap> map =
      Charsmap::fromBase64(base64, fields.pathOf("precompiled_charsmap"));
  if (!map)
    return map.takeError();
  auto shared = std::make_shared<Charsmap>(std::move(*map));
  return std::unique_ptr<Normalizer>(std::make_unique<TextMap>(
      [shared](std::string_view text) { return shared->normalize(text); }));
}

Made make(const Json &json, const std::string &where);

Made makeSequence(const Json &json, const std::string &where) {
  JsonFields fields(json, where);
  const Json &list = fields.array("normalizers");
  if (Error error = fields.takeError())
    return error;
  std::vector<std::unique_ptr<Normalizer>> parts;
  for (size_t i = 0; i < list.size(); ++i) {
    Made part =
        make(list[i], where + ".normalizers[" + std::to_string(i) + "]");
    if (!part)
      return part;
    parts.push_back(std::move(*part));
  }
  return std::unique_ptr<Normalizer>(
      std::make_unique<NormalizerSequence>(std::move(parts)));
}

Made make(const Json &json, const std::string &where) {
  Expected<std::string> typeName = componentType(json, where);
  if (!typeName)
    return typeName.takeError();
  const std::string &type = *typeName;
  auto done = [](auto made) {
    return Made(std::unique_ptr<Normalizer>(std::move(made)));
  };
  auto perCharacter = [&](CharacterMap::Map map) {
    return done(std::make_unique<CharacterMap>(std::move(map)));
  };

  if (type == "Sequence")
    return makeSequence(json, where);
  if (type == "NFC")
    return makeForm(NormalForm::Nfc);
  if (type == "NFD")
    return makeForm(NormalForm::Nfd);
  if (type == "NFKC")
    return makeForm(NormalForm::Nfkc);
  if (type == "NFKD")
    return makeForm(NormalForm::Nfkd);
  if (type == "Lowercase")
    return done(std::make_unique<TextMap>(toLower));
  if (type == "StripAccents")
    return perCharacter(dropCharacters<isCombiningMark>);
  if (type == "Nmt")
    return perCharacter(applyNmt);
  if (type == "ByteLevel")
    return perCharacter([](char32_t c, std::string &text) {
      appendByteLevel(text, toUtf8(c));
    });
  if (type == "BertNormalizer" || type == "Bert")
    return makeBert(json, where);
  if (type == "Replace")
    return makeReplace(json, where);
  if (type == "Precompiled")
    return makeCharsmap(json, where);

  JsonFields fields(json, where);
  if (type == "Strip") {
    bool left = fields.boolean("strip_left");
    bool right = fields.boolean("strip_right");
    if (Error error = fields.takeError())
      return error;
    return done(std::make_unique<Strip>(left, right));
  }
  if (type == "Prepend") {
    std::string prefix = fields.string("prepend");
    if (Error error = fields.takeError())
      return error;
    return done(std::make_unique<Prepend>(std::move(prefix)));
  }
  return makeError(ErrorCode::Unsupported, where, ": unknown normalizer '",
                   type, "'");
}

} // namespace

Expected<std::unique_ptr<Normalizer>> makeNormalizer(const Json &description) {
  if (description.is_null())
    return std::unique_ptr<Normalizer>();
  return make(description, "normalizer");
}

} // namespace lq::tok
