//===- PreTokenizer.cpp - cutting text into words -------------------------===//

#include "runtime/tokenizer/PreTokenizer.h"
#include "runtime/tokenizer/ByteLevel.h"
#include "runtime/tokenizer/JsonFields.h"
#include "runtime/tokenizer/Metaspace.h"
#include "runtime/tokenizer/TextPattern.h"
#include "runtime/tokenizer/Unicode.h"

#include <optional>

namespace lq::tok {

PreTokenizer::~PreTokenizer() = default;

namespace {

using Made = Expected<std::unique_ptr<PreTokenizer>>;

class PreTokenizerSequence : public PreTokenizer {
public:
  explicit PreTokenizerSequence(
      std::vector<std::unique_ptr<PreTokenizer>> parts)
      : parts(std::move(parts)) {}
  Error preTokenize(PieceList &pieces) const override {
    for (const auto &part : parts)
      if (Error error = part->preTokenize(pieces))
        return error;
    return Error::success();
  }

private:
  std::vector<std::unique_ptr<PreTokenizer>> parts;
};

/// Cuts at single characters of a class.
class CharacterSplit : public PreTokenizer {
public:
  CharacterSplit(PieceList::Predicate isSeparator, SplitBehavior behavior)
      : isSeparator(isSeparator), behavior(behavior) {}
  Error preTokenize(PieceList &pieces) const override {
    pieces.splitAt(behavior, isSeparator);
    return Error::success();
  }

private:
  PieceList::Predicate isSeparator;
  SplitBehavior behavior;
};

/// Cuts at the matches of a pattern.
class PatternSplit : public PreTokenizer {
public:
  PatternSplit(Regex pattern, SplitBehavior behavior, bool invert)
      : pattern(std::move(pattern)), behavior(behavior), invert(invert) {}
  Error preTokenize(PieceList &pieces) const override {
    return pieces.split(behavior, invert,
                        [&](std::string_view text, std::vector<Span> &spans) {
                          return pattern.split(text, spans);
                        });
  }

private:
  Regex pattern;
  SplitBehavior behavior;
  bool invert;
};

/// Any function that finds the spans itself; they are pieces as they stand,
/// but for matches, which are dropped.
class SpanSplit : public PreTokenizer {
public:
  explicit SpanSplit(PieceList::Splitter splitter)
      : splitter(std::move(splitter)) {}
  Error preTokenize(PieceList &pieces) const override {
    return pieces.split(SplitBehavior::Removed, false, splitter);
  }

private:
  PieceList::Splitter splitter;
};

class ByteLevelSplit : public PreTokenizer {
public:
  ByteLevelSplit(bool addPrefixSpace, std::optional<Regex> pattern)
      : addPrefixSpace(addPrefixSpace), pattern(std::move(pattern)) {}
  Error preTokenize(PieceList &pieces) const override {
    if (addPrefixSpace)
      pieces.rewrite([](std::string_view piece, size_t fromStart,
                        std::string &text, size_t &newFromStart) {
        bool adds = !piece.empty() && !piece.starts_with(' ');
        if (adds)
          text += ' ';
        text += piece;
        newFromStart = fromStart + (adds && fromStart > 0 ? 1 : 0);
      });
    if (pattern) {
      Error error =
          pieces.split(SplitBehavior::Isolated, false,
                       [&](std::string_view text, std::vector<Span> &spans) {
                         return pattern->split(text, spans);
                       });
      if (error)
        return error;
    }
    pieces.rewrite([](std::string_view piece, size_t fromStart,
                      std::string &text, size_t &newFromStart) {
      appendByteLevel(text, piece);
      newFromStart = byteLevelSize(piece.substr(0, fromStart));
    });
    return Error::success();
  }

private:
  bool addPrefixSpace;
  std::optional<Regex> pattern;
};

class MetaspaceSplit : public PreTokenizer {
public:
  MetaspaceSplit(Metaspace options, Regex pattern)
      : options(options), pattern(std::move(pattern)) {}
  Error preTokenize(PieceList &pieces) const override {
    std::string mark = toUtf8(options.replacement);
    pieces.rewrite([&](std::string_view piece, size_t fromStart,
                       std::string &text, size_t &newFromStart) {
      bool startsMarked = piece.starts_with(' ') || piece.starts_with(mark);
      size_t begin = text.size();
      if (options.prepends(fromStart > 0) && !startsMarked && !piece.empty())
        text += mark;
      for (size_t i = 0; i < piece.size(); ++i) {
        if (piece[i] == ' ')
          text += mark;
        else
          text += piece[i];
        if (i + 1 == fromStart)
          newFromStart = text.size() - begin;
      }
    });
    if (!options.split)
      return Error::success();
    return pieces.split(SplitBehavior::MergedWithNext, false,
                        [&](std::string_view text, std::vector<Span> &spans) {
                          return pattern.split(text, spans);
                        });
  }

private:
  Metaspace options;
  /// Matches the mark.
  Regex pattern;
};

/// Runs of word characters and runs of other visible characters; the same as
/// the pattern \w+|[^\w\s]+ in Rust's regex crate.
Error findWords(std::string_view text, std::vector<Span> &spans) {
  enum class Class { Space, Word, Other };
  spans.clear();
  Class previous = Class::Space;
  for (size_t at = 0; at < text.size();) {
    size_t begin = at;
    char32_t c = nextCodePoint(text, at);
    Class current = isWordCharacter(c) ? Class::Word
                    : isWhiteSpace(c)  ? Class::Space
                                       : Class::Other;
    if (!spans.empty() && current == previous)
      spans.back().end = at;
    else
      spans.push_back({begin, at, current == Class::Space});
    previous = current;
  }
  return Error::success();
}

Error cutEvery(size_t length, std::string_view text, std::vector<Span> &spans) {
  spans.clear();
  size_t begin = 0;
  size_t characters = 0;
  for (size_t at = 0; at < text.size();) {
    nextCodePoint(text, at);
    if (++characters % length == 0 || at == text.size()) {
      spans.push_back({begin, at, false});
      begin = at;
    }
  }
  return Error::success();
}

Made done(std::unique_ptr<PreTokenizer> made) { return Made(std::move(made)); }

std::optional<SplitBehavior> readBehavior(JsonFields &fields) {
  std::optional<SplitBehavior> behavior =
      splitBehaviorFromName(fields.string("behavior"));
  if (!behavior)
    fields.fail("behavior", "Removed, Isolated, MergedWithPrevious, "
                            "MergedWithNext or Contiguous");
  return behavior;
}

Made makeSplit(const Json &json, const std::string &where) {
  JsonFields fields(json, where);
  std::optional<SplitBehavior> behavior = readBehavior(fields);
  bool invert = fields.boolean("invert");
  if (Error error = fields.takeError())
    return error;
  Expected<Regex> pattern = makeTextPattern(json, where);
  if (!pattern)
    return pattern.takeError();
  return done(
      std::make_unique<PatternSplit>(std::move(*pattern), *behavior, invert));
}

Made makeByteLevel(const Json &json, const std::string &where) {
  JsonFields fields(json, where);
  bool addPrefixSpace = fields.boolean("add_prefix_space");
  bool usesPattern = fields.boolean("use_regex", true);
  if (Error error = fields.takeError())
    return error;
  std::optional<Regex> pattern;
  if (usesPattern) {
    Expected<Regex> compiled = Regex::compile(gpt2Pattern);
    if (!compiled)
      return compiled.takeError();
    pattern = std::move(*compiled);
  }
  return done(
      std::make_unique<ByteLevelSplit>(addPrefixSpace, std::move(pattern)));
}

Made makeBert() {
  std::vector<std::unique_ptr<PreTokenizer>> parts;
  parts.push_back(
      std::make_unique<CharacterSplit>(isWhiteSpace, SplitBehavior::Removed));
  parts.push_back(
      std::make_unique<CharacterSplit>(isPunctuation, SplitBehavior::Isolated));
  return done(std::make_unique<PreTokenizerSequence>(std::move(parts)));
}

Made make(const Json &json, const std::string &where);

Made makeSequence(const Json &json, const std::string &where) {
  JsonFields fields(json, where);
  const Json &list = fields.array("pretokenizers");
  if (Error error = fields.takeError())
    return error;
  std::vector<std::unique_ptr<PreTokenizer>> parts;
  for (size_t i = 0; i < list.size(); ++i) {
    Made part =
        make(list[i], where + ".pretokenizers[" + std::to_string(i) + "]");
    if (!part)
      return part;
    parts.push_back(std::move(*part));
  }
  return done(std::make_unique<PreTokenizerSequence>(std::move(parts)));
}

Made make(const Json &json, const std::string &where) {
  Expected<std::string> typeName = componentType(json, where);
  if (!typeName)
    return typeName.takeError();
  const std::string &type = *typeName;
  if (type == "Sequence")
    return makeSequence(json, where);
  if (type == "ByteLevel")
    return makeByteLevel(json, where);
  if (type == "Split")
    return makeSplit(json, where);
  if (type == "BertPreTokenizer")
    return makeBert();
  if (type == "Whitespace")
    return done(std::make_unique<SpanSplit>(findWords));
  if (type == "WhitespaceSplit")
    return done(
        std::make_unique<CharacterSplit>(isWhiteSpace, SplitBehavior::Removed));
  if (type == "Metaspace") {
    Expected<Metaspace> options = readMetaspace(json, where);
    if (!options)
      return options.takeError();
    Expected<Regex> mark = Regex::compileLiteral(toUtf8(options->replacement));
    if (!mark)
      return mark.takeError();
    return done(std::make_unique<MetaspaceSplit>(*options, std::move(*mark)));
  }

  JsonFields fields(json, where);
  std::unique_ptr<PreTokenizer> made;
  if (type == "Digits") {
    bool individual = fields.boolean("individual_digits");
    made = std::make_unique<CharacterSplit>(
        isNumeric,
        individual ? SplitBehavior::Isolated : SplitBehavior::Contiguous);
  } else if (type == "Punctuation") {
    std::optional<SplitBehavior> behavior = SplitBehavior::Isolated;
    if (fields.find("behavior"))
      behavior = readBehavior(fields);
    made = std::make_unique<CharacterSplit>(
        isPunctuation, behavior.value_or(SplitBehavior::Isolated));
  } else if (type == "CharDelimiterSplit") {
    Expected<Regex> pattern =
        Regex::compileLiteral(toUtf8(fields.character("delimiter")));
    if (!pattern)
      return pattern.takeError();
    made = std::make_unique<PatternSplit>(std::move(*pattern),
                                          SplitBehavior::Removed, false);
  } else if (type == "FixedLength") {
    int32_t length = fields.natural("length");
    if (length == 0)
      fields.fail("length", "at least 1");
    made = std::make_unique<SpanSplit>(
        [length](std::string_view text, std::vector<Span> &spans) {
          return cutEvery(static_cast<size_t>(length), text, spans);
        });
  } else {
    return makeError(ErrorCode::Unsupported, where, ": unknown pre-tokenizer '",
                     type, "'");
  }
  if (Error error = fields.takeError())
    return error;
  return done(std::move(made));
}

} // namespace

Expected<std::unique_ptr<PreTokenizer>>
makePreTokenizer(const Json &description) {
  if (description.is_null())
    return std::unique_ptr<PreTokenizer>();
  return make(description, "pre_tokenizer");
}

} // namespace lq::tok
