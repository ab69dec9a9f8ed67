//===- Regex.h - regular expressions of tokenizers --------------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_REGEX_H
#define LQ_RUNTIME_TOKENIZER_REGEX_H

#include "runtime/Error.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lq::tok {

/// A part of a text, in bytes, and whether a pattern matched it.
struct Span {
  size_t begin;
  size_t end;
  bool isMatch;
};

/// A compiled pattern in Oniguruma's Ruby syntax. Threads may share one.
class Regex {
public:
  Regex(Regex &&) noexcept;
  Regex &operator=(Regex &&) noexcept;
  ~Regex();

  static Expected<Regex> compile(std::string_view pattern);
  /// Matches `text` itself.
  static Expected<Regex> compileLiteral(std::string_view text);

  /// Covers `text`, which must be well-formed UTF-8, with matches and what lies
  /// between them, from left to right; empty matches count. `spans` is
  /// cleared first. Fails if a match exceeds the library's limits.
  Error split(std::string_view text, std::vector<Span> &spans) const;

private:
  struct Code;
  explicit Regex(std::unique_ptr<const Code> code);

  std::unique_ptr<const Code> code;
};

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_REGEX_H
