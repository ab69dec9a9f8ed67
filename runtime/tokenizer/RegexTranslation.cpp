//===- RegexTranslation.cpp - Oniguruma patterns for PCRE2 ----------------===//
//
// Oniguruma's syntax is described in its doc/RE; where that leaves questions
// the library itself was asked, over all code points.
//
//===----------------------------------------------------------------------===//

#include "runtime/tokenizer/RegexTranslation.h"
#include "runtime/tokenizer/RegexClasses.h"
#include "runtime/tokenizer/Unicode.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

namespace lq::tok {

namespace {

std::string codePointText(char32_t c) {
  char buffer[16];
  std::snprintf(buffer, sizeof(buffer), "\\x{%x}", static_cast<unsigned>(c));
  return buffer;
}

bool isAsciiAlphanumeric(char32_t c) {
  return c < 0x80 && isWordCharacter(c) && c != '_';
}

/// Writes the translation while it parses. Every parse function leaves `at`
/// after what it read; the first failure stops all of them.
class Translator {
public:
  explicit Translator(std::string_view pattern) : pattern(pattern) {}

  Expected<std::string> run() {
    alternatives(0);
    if (!failure && at < pattern.size())
      fail("unmatched )");
    if (failure)
      return std::move(failure);
    return std::move(out);
  }

private:
  /// A set of characters: a part that is the contents of a PCRE2 class, and
  /// expressions that match one character each.
  struct Set {
    std::string contents;
    std::vector<std::string> expressions;

    void add(const NamedClass &named) {
      if (named.negated)
        expressions.push_back("[^" + named.contents + "]");
      else
        contents += named.contents;
    }
    void addNegated(const NamedClass &named) {
      if (named.negated)
        contents += named.contents;
      else
        expressions.push_back("[^" + named.contents + "]");
    }
    std::string text(bool negated) const {
      if (expressions.empty()) {
        if (contents.empty())
          return negated ? "(?s:.)" : "(?!)";
        return (negated ? "[^" : "[") + contents + "]";
      }
      std::string all = "(?:";
      if (!contents.empty())
        all += "[" + contents + "]|";
      for (size_t i = 0; i < expressions.size(); ++i)
        all += (i ? "|" : "") + expressions[i];
      all += ")";
      return negated ? "(?:(?!" + all + ")(?s:.))" : all;
    }
  };

  bool atEnd() const { return at >= pattern.size() || failure; }
  char peek() const { return at < pattern.size() ? pattern[at] : '\0'; }
  bool accept(std::string_view text) {
    if (failure || !pattern.substr(at).starts_with(text))
      return false;
    at += text.size();
    return true;
  }
  void fail(std::string_view what) {
    if (!failure)
      failure = makeError(ErrorCode::Unsupported, "regular expression '",
                          pattern, "': ", what, " at byte ", at);
  }

  /// Alternatives up to the closing parenthesis or the end, which stay unread.
  void alternatives(int depth);
  void group(int depth);
  /// After "(?": letters that switch options. True if they hold for a group,
  /// whose content is next; an isolated option takes in, itself, all the rest
  /// of the enclosing group.
  bool options(int depth);
  void quantifier();
  /// Lowest and highest count, -1 for none; fails for no interval.
  bool interval(long &least, long &most);
  void escape();
  void characterClass();
  /// After "[": the set with its negation, up to and with "]".
  Set set(int depth, bool &negated);
  void setItem(Set &items);
  void setEscape(Set &items);
  /// After "\": a single character, or none for what is not one.
  std::optional<char32_t> characterEscape();
  /// After "\p" or "\P": the class and whether it is negated.
  NamedClass property(bool &negated);
  char32_t literal() { return nextCodePoint(pattern, at); }
  void rangeFrom(Set &items, char32_t first);

  void atom(std::string_view text) {
    atomStart = out.size();
    quantified = false;
    out += text;
  }
  void atomCodePoint(char32_t c) {
    atom(isAsciiAlphanumeric(c) || c >= 0x80 ? toUtf8(c) : codePointText(c));
  }

  std::string_view pattern;
  size_t at = 0;
  std::string out;
  Error failure;
  /// Where in `out` the last atom starts; npos if a quantifier has no operand.
  size_t atomStart = std::string::npos;
  bool quantified = false;
  /// (?x): white space and comments are skipped.
  bool extended = false;

  static constexpr int maximumDepth = 100;
};

void Translator::alternatives(int depth) {
  if (depth > maximumDepth)
    return fail("nested too deep");
  atomStart = std::string::npos;
  while (!atEnd()) {
    char c = peek();
    if (c == ')')
      return;
    if (extended && (isWhiteSpace(static_cast<unsigned char>(c)) && c > 0)) {
      ++at;
    } else if (extended && c == '#') {
      at = std::min(pattern.find('\n', at), pattern.size());
    } else if (accept("|")) {
      out += '|';
      atomStart = std::string::npos;
    } else if (c == '(') {
      group(depth);
    } else if (c == '[') {
      characterClass();
    } else if (c == '\\') {
      escape();
    } else if (accept(".")) {
      atom(".");
    } else if (accept("^")) {
      atom("(?m:^)");
    } else if (accept("$")) {
      atom("(?m:$)");
    } else if (c == '*' || c == '+' || c == '?' || c == '{') {
      quantifier();
    } else {
      atomCodePoint(literal());
    }
  }
}

void Translator::group(int depth) {
  size_t start = out.size();
  bool outerExtended = extended;
  ++at; // (
  if (accept("?#")) {
    at = std::min(pattern.find(')', at), pattern.size());
    if (!accept(")"))
      fail("unterminated comment");
    return;
  }
  if (accept("?")) {
    static constexpr std::string_view openers[] = {":", "=",  "!",
                                                   ">", "<=", "<!"};
    const auto *opener =
        std::find_if(std::begin(openers), std::end(openers),
                     [&](std::string_view text) { return accept(text); });
    if (opener != std::end(openers)) {
      out += "(?" + std::string(*opener);
    } else if (peek() == '<' || peek() == '\'') {
      char close = peek() == '<' ? '>' : '\'';
      ++at;
      size_t end = pattern.find(close, at);
      if (end == std::string_view::npos)
        return fail("unterminated group name");
      out += "(?<" + std::string(pattern.substr(at, end - at)) + ">";
      at = end + 1;
    } else {
      if (!options(depth))
        return;
    }
  } else {
    out += '(';
  }
  alternatives(depth + 1);
  if (!accept(")"))
    return fail("missing )");
  out += ')';
  extended = outerExtended;
  atomStart = start;
  quantified = false;
}

bool Translator::options(int depth) {
  std::string on, off;
  bool negative = false;
  while (!atEnd() && peek() != ')' && peek() != ':') {
    std::string &letters = negative ? off : on;
    if (accept("-"))
      negative = true;
    else if (accept("i"))
      letters += 'i';
    else if (accept("m"))
      letters += 's'; // Ruby's name for "dot matches newline"
    else if (accept("x"))
      extended = !negative;
    else
      fail("unknown group option");
  }
  size_t start = out.size();
  out += "(?" + on + (off.empty() ? "" : "-" + off) + ":";
  if (accept(":"))
    return true;
  if (!accept(")")) {
    fail("missing )");
    return false;
  }
  // In Ruby's syntax a(?i)b|c is a(?i:b|c).
  alternatives(depth + 1);
  out += ')';
  atomStart = start;
  quantified = false;
  return false;
}

bool Translator::interval(long &least, long &most) {
  size_t position = at + 1;
  auto number = [&](long &value) {
    size_t start = position;
    value = 0;
    while (position < pattern.size() && pattern[position] >= '0' &&
           pattern[position] <= '9' && value < 1000000)
      value = value * 10 + (pattern[position++] - '0');
    return position != start;
  };
  bool hasLeast = number(least);
  most = least;
  bool hasMost = false;
  if (position < pattern.size() && pattern[position] == ',') {
    ++position;
    hasMost = number(most);
    if (!hasMost)
      most = -1;
  }
  if ((!hasLeast && !hasMost) || position >= pattern.size() ||
      pattern[position] != '}')
    return false;
  at = position + 1;
  return true;
}

void Translator::quantifier() {
  std::string text(1, peek());
  bool isInterval = peek() == '{';
  if (isInterval) {
    long least, most;
    if (!interval(least, most)) {
      ++at;
      return atomCodePoint('{');
    }
    if (most >= 0 && least > most)
      return fail("an interval that ends before it starts");
    text = "{" + std::to_string(least) +
           (most < 0        ? ","
            : most == least ? ""
                            : "," + std::to_string(most)) +
           "}";
    // {n}? is not lazy, but an optional {n}; {n,m}+ is a repeated interval.
    if (most != least && accept("?"))
      text += '?';
  } else {
    ++at;
    if (accept("?"))
      text += '?';
    else if (accept("+"))
      text += '+';
  }
  if (atomStart == std::string::npos)
    return fail("a quantifier without operand");
  if (quantified) {
    out.insert(atomStart, "(?:");
    out += ')';
  }
  out += text;
  quantified = true;
}

NamedClass Translator::property(bool &negated) {
  if (!accept("{")) {
    // Oniguruma takes \pL for the letters p and L; nobody means that.
    fail("\\p without {");
    return {};
  }
  if (accept("^"))
    negated = !negated;
  size_t end = pattern.find('}', at);
  if (end == std::string_view::npos) {
    fail("unterminated property name");
    return {};
  }
  std::optional<NamedClass> named = propertyClass(pattern.substr(at, end - at));
  if (!named) {
    fail("unknown character property");
    return {};
  }
  at = end + 1;
  return *named;
}

std::optional<char32_t> Translator::characterEscape() {
  auto hex = [&](size_t most, bool braces) -> std::optional<char32_t> {
    char32_t value = 0;
    size_t digits = 0;
    while (digits < most && at < pattern.size() &&
           std::string_view("0123456789abcdefABCDEF").find(pattern[at]) !=
               std::string_view::npos) {
      char c = pattern[at++];
      value = value * 16 +
              static_cast<char32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
      ++digits;
    }
    if (digits == 0 || (braces && !accept("}")) || value > 0x10FFFF ||
        (value >= 0xD800 && value <= 0xDFFF)) {
      fail("malformed code point");
      return std::nullopt;
    }
    return value;
  };
  static constexpr std::pair<char, char32_t> controls[] = {
      {'t', 0x09}, {'n', 0x0A}, {'v', 0x0B}, {'f', 0x0C},
      {'r', 0x0D}, {'e', 0x1B}, {'a', 0x07}};
  for (auto [letter, value] : controls)
    if (accept({&letter, 1}))
      return value;
  if (accept("x{"))
    return hex(8, true);
  if (accept("x")) {
    std::optional<char32_t> value = hex(2, false);
    if (value && *value >= 0x80)
      fail("a byte that is no character");
    return value;
  }
  if (peek() == 'u' && at + 1 < pattern.size()) {
    ++at;
    size_t digitsStart = at;
    std::optional<char32_t> value = hex(4, false);
    if (value && at - digitsStart != 4)
      fail("malformed code point");
    return value;
  }
  if (peek() == '0') {
    char32_t value = 0;
    for (int digits = 0;
         digits < 3 && at < pattern.size() && peek() >= '0' && peek() <= '7';
         ++digits)
      value = value * 8 + static_cast<char32_t>(pattern[at++] - '0');
    return value;
  }
  if (isAsciiAlphanumeric(static_cast<unsigned char>(peek())))
    return std::nullopt;
  return literal();
}

void Translator::escape() {
  ++at; // the backslash
  if (at >= pattern.size())
    return fail("a backslash at the end");
  auto oneOf = [](const char *contents, bool negated) {
    return std::string(negated ? "[^" : "[") + contents + "]";
  };
  switch (peek()) {
  case 'd':
  case 'D':
    return atom(pattern[at++] == 'd' ? "\\p{Nd}" : "\\P{Nd}");
  case 's':
  case 'S':
    return atom(oneOf(whiteSpaceClass, pattern[at++] == 'S'));
  case 'w':
  case 'W':
    return atom(oneOf(wordClass, pattern[at++] == 'W'));
  case 'h':
  case 'H':
    return atom(oneOf(hexDigitClass, pattern[at++] == 'H'));
  case 'b':
  case 'B': {
    bool boundary = pattern[at++] == 'b';
    std::string w = oneOf(wordClass, false);
    std::string enter = boundary ? "(?!" : "(?=";
    std::string leave = boundary ? "(?=" : "(?!";
    return atom("(?:(?<=" + w + ")" + enter + w + ")|(?<!" + w + ")" + leave +
                w + "))");
  }
  case 'p':
  case 'P': {
    bool negated = pattern[at++] == 'P';
    Set single;
    NamedClass named = property(negated);
    if (negated)
      single.addNegated(named);
    else
      single.add(named);
    return atom(single.text(false));
  }
  case 'A':
  case 'z':
  case 'Z':
  case 'G':
  case 'K':
  case 'R':
  case 'N':
    atom(pattern.substr(at - 1, 2));
    ++at;
    return;
  case 'O':
    ++at;
    return atom("(?s:.)");
  case 'k': {
    size_t end = pattern.find('>', at);
    if (pattern.substr(at, 2) != "k<" || end == std::string_view::npos)
      return fail("malformed back reference");
    atom(pattern.substr(at - 1, end - at + 2));
    at = end + 1;
    return;
  }
  default:
    break;
  }
  if (peek() >= '1' && peek() <= '9') {
    std::string number;
    while (peek() >= '0' && peek() <= '9')
      number += pattern[at++];
    return atom("\\g{" + number + "}");
  }
  if (std::optional<char32_t> c = characterEscape())
    atomCodePoint(*c);
  else if (std::string_view("cCMgXyYL").find(peek()) != std::string_view::npos)
    fail("unsupported escape");
  else if (!failure)
    atomCodePoint(literal()); // a letter without meaning stands for itself
}

void Translator::characterClass() {
  ++at; // [
  bool negated = false;
  Set items = set(0, negated);
  if (!failure)
    atom(items.text(negated));
}

Translator::Set Translator::set(int depth, bool &negated) {
  if (depth > maximumDepth) {
    fail("nested too deep");
    return {};
  }
  negated = accept("^");
  std::vector<std::string> operands;
  Set items;
  bool first = true;
  while (!atEnd()) {
    if (peek() == ']' && !first) {
      ++at;
      if (operands.empty())
        return items;
      std::string all;
      for (const std::string &operand : operands)
        all += "(?=" + operand + ")";
      Set result;
      result.expressions.push_back("(?:" + all + items.text(false) + ")");
      return result;
    }
    first = false;
    if (accept("&&")) {
      operands.push_back(items.text(false));
      items = {};
    } else if (peek() == '[' && !pattern.substr(at).starts_with("[:")) {
      ++at;
      bool innerNegated = false;
      Set inner = set(depth + 1, innerNegated);
      if (innerNegated || !inner.expressions.empty()) {
        items.expressions.push_back(inner.text(innerNegated));
      } else {
        items.contents += inner.contents;
      }
    } else {
      setItem(items);
    }
  }
  fail("missing ]");
  return {};
}

void Translator::setItem(Set &items) {
  if (accept("[:")) {
    bool negated = accept("^");
    size_t end = pattern.find(":]", at);
    std::optional<NamedClass> named;
    if (end != std::string_view::npos)
      named = bracketClass(pattern.substr(at, end - at));
    if (!named)
      return fail("unknown bracket name");
    at = end + 2;
    negated ? items.addNegated(*named) : items.add(*named);
    return;
  }
  if (peek() == '\\') {
    ++at;
    return setEscape(items);
  }
  rangeFrom(items, literal());
}

void Translator::setEscape(Set &items) {
  if (at >= pattern.size())
    return fail("a backslash at the end");
  char c = peek();
  static const std::pair<char, const char *> classes[] = {
      {'d', "\\p{Nd}"},
      {'s', whiteSpaceClass},
      {'w', wordClassInBrackets},
      {'h', hexDigitClass}};
  for (auto [letter, contents] : classes) {
    if (c != letter && c != letter - 'a' + 'A')
      continue;
    ++at;
    NamedClass named{contents};
    c == letter ? items.add(named) : items.addNegated(named);
    return;
  }
  if (c == 'p' || c == 'P') {
    ++at;
    bool negated = c == 'P';
    NamedClass named = property(negated);
    if (failure)
      return;
    negated ? items.addNegated(named) : items.add(named);
    return;
  }
  if (accept("b"))
    return rangeFrom(items, 0x08);
  if (std::optional<char32_t> single = characterEscape())
    return rangeFrom(items, *single);
  if (std::string_view("cCMRX").find(c) != std::string_view::npos)
    fail("unsupported escape in a character class");
  if (!failure)
    rangeFrom(items, literal());
}

void Translator::rangeFrom(Set &items, char32_t first) {
  items.contents += codePointText(first);
  // A minus sign before the end of the class, or before what is no single
  // character, is itself.
  std::string_view rest = pattern.substr(at);
  if (failure || rest.size() < 2 || rest[0] != '-' || rest[1] == ']' ||
      rest[1] == '[' || rest.starts_with("-&&"))
    return;
  ++at;
  char32_t last;
  if (accept("\\")) {
    std::optional<char32_t> end = accept("b") ? 0x08 : characterEscape();
    if (!end)
      return fail("a range that ends in no single character");
    last = *end;
  } else {
    last = literal();
  }
  if (last < first)
    return fail("a range that ends before it starts");
  items.contents += "-" + codePointText(last);
}

} // namespace

Expected<std::string> translateRegex(std::string_view pattern) {
  return Translator(pattern).run();
}

} // namespace lq::tok
