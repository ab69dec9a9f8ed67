//===- TokenizerTest.cpp --------------------------------------------------===//

#include "Samples.h"

#include <thread>

using namespace lq;
using namespace lq::test;

namespace {

TEST(Tokenizer, MergesByRank) {
  Tokenizer tokenizer = load(byteLevelSample());
  int32_t hello = *tokenizer.findToken("hello");
  EXPECT_EQ(encode(tokenizer, "hello hello"),
            (Ids{hello, *tokenizer.findToken("Ġ"), hello}));
  // "ll" merges before "llo" can, so that "hell" keeps its own parts.
  EXPECT_EQ(encode(tokenizer, "hell"),
            (Ids{*tokenizer.findToken("he"), *tokenizer.findToken("ll")}));
}

TEST(Tokenizer, FindsSpecialTokensInText) {
  Tokenizer tokenizer = load(byteLevelSample());
  int32_t end = *tokenizer.findToken("<|end|>");
  EXPECT_EQ(encode(tokenizer, "<|end|>"), Ids{end});
  EXPECT_EQ(encode(tokenizer, "a<|end|>"),
            (Ids{*tokenizer.findToken("a"), end}));
  EXPECT_EQ(encode(tokenizer, "a", true),
            (Ids{end, *tokenizer.findToken("a")}));
  EXPECT_EQ(encode(tokenizer, ""), Ids{});
  EXPECT_EQ(encode(tokenizer, "", true), Ids{end});
}

TEST(Tokenizer, TakesMalformedTextForReplacementCharacters) {
  Tokenizer tokenizer = load(byteLevelSample());
  Ids ids = encode(tokenizer, "a\xff\xe2\x82z");
  EXPECT_EQ(tokenizer.decode(ids, false), "a\uFFFD\uFFFDz");
}

TEST(Tokenizer, LongWordsTakeNoQuadraticTime) {
  // A quadratic algorithm would run into the test's time limit.
  Tokenizer tokenizer = load(byteLevelSample());
  Ids ids = encode(tokenizer, std::string(2000000, 'a'));
  EXPECT_EQ(ids, Ids(500000, *tokenizer.findToken("aaaa")));

  Tokenizer sentencePiece = load(sentencePieceSample());
  std::string text;
  for (int i = 0; i < 300000; ++i)
    text += "ab ";
  EXPECT_EQ(encode(sentencePiece, text).size(), 300001u);
}

TEST(Tokenizer, FallsBackToBytes) {
  Tokenizer tokenizer = load(sentencePieceSample());
  EXPECT_EQ(
      encode(tokenizer, "ab é"),
      (Ids{*tokenizer.findToken("▁ab"), *tokenizer.findToken("▁"),
           *tokenizer.findToken("<0xC3>"), *tokenizer.findToken("<0xA9>")}));
}

TEST(Tokenizer, CutsLongTextsOnlyWhereNothingMerges) {
  // The same text in one piece and in parts, around the length from which
  // texts are cut.
  Tokenizer tokenizer = load(sentencePieceSample());
  for (size_t words = 60; words < 140; ++words) {
    std::string text;
    Ids expected;
    for (size_t i = 0; i < words; ++i) {
      text += i ? " abc" : "abc";
      expected.push_back(*tokenizer.findToken("▁ab"));
      expected.push_back(*tokenizer.findToken("c"));
    }
    EXPECT_EQ(encode(tokenizer, text), expected) << words;
  }
}

TEST(Tokenizer, FindsTheMostProbableSegmentation) {
  Tokenizer tokenizer = load(unigramSample());
  // "▁ab" -6.1 beats "▁a" "b" -7.75 and "▁" "ab" -8.75.
  EXPECT_EQ(encode(tokenizer, "ab"), Ids{*tokenizer.findToken("▁ab")});
  // Full-width letters are letters under NFKC; unknown characters fuse.
  EXPECT_EQ(encode(tokenizer, "ａxyz"),
            (Ids{*tokenizer.findToken("▁a"), *tokenizer.findToken("<unk>")}));
}

TEST(Tokenizer, FailsWithoutUnknownToken) {
  Json json = unigramSample();
  json["model"]["unk_id"] = nullptr;
  Tokenizer tokenizer = load(json);
  EXPECT_EQ(encode(tokenizer, "ab"), Ids{*tokenizer.findToken("▁ab")});
  Expected<Ids> ids = tokenizer.encode("x", false);
  ASSERT_FALSE(ids);
  EXPECT_NE(ids.error().message().find("unknown token"), std::string::npos);
}

TEST(Tokenizer, CoversWordsGreedily) {
  Tokenizer tokenizer = load(wordPieceSample());
  EXPECT_EQ(encode(tokenizer, "Unaffable CAFÉ.", true),
            (Ids{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(encode(tokenizer, "unaffabl"), Ids{0});
  EXPECT_EQ(encode(tokenizer, std::string(101, 'a')), Ids{0});
}

TEST(Tokenizer, KnowsItsVocabulary) {
  Tokenizer tokenizer = load(wordPieceSample());
  EXPECT_EQ(tokenizer.vocabularySize(), 7u);
  EXPECT_EQ(tokenizer.tokenText(3), "##aff");
  EXPECT_EQ(tokenizer.tokenText(-1), "");
  EXPECT_EQ(tokenizer.tokenText(7), "");
  EXPECT_EQ(tokenizer.findToken("nothing"), std::nullopt);
  EXPECT_EQ(tokenizer.bosId(), -1);
  EXPECT_EQ(tokenizer.eosId(), -1);
}

TEST(Tokenizer, IsSharedByThreads) {
  Tokenizer tokenizer = load(byteLevelSample());
  std::string text;
  for (int i = 0; i < 2000; ++i)
    text += " hello" + std::to_string(i % 97);
  Ids expected = encode(tokenizer, text);
  std::vector<std::thread> threads;
  std::vector<Ids> results(4);
  for (Ids &result : results)
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i)
        result = *tokenizer.encode(text, false);
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const Ids &result : results)
    EXPECT_EQ(result, expected);
}

} // namespace
