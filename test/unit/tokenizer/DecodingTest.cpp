//===- DecodingTest.cpp ---------------------------------------------------===//

#include "Samples.h"

#include "runtime/tokenizer/Unicode.h"

using namespace lq;
using namespace lq::test;

namespace {

TEST(Decoding, StreamsWholeCharacters) {
  Tokenizer tokenizer = load(byteLevelSample());
  StreamDecoder decoder(tokenizer, false);
  // U+20AC is E2 82 AC; the ids are the bytes.
  EXPECT_EQ(decoder.push(0xE2), "");
  EXPECT_EQ(decoder.push(0x82), "");
  EXPECT_EQ(decoder.push(0xAC), "€");
  EXPECT_EQ(decoder.push(0xE2), "");
  EXPECT_EQ(decoder.push('a'), "\uFFFDa");
  EXPECT_EQ(decoder.push(0xF0), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
  EXPECT_EQ(decoder.push('b'), "b");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(Decoding, TakesRunsOfBytesAsAWhole) {
  Tokenizer tokenizer = load(sentencePieceSample());
  auto byte = [](int value) { return 3 + value; };
  int32_t a = *tokenizer.findToken("▁a");
  StreamDecoder decoder(tokenizer, false);
  // The space in front is dropped once.
  EXPECT_EQ(decoder.push(a), "a");
  EXPECT_EQ(decoder.push(a), " a");
  EXPECT_EQ(decoder.push(byte(0xC3)), "");
  EXPECT_EQ(decoder.push(byte(0xA9)), "");
  EXPECT_EQ(decoder.push(a), "é a");
  EXPECT_EQ(decoder.push(byte(0xC3)), "");
  EXPECT_EQ(decoder.push(byte('x')), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD\uFFFD");
  // Afresh, a space in front is dropped again.
  EXPECT_EQ(decoder.push(a), "a");
}

TEST(Decoding, SkipsSpecialAndImpossibleIds) {
  Tokenizer tokenizer = load(byteLevelSample());
  int32_t end = *tokenizer.findToken("<|end|>");
  Ids ids = {'a', end, -1, 1 << 30, 'b'};
  EXPECT_EQ(tokenizer.decode(ids, true), "ab");
  EXPECT_EQ(tokenizer.decode(ids, false), "a<|end|>b");
  EXPECT_EQ(tokenizer.decode({}, false), "");
}

TEST(Decoding, PutsSpacesBetweenTokensWithoutDecoder) {
  Json json = wordPieceSample();
  json["decoder"] = nullptr;
  EXPECT_EQ(load(json).decode(Ids{2, 3, 4}, false), "un ##aff ##able");
}

TEST(Decoding, CleansUpWordPieces) {
  Tokenizer tokenizer = load(wordPieceSample());
  EXPECT_EQ(tokenizer.decode(Ids{1, 2, 3, 4, 5, 6}, true), "unaffable cafe.");
}

/// Decoders that are put together in unusual orders stream and decode alike.
TEST(Decoding, StreamsWhatItDecodes) {
  const Json steps = Json::parse(R"({
      "strip": {"type": "Strip", "content": " ", "start": 2, "stop": 2},
      "space": {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
      "regex": {"type": "Replace", "pattern": {"Regex": "a +b"},
                "content": "<>"},
      "metaspace": {"type": "Metaspace", "replacement": "▁",
                    "prepend_scheme": "first"},
      "fuse": {"type": "Fuse"},
      "bytes": {"type": "ByteFallback"},
      "suffix": {"type": "BPEDecoder", "suffix": "b"},
      "word-piece": {"type": "WordPiece", "prefix": "a", "cleanup": true},
      "byte-level": {"type": "ByteLevel"}})");
  const std::vector<std::vector<const char *>> chains = {
      {"space", "bytes", "fuse", "strip"},
      {"fuse", "metaspace"},
      {"fuse", "space", "strip"},
      {"fuse", "bytes"},
      {"space", "fuse", "regex"},
      {"suffix", "strip"},
      {"metaspace", "word-piece"},
      {"fuse", "word-piece"},
      {"byte-level", "strip", "fuse"},
      {"fuse", "byte-level", "space"},
      {"fuse", "suffix"},
      {}};
  std::mt19937 random(1);
  for (const auto &chain : chains) {
    Json json = sentencePieceSample();
    Json &decoders = json["decoder"]["decoders"] = Json::array();
    for (const char *step : chain)
      decoders.push_back(steps[step]);
    Tokenizer tokenizer = load(json);
    for (int round = 0; round < 50; ++round) {
      Ids ids;
      for (size_t i = random() % 12; i > 0; --i)
        ids.push_back(random() % 3 ? 259 + random() % 8 : random() % 270);
      StreamDecoder decoder(tokenizer, false);
      std::string streamed;
      for (int32_t id : ids) {
        std::string part = decoder.push(id);
        EXPECT_TRUE(tok::isWellFormed(part));
        streamed += part;
      }
      streamed += decoder.finish();
      EXPECT_EQ(streamed, tokenizer.decode(ids, false)) << decoders.dump();
    }
  }
}

TEST(Decoding, StripsBothEndsOfAFusedText) {
  Json json = sentencePieceSample();
  json["decoder"] = Json::parse(R"({"type": "Sequence", "decoders": [
      {"type": "Fuse"},
      {"type": "Strip", "content": "a", "start": 2, "stop": 1}]})");
  Tokenizer tokenizer = load(json);
  int32_t a = *tokenizer.findToken("a");
  int32_t b = *tokenizer.findToken("b");
  EXPECT_EQ(tokenizer.decode(Ids{a, a, a, b, a, a}, false), "aba");
  EXPECT_EQ(tokenizer.decode(Ids{a, b, b}, false), "bb");
}

} // namespace
