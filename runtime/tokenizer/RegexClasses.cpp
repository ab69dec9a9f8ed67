//===- RegexClasses.cpp - named character classes for PCRE2 ---------------===//

#include "runtime/tokenizer/RegexClasses.h"
#include "runtime/tokenizer/Unicode.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace lq::tok {

namespace {

/// POSIX names, which properties and brackets share.
const std::pair<std::string_view, NamedClass> posixClasses[] = {
    {"alnum", {R"(\p{Alphabetic}\p{Nd})"}},
    {"alpha", {R"(\p{Alphabetic})"}},
    {"ascii", {R"(\x{0}-\x{7f})"}},
    {"blank", {R"(\p{Zs}\t)"}},
    {"cntrl", {R"(\p{Cc})"}},
    {"digit", {R"(\p{Nd})"}},
    {"graph", {std::string(R"(\p{Cn}\p{Cs}\p{Cc})") + whiteSpaceClass, true}},
    {"lower", {R"(\p{Lowercase})"}},
    {"print", {R"(\p{Cn}\p{Cs}\p{Cc}\x{2028}\x{2029})", true}},
    {"space", {whiteSpaceClass}},
    {"upper", {R"(\p{Uppercase})"}},
    {"xdigit", {hexDigitClass}},
};

/// What is only a property.
const std::pair<std::string_view, NamedClass> propertyClasses[] = {
    {"any", {R"(\x{0}-\x{10ffff})"}},
    {"punct", {R"(\p{P})"}},
    {"whitespace", {whiteSpaceClass}},
    {"word", {wordClass}},
};

/// What is only a bracket.
const std::pair<std::string_view, NamedClass> bracketClasses[] = {
    {"punct", {R"(\p{P}\p{S})"}},
    {"word", {wordClassInBrackets}},
};

/// General categories by their long names; PCRE2 knows the short ones.
constexpr std::pair<std::string_view, const char *> longCategories[] = {
    {"casedletter", "L&"},
    {"closepunctuation", "Pe"},
    {"combiningmark", "M"},
    {"connectorpunctuation", "Pc"},
    {"control", "Cc"},
    {"currencysymbol", "Sc"},
    {"dashpunctuation", "Pd"},
    {"decimalnumber", "Nd"},
    {"enclosingmark", "Me"},
    {"finalpunctuation", "Pf"},
    {"format", "Cf"},
    {"initialpunctuation", "Pi"},
    {"letter", "L"},
    {"letternumber", "Nl"},
    {"lineseparator", "Zl"},
    {"lowercaseletter", "Ll"},
    {"mark", "M"},
    {"mathsymbol", "Sm"},
    {"modifierletter", "Lm"},
    {"modifiersymbol", "Sk"},
    {"nonspacingmark", "Mn"},
    {"number", "N"},
    {"openpunctuation", "Ps"},
    {"other", "C"},
    {"otherletter", "Lo"},
    {"othernumber", "No"},
    {"otherpunctuation", "Po"},
    {"othersymbol", "So"},
    {"paragraphseparator", "Zp"},
    {"privateuse", "Co"},
    {"punctuation", "P"},
    {"separator", "Z"},
    {"spaceseparator", "Zs"},
    {"spacingmark", "Mc"},
    {"surrogate", "Cs"},
    {"symbol", "S"},
    {"titlecaseletter", "Lt"},
    {"unassigned", "Cn"},
    {"uppercaseletter", "Lu"},
};

/// General categories and yes-or-no properties that PCRE2 has under the same
/// name.
constexpr std::string_view sameNames[] = {
    "c",
    "cc",
    "cf",
    "cn",
    "co",
    "cs",
    "l",
    "ll",
    "lm",
    "lo",
    "lt",
    "lu",
    "m",
    "mc",
    "me",
    "mn",
    "n",
    "nd",
    "nl",
    "no",
    "p",
    "pc",
    "pd",
    "pe",
    "pf",
    "pi",
    "po",
    "ps",
    "s",
    "sc",
    "sk",
    "sm",
    "so",
    "z",
    "zl",
    "zp",
    "zs",
    "alphabetic",
    "asciihexdigit",
    "dash",
    "defaultignorablecodepoint",
    "diacritic",
    "emoji",
    "emojicomponent",
    "emojimodifier",
    "emojimodifierbase",
    "emojipresentation",
    "extendedpictographic",
    "extender",
    "hexdigit",
    "idcontinue",
    "ideographic",
    "idstart",
    "lowercase",
    "math",
    "quotationmark",
    "unifiedideograph",
    "uppercase",
    "variationselector",
    "xidcontinue",
    "xidstart",
};

std::string folded(std::string_view name) {
  std::string result = toLower(name);
  std::erase_if(result,
                [](char c) { return c == ' ' || c == '-' || c == '_'; });
  return result;
}

template <typename Table>
const auto *lookUp(const Table &table, std::string_view name) {
  const auto *found =
      std::find_if(std::begin(table), std::end(table),
                   [&](const auto &entry) { return entry.first == name; });
  return found == std::end(table) ? nullptr : &found->second;
}

} // namespace

std::optional<NamedClass> propertyClass(std::string_view name) {
  std::string key = folded(name);
  if (const NamedClass *found = lookUp(posixClasses, key))
    return *found;
  if (const NamedClass *found = lookUp(propertyClasses, key))
    return *found;
  if (const char *const *category = lookUp(longCategories, key))
    return NamedClass{std::string("\\p{") + *category + "}"};
  if (std::find(std::begin(sameNames), std::end(sameNames), key) !=
      std::end(sameNames))
    return NamedClass{"\\p{" + key + "}"};
  // The rest are scripts; PCRE2 checks the name. Without "sc:" it would take
  // Script_Extensions, Oniguruma takes Script. Names in "in" are blocks, which
  // PCRE2 does not have.
  bool isName = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return c >= 'a' && c <= 'z';
  });
  if (!isName || (key.starts_with("in") && !key.starts_with("inscription") &&
                  !key.starts_with("inherited")))
    return std::nullopt;
  return NamedClass{"\\p{sc:" + key + "}"};
}

std::optional<NamedClass> bracketClass(std::string_view name) {
  if (const NamedClass *found = lookUp(posixClasses, name))
    return *found;
  if (const NamedClass *found = lookUp(bracketClasses, name))
    return *found;
  return std::nullopt;
}

} // namespace lq::tok
