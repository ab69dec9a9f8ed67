//===- Decoder.cpp - from token texts to text -----------------------------===//

#include "runtime/tokenizer/Decoder.h"
#include "runtime/tokenizer/ByteLevel.h"
#include "runtime/tokenizer/JsonFields.h"
#include "runtime/tokenizer/Metaspace.h"
#include "runtime/tokenizer/TextPattern.h"
#include "runtime/tokenizer/Unicode.h"

#include <algorithm>
#include <optional>

namespace lq::tok {

DecodeStage::~DecodeStage() = default;

void DecodeRun::push(std::string token) {
  stages.front()->push(std::move(token));
}

std::string DecodeRun::take() { return std::exchange(*output, {}); }

std::string DecodeRun::finish() {
  for (const auto &stage : stages)
    stage->finish();
  return take();
}

namespace {

/// A step that turns each token into another, knowing whether it is the first.
class PerToken : public DecodeStage {
public:
  using Map = std::function<std::string(std::string, bool isFirst)>;
  PerToken(Sink next, Map map)
      : DecodeStage(std::move(next)), map(std::move(map)) {}
  void push(std::string token) override {
    next(map(std::move(token), first));
    first = false;
  }
  void finish() override { first = true; }

private:
  Map map;
  bool first = true;
};

/// Joins a token that comes in parts.
class Collect : public DecodeStage {
public:
  using DecodeStage::DecodeStage;
  void push(std::string token) override { whole += token; }
  void finish() override { next(std::exchange(whole, {})); }

private:
  std::string whole;
};

class ByteLevelStage : public DecodeStage {
public:
  using DecodeStage::DecodeStage;
  void push(std::string token) override {
    appendFromByteLevel(bytes, token);
    drain(false);
  }
  void finish() override { drain(true); }

private:
  void drain(bool atEnd) {
    std::string text;
    drainLossy(bytes, text, atEnd);
    if (!text.empty())
      next(std::move(text));
  }

  /// The start of a character that is not complete yet.
  std::string bytes;
};

/// Tokens such as <0xE2> as bytes: a run of them is a text if it is UTF-8 as a
/// whole, and otherwise one U+FFFD for each byte.
class ByteFallbackStage : public DecodeStage {
public:
  using DecodeStage::DecodeStage;
  void push(std::string token) override {
    if (std::optional<char> byte = byteOf(token)) {
      run += *byte;
      return;
    }
    flush();
    next(std::move(token));
  }
  void finish() override { flush(); }

private:
  static std::optional<char> byteOf(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>')
      return std::nullopt;
    auto digit = [](char c) {
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
    };
    int high = token[3] == '+' ? 0 : digit(token[3]);
    int low = digit(token[4]);
    if (high < 0 || low < 0)
      return std::nullopt;
    return static_cast<char>(high * 16 + low);
  }

  void flush() {
    if (run.empty())
      return;
    if (isWellFormed(run))
      next(run);
    else
      for (size_t i = 0; i < run.size(); ++i)
        next("\uFFFD");
    run.clear();
  }

  std::string run;
};

/// Replaces the word suffix by a space, but in the last token by nothing.
class WordSuffixStage : public DecodeStage {
public:
  WordSuffixStage(Sink next, std::string suffix)
      : DecodeStage(std::move(next)), suffix(std::move(suffix)) {}
  void push(std::string token) override {
    if (held)
      next(replaced(*held, " "));
    held = std::move(token);
  }
  void finish() override {
    if (held)
      next(replaced(*held, ""));
    held.reset();
  }

private:
  std::string replaced(std::string_view token, const char *by) const {
    std::string result;
    // As Rust's str::replace: an empty pattern matches around each character.
    if (suffix.empty()) {
      result = by;
      for (size_t at = 0; at < token.size();) {
        size_t begin = at;
        nextCodePoint(token, at);
        result.append(token.substr(begin, at - begin)).append(by);
      }
      return result;
    }
    size_t done = 0;
    for (size_t found = token.find(suffix); found != std::string_view::npos;
         found = token.find(suffix, done)) {
      result.append(token.substr(done, found - done)).append(by);
      done = found + suffix.size();
    }
    return result.append(token.substr(done));
  }

  std::string suffix;
  std::optional<std::string> held;
};

/// Drops up to `start` of a character at the front and `stop` at the back.
struct StripOptions {
  char32_t content;
  size_t start;
  size_t stop;
};

std::string stripToken(const std::string &token, StripOptions options) {
  std::string content = toUtf8(options.content);
  std::string_view rest = token;
  for (size_t i = 0; i < options.start && rest.starts_with(content); ++i)
    rest.remove_prefix(content.size());
  for (size_t i = 0; i < options.stop && rest.ends_with(content); ++i)
    rest.remove_suffix(content.size());
  return std::string(rest);
}

/// The same on one token that comes in parts.
class FusedStripStage : public DecodeStage {
public:
  FusedStripStage(Sink next, StripOptions options)
      : DecodeStage(std::move(next)), options(options),
        content(toUtf8(options.content)), toDrop(options.start) {}
  void push(std::string token) override {
    std::string_view rest = token;
    while (toDrop > 0 && rest.starts_with(content)) {
      rest.remove_prefix(content.size());
      --toDrop;
    }
    if (rest.empty())
      return;
    toDrop = 0;
    // Up to `stop` of the character may be at the back, so they wait.
    held += rest;
    size_t end = held.size();
    for (size_t i = 0;
         i < options.stop && end >= content.size() &&
         held.compare(end - content.size(), content.size(), content) == 0;
         ++i)
      end -= content.size();
    next(held.substr(0, end));
    held.erase(0, end);
  }
  void finish() override {
    held.clear();
    toDrop = options.start;
  }

private:
  StripOptions options;
  std::string content;
  size_t toDrop;
  std::string held;
};

std::string replaceAll(std::string text, std::string_view from,
                       std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

/// BERT's undoing of what its tokenization did to English punctuation.
std::string cleanUp(std::string text) {
  static constexpr std::pair<const char *, const char *> rules[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (auto [from, to] : rules)
    text = replaceAll(std::move(text), from, to);
  return text;
}

std::string unmark(const std::string &token, char32_t mark, bool dropsMarks) {
  std::string text;
  for (size_t at = 0; at < token.size();) {
    char32_t c = nextCodePoint(token, at);
    if (c != mark)
      appendUtf8(text, c);
    else if (!dropsMarks)
      text += ' ';
  }
  return text;
}

std::string replaceMatches(const Regex &pattern, const std::string &content,
                           std::string token) {
  std::vector<Span> spans;
  // A match beyond the library's limits leaves the token as it is.
  if (pattern.split(token, spans))
    return token;
  std::string text;
  for (const Span &span : spans)
    text += span.isMatch ? content
                         : token.substr(span.begin, span.end - span.begin);
  return text;
}

template <typename Stage, typename... Arguments>
auto factoryOf(Arguments... arguments) {
  return [arguments...](DecodeStage::Sink next) {
    return std::unique_ptr<DecodeStage>(
        std::make_unique<Stage>(std::move(next), arguments...));
  };
}

auto perToken(PerToken::Map map) { return factoryOf<PerToken>(std::move(map)); }

} // namespace

void Decoder::addWhole(Factory factory) {
  if (fused)
    factories.push_back(factoryOf<Collect>());
  fused = false;
  factories.push_back(std::move(factory));
}

Error Decoder::addReplace(const Json &description, const std::string &where) {
  JsonFields fields(description, where);
  std::string content = fields.string("content");
  bool isRegex = false;
  std::string text = patternText(fields, isRegex);
  if (Error error = fields.takeError())
    return error;
  Expected<Regex> compiled = makeTextPattern(description, where);
  if (!compiled)
    return compiled.takeError();
  auto pattern = std::make_shared<Regex>(std::move(*compiled));
  auto factory = perToken([pattern, content](std::string token, bool) {
    return replaceMatches(*pattern, content, std::move(token));
  });
  // A single character cannot be divided between two parts of a token.
  bool isCharacter =
      !isRegex && !text.empty() &&
      sequenceLength(static_cast<unsigned char>(text[0])) == text.size();
  if (isCharacter)
    factories.push_back(std::move(factory));
  else
    addWhole(std::move(factory));
  return Error::success();
}

void Decoder::addStrip(JsonFields &fields) {
  StripOptions options{fields.character("content"),
                       static_cast<size_t>(fields.natural("start")),
                       static_cast<size_t>(fields.natural("stop"))};
  if (fused)
    factories.push_back(factoryOf<FusedStripStage>(options));
  else
    factories.push_back(perToken([options](std::string token, bool) {
      return stripToken(token, options);
    }));
}

Error Decoder::addMetaspace(const Json &description, const std::string &where) {
  Expected<Metaspace> options = readMetaspace(description, where);
  if (!options)
    return options.takeError();
  bool drops = options->scheme != Metaspace::Scheme::Never;
  // A fused token is the first one in all its parts.
  factories.push_back(
      perToken([mark = options->replacement, drops,
                isOnly = fused](std::string token, bool isFirst) {
        return unmark(token, mark, drops && (isFirst || isOnly));
      }));
  return Error::success();
}

void Decoder::addWordPiece(JsonFields &fields) {
  std::string prefix = fields.string("prefix");
  bool cleans = fields.boolean("cleanup");
  addWhole(perToken([prefix, cleans](std::string token, bool isFirst) {
    if (!isFirst && token.starts_with(prefix))
      token.erase(0, prefix.size());
    else if (!isFirst)
      token.insert(0, " ");
    return cleans ? cleanUp(std::move(token)) : token;
  }));
}

Error Decoder::addSequence(JsonFields &fields) {
  const Json &list = fields.array("decoders");
  for (size_t i = 0; i < list.size(); ++i)
    if (Error error = add(list[i], fields.pathOf("decoders") + "[" +
                                       std::to_string(i) + "]"))
      return error;
  return fields.takeError();
}

Error Decoder::add(const Json &description, const std::string &where) {
  Expected<std::string> typeName = componentType(description, where);
  if (!typeName)
    return typeName.takeError();
  const std::string &type = *typeName;
  JsonFields fields(description, where);
  if (type == "Sequence")
    return addSequence(fields);
  if (type == "Replace")
    return addReplace(description, where);
  if (type == "Metaspace")
    return addMetaspace(description, where);
  if (type == "ByteLevel") {
    addWhole(factoryOf<ByteLevelStage>());
    fused = true;
  } else if (type == "Fuse") {
    // Later steps see parts of one token from here on.
    fused = true;
  } else if (type == "ByteFallback") {
    addWhole(factoryOf<ByteFallbackStage>());
  } else if (type == "BPEDecoder") {
    addWhole(factoryOf<WordSuffixStage>(fields.string("suffix")));
  } else if (type == "Strip") {
    addStrip(fields);
  } else if (type == "WordPiece") {
    addWordPiece(fields);
  } else {
    return makeError(ErrorCode::Unsupported, where, ": unknown decoder '", type,
                     "'");
  }
  return fields.takeError();
}

Expected<Decoder> Decoder::make(const Json &description) {
  Decoder decoder;
  if (description.is_null()) {
    decoder.factories.push_back(perToken([](std::string token, bool isFirst) {
      return isFirst ? token : " " + token;
    }));
  } else if (Error error = decoder.add(description, "decoder")) {
    return error;
  }
  if (decoder.factories.empty()) // an empty sequence, or only Fuse
    decoder.factories.push_back(
        perToken([](std::string token, bool) { return token; }));
  return decoder;
}

DecodeRun Decoder::start() const {
  DecodeRun run;
  DecodeStage::Sink next = [output = run.output](std::string text) {
    *output += text;
  };
  // The last stage first, for each hands on to the next.
  for (auto factory = factories.rbegin(); factory != factories.rend();
       ++factory) {
    run.stages.push_back((*factory)(std::move(next)));
    next = [stage = run.stages.back().get()](std::string token) {
      stage->push(std::move(token));
    };
  }
  std::reverse(run.stages.begin(), run.stages.end());
  return run;
}

} // namespace lq::tok
