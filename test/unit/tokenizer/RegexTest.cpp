//===- RegexTest.cpp - patterns; the full comparison is end to end --------===//

#include "runtime/tokenizer/Regex.h"
#include "Samples.h"
#include "runtime/tokenizer/RegexTranslation.h"
#include "runtime/tokenizer/Unicode.h"

using namespace lq;
using namespace lq::tok;

namespace {

/// The matches in brackets, as in "[a]b[a]".
std::string marked(const std::string &pattern, std::string_view text) {
  Expected<Regex> regex = Regex::compile(pattern);
  if (!regex)
    return regex.error().message();
  std::vector<Span> spans;
  if (Error error = regex->split(text, spans))
    return error.message();
  std::string result;
  for (const Span &span : spans) {
    std::string part(text.substr(span.begin, span.end - span.begin));
    result += span.isMatch ? "[" + part + "]" : part;
  }
  return result;
}

TEST(Regex, CoversTheText) {
  EXPECT_EQ(marked("b+", "abba"), "a[bb]a");
  EXPECT_EQ(marked("x", "abc"), "abc");
  EXPECT_EQ(marked("x*", "axb"), "[]a[x]b[]");
  EXPECT_EQ(marked("", ""), "");
}

TEST(Regex, ReadsRubySyntax) {
  EXPECT_EQ(marked("\\h", "g1"), "g[1]");
  EXPECT_EQ(marked("^b", "a\nb"), "a\n[b]");
  EXPECT_EQ(marked("(?m).", "\n"), "[\n]");
  EXPECT_EQ(marked("a(?i)b|c", "aB C aC"), "[aB] C [aC]");
  EXPECT_EQ(marked("a{2}+", "aaaaa"), "[aaaa]a");
  EXPECT_EQ(marked("[a-z&&[^aeiou]]", "abe"), "a[b]e");
  EXPECT_EQ(marked("[^x[yz]]", "xay"), "x[a]y");
  EXPECT_EQ(marked("\\s", "\u180e\u3000"), "\u180e[\u3000]");
  EXPECT_EQ(marked("\\w+", "x²_é"), "[x²_é]");
}

TEST(Regex, RefusesWhatItCannotTranslate) {
  for (const char *pattern :
       {"(",           ")",         "a)",       "[",
        "[a",          "(?<n",      "(?P<n>a)", "*a",
        "\\",          "[\\",       "\\p{",     "\\p{Nonsense}",
        "\\pL",        "(?~a)",     "\\X",      "\\g<1>",
        "\\y",         "(?{1})",    "[b-a]",    "a{3,2}",
        "\\x{110000}", "\\x{d800}", "\\xff",    "[[:nope:]]",
        "(?#a",        "(?z)",      "(?i",      "(?i:a"})
    EXPECT_NE(marked(pattern, "a").find("regular expression"),
              std::string::npos)
        << pattern << " gives " << marked(pattern, "a");
  EXPECT_FALSE(translateRegex(std::string(10000, '(')));
  EXPECT_FALSE(translateRegex(std::string(10000, '[')));
}

TEST(Regex, StopsAtItsLimits) {
  std::string text(200, 'a');
  EXPECT_NE(marked("(a+a+)+b|(?=(a|aa)+$)c", text).find("limit"),
            std::string::npos);
}

TEST(Regex, SurvivesDamagedPatterns) {
  std::mt19937 random(3);
  const std::string pattern =
      R"((?i:'s|'t)|[^\r\n\p{L}[\p{N}]&&[^a]]?+\p{L}+| ?[[:alpha:]a-z]{1,3}|\s+(?!\S)|\b\x{41})";
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = test::mutated(pattern, random);
    if (tok::isWellFormed(damaged))
      (void)marked(damaged, "It's a test  of 123 \u00e9\n");
  }
}

} // namespace
