//===- UnicodeTest.cpp ----------------------------------------------------===//

#include "runtime/tokenizer/Unicode.h"

#include <gtest/gtest.h>

using namespace lq::tok;

namespace {

TEST(Unicode, FindsMalformedBytes) {
  EXPECT_EQ(wellFormedPrefix("abc\u00e9\u20ac\U0001F600"), 12u);
  for (const char *bad :
       {"\x80", "\xc0\x80", "\xc3", "\xc3(", "\xe0\x80\x80", "\xed\xa0\x80",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"})
    EXPECT_EQ(wellFormedPrefix(std::string("ok") + bad), 2u);
  // Past the part that is checked in blocks.
  std::string text(40, 'a');
  EXPECT_EQ(wellFormedPrefix(text + "\xff"), 40u);
}

TEST(Unicode, ReplacesMaximalMalformedParts) {
  auto lossy = [](std::string bytes, bool atEnd) {
    std::string text;
    drainLossy(bytes, text, atEnd);
    return text + "|" + bytes;
  };
  EXPECT_EQ(lossy("a\xe2\x82", false), "a|\xe2\x82");
  EXPECT_EQ(lossy("a\xe2\x82", true), "a\uFFFD|");
  EXPECT_EQ(lossy("\xe2\x82z", false), "\uFFFDz|");
  EXPECT_EQ(lossy("\xff\xff", false), "\uFFFD\uFFFD|");
  EXPECT_EQ(lossy("\xed\xa0\x80", true), "\uFFFD\uFFFD\uFFFD|");
  EXPECT_EQ(lossy("\xf0\x9f\x98\x80\xf0\x9f", false),
            "\xf0\x9f\x98\x80|\xf0\x9f");
}

TEST(Unicode, EncodesEveryCodePoint) {
  for (char32_t c = 0; c <= 0x10FFFF; c += 0x35) {
    if (c >= 0xD800 && c <= 0xDFFF)
      continue;
    std::string text = toUtf8(c);
    size_t position = 0;
    EXPECT_EQ(nextCodePoint(text, position), c);
    EXPECT_EQ(position, text.size());
    EXPECT_EQ(codePointBefore("x" + text, text.size() + 1), c);
    EXPECT_TRUE(isWellFormed(text));
  }
}

TEST(Unicode, ClassifiesByTheVersionOfEachLibrary) {
  EXPECT_TRUE(isPunctuation('$'));
  EXPECT_TRUE(isPunctuation(U'。'));
  EXPECT_FALSE(isPunctuation(U'€'));
  EXPECT_FALSE(isPunctuation(0x2E43)); // since Unicode 9
  EXPECT_TRUE(isNonspacingMark(0x301));
  EXPECT_FALSE(isNonspacingMark(0x8D4)); // since Unicode 9
  EXPECT_TRUE(isCombiningMark(0x8D4));
  EXPECT_TRUE(isOther(0xAD));
  EXPECT_FALSE(isOther(0x378)); // not assigned
  EXPECT_TRUE(isWordCharacter(0x200D));
  EXPECT_TRUE(isWhiteSpace(0x3000));
  EXPECT_FALSE(isWhiteSpace(0x200B));
}

TEST(Unicode, LowersAndNormalises) {
  EXPECT_EQ(toLower("ÀΣİẞ"), "àσi\u0307ß");
  EXPECT_EQ(normalise("e\u0301", NormalForm::Nfc), "é");
  EXPECT_EQ(normalise("é", NormalForm::Nfd), "e\u0301");
  EXPECT_EQ(normalise("ﬁ", NormalForm::Nfkc), "fi");
  EXPECT_EQ(normalise("㌀", NormalForm::Nfkd),
            normalise("アパート", NormalForm::Nfkd));
  EXPECT_EQ(normalise("\u32FF", NormalForm::Nfkc), "\u32FF"); // since 12.1
}

TEST(Unicode, FindsGraphemeClusters) {
  EXPECT_EQ(graphemeEnds("a\r\ne\u0301"), (std::vector<size_t>{1, 3, 6}));
  EXPECT_EQ(graphemeEnds(""), std::vector<size_t>());
}

} // namespace
