//===- RegexClasses.h - named character classes for PCRE2 -------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_REGEXCLASSES_H
#define LQ_RUNTIME_TOKENIZER_REGEXCLASSES_H

#include <optional>
#include <string>
#include <string_view>

namespace lq::tok {

// Contents of PCRE2 character classes with the meaning that Oniguruma gives
// these escapes.
inline constexpr char whiteSpaceClass[] =
    R"(\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
inline constexpr char wordClassInBrackets[] =
    R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
/// Outside brackets, \w also has the superscripts and fractions of Latin-1.
inline constexpr char wordClass[] =
    R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";
inline constexpr char hexDigitClass[] = "0-9A-Fa-f";

/// The contents of a PCRE2 class, maybe of a negated one.
struct NamedClass {
  std::string contents;
  bool negated = false;
};

/// The class of \p{name}, none if the name is unknown. Case, spaces, minus
/// signs and underlines do not matter.
std::optional<NamedClass> propertyClass(std::string_view name);

/// The class of [:name:].
std::optional<NamedClass> bracketClass(std::string_view name);

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_REGEXCLASSES_H
