//===- JsonTest.cpp - tokenizer.json, good and bad ------------------------===//

#include "Samples.h"

using namespace lq;
using namespace lq::test;

namespace {

/// A change to a sample and what the message must say.
struct BadCase {
  const char *what;
  Json (*sample)();
  /// JSON pointer of the field to set; an empty value removes it.
  const char *pointer;
  const char *value;
  const char *message;
};

const BadCase badCases[] = {
    {"no model", byteLevelSample, "/model", "", "model: expected an object"},
    {"a model that is a list", byteLevelSample, "/model", "[]",
     "model: expected an object, got array"},
    {"an unknown model", byteLevelSample, "/model/type", "\"WordLevel\"",
     "model.type: unknown kind of model 'WordLevel'"},
    {"no vocabulary", byteLevelSample, "/model/vocab", "",
     "model.vocab: expected an object, got nothing"},
    {"no merges", byteLevelSample, "/model/merges", "",
     "model.merges: expected an array, got nothing"},
    {"an id that is a text", byteLevelSample, "/model/vocab/he", "\"1\"",
     "model.vocab['he']: expected an id"},
    {"a negative id", byteLevelSample, "/model/vocab/he", "-1",
     "model.vocab['he']: expected an id"},
    {"a fraction", byteLevelSample, "/model/vocab/he", "1.5",
     "model.vocab['he']: expected an id"},
    {"an id beyond 2^64", byteLevelSample, "/model/vocab/he",
     "99999999999999999999999", "model.vocab['he']: expected an id"},
    {"a huge id", byteLevelSample, "/model/vocab/he", "2000000000",
     "far beyond the 263 tokens"},
    {"an id twice", byteLevelSample, "/model/vocab/he", "97",
     "id 97 is taken by"},
    {"a merge of an unknown token", byteLevelSample, "/model/merges/0",
     "\"h xyz\"", "model.merges[0]: 'xyz' is not in the vocabulary"},
    {"a merge to an unknown token", byteLevelSample, "/model/merges/0",
     "\"q q\"", "model.merges[0]: 'qq' is not in the vocabulary"},
    {"a merge of three", byteLevelSample, "/model/merges/0", "\"h e l\"",
     "model.merges[0]: expected two tokens"},
    {"a merge that is a number", byteLevelSample, "/model/merges/0", "7",
     "model.merges[0]: expected two tokens"},
    {"an unknown normalizer", byteLevelSample, "/normalizer",
     R"({"type": "Magic"})", "normalizer: unknown normalizer 'Magic'"},
    {"a normalizer without type", byteLevelSample, "/normalizer", "{}",
     "normalizer.type: expected a string"},
    {"an unknown pre-tokenizer, nested", byteLevelSample, "/pre_tokenizer",
     R"({"type": "Sequence", "pretokenizers": [{"type": "UnicodeScripts"}]})",
     "pre_tokenizer.pretokenizers[0]: unknown pre-tokenizer 'UnicodeScripts'"},
    {"an unknown decoder", byteLevelSample, "/decoder",
     R"({"type": "CTC", "pad_token": "a"})", "decoder: unknown decoder 'CTC'"},
    {"an unknown post-processor", byteLevelSample, "/post_processor",
     R"({"type": "Magic"})", "unknown post-processor 'Magic'"},
    {"a template with an unknown token", byteLevelSample,
     "/post_processor/special_tokens", "{}", "<|end|>: expected an object"},
    {"a template with an id outside the vocabulary", byteLevelSample,
     "/post_processor/special_tokens/<|end|>/ids", "[999]",
     "id 999 is outside the vocabulary of 264"},
    {"a template for two texts", byteLevelSample,
     "/post_processor/single/1/Sequence/id", "\"B\"",
     "expected \"A\", the only text there is"},
    {"an added token without content", byteLevelSample,
     "/added_tokens/0/content", "", "added_tokens[0].content: expected"},
    {"an added token with a text for a flag", byteLevelSample,
     "/added_tokens/0/lstrip", "\"no\"", "added_tokens[0].lstrip: expected"},
    {"a split without behaviour", byteLevelSample, "/pre_tokenizer",
     R"({"type": "Split", "pattern": {"Regex": "a"}, "invert": false})",
     "pre_tokenizer.behavior: expected a string"},
    {"a bad regular expression", byteLevelSample, "/pre_tokenizer",
     R"({"type": "Split", "pattern": {"Regex": "(a"},
         "behavior": "Isolated", "invert": false})",
     "pre_tokenizer.pattern: regular expression '(a': missing )"},
    {"a property that is none", byteLevelSample, "/pre_tokenizer",
     R"({"type": "Split", "pattern": {"Regex": "\\p{Nonsense}"},
         "behavior": "Isolated", "invert": false})",
     "regular expression"},
    {"a character map that is no base64", unigramSample, "/normalizer",
     R"({"type": "Precompiled", "precompiled_charsmap": "@@@@"})",
     "precompiled_charsmap: not base64"},
    {"a character map with a wrong size", unigramSample, "/normalizer",
     R"({"type": "Precompiled", "precompiled_charsmap": "/////w=="})",
     "the trie's size does not fit"},
    {"a score that is a text", unigramSample, "/model/vocab/1/1", "\"x\"",
     "model.vocab[1]: expected a token and its score"},
    {"an unknown id outside the vocabulary", unigramSample, "/model/unk_id",
     "99", "unk_id: expected an id of the vocabulary"},
    {"a replacement of two characters", unigramSample,
     "/pre_tokenizer/replacement", "\"ab\"",
     "replacement: expected a string of one character"},
    {"a word piece model without limit", wordPieceSample,
     "/model/max_input_chars_per_word", "",
     "model.max_input_chars_per_word: expected"},
    {"another version", wordPieceSample, "/version", "\"2.0\"",
     "version: expected 1.0"},
};

TEST(TokenizerJson, NamesWhatIsWrong) {
  for (const BadCase &bad : badCases) {
    Json json = bad.sample();
    Json::json_pointer pointer(bad.pointer);
    if (*bad.value)
      json[pointer] = Json::parse(bad.value);
    else
      json[pointer.parent_pointer()].erase(pointer.back());
    std::string message = errorOf(json);
    EXPECT_NE(message.find(bad.message), std::string::npos)
        << bad.what << ": " << message;
  }
}

TEST(TokenizerJson, RefusesWhatIsNoJson) {
  EXPECT_NE(errorOf(std::string()), "");
  EXPECT_NE(errorOf(std::string("{")).find("not valid JSON"),
            std::string::npos);
  EXPECT_NE(errorOf(std::string("[1]")), "");
  EXPECT_NE(errorOf(std::string(100000, '[')).find("levels deep"),
            std::string::npos);
  std::string nested = R"({"type":"Sequence","normalizers":[)";
  std::string deep;
  for (int i = 0; i < 2000; ++i)
    deep += nested;
  EXPECT_NE(errorOf("{\"normalizer\":" + deep), "");
}

TEST(TokenizerJson, SurvivesDamage) {
  std::mt19937 random(7);
  int readable = 0;
  for (auto sample :
       {byteLevelSample, sentencePieceSample, unigramSample, wordPieceSample}) {
    std::string text = sample().dump();
    for (int i = 0; i < 1500; ++i) {
      TokenizerFiles files;
      files.tokenizer = mutated(text, random);
      Expected<TokenizerModel> model = tokenizerModelFromJson(files);
      if (!model)
        continue;
      Expected<Tokenizer> tokenizer = Tokenizer::fromModel(std::move(*model));
      if (!tokenizer)
        continue;
      ++readable;
      Expected<Ids> ids =
          tokenizer->encode("hello aéb ａ中 <s><|end|>\n", true);
      if (ids)
        (void)tokenizer->decode(*ids, false);
    }
  }
  EXPECT_GT(readable, 50);
}

TEST(TokenizerJson, FindsSpecialTokens) {
  TokenizerFiles files;
  files.tokenizerConfig =
      R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>",
          "pad_token": null, "chat_template": "{{ messages }}"})";
  files.generationConfig = R"({"eos_token_id": [2, 7], "bos_token_id": 5})";
  files.config = R"({"eos_token_id": 9, "pad_token_id": 8})";
  TokenizerModel model = modelOf(sentencePieceSample(), files);
  EXPECT_EQ(model.bosId, 1);
  EXPECT_EQ(model.eosIds, (Ids{2, 7}));
  EXPECT_EQ(model.unkId, 0);
  EXPECT_EQ(model.padId, -1);
  EXPECT_EQ(model.chatTemplate, "{{ messages }}");
  EXPECT_EQ(model.types[0], TokenType::Unknown);
  EXPECT_EQ(model.types[1], TokenType::Control);
  EXPECT_EQ(model.types[3], TokenType::Byte);
}

TEST(TokenizerJson, FallsBackToTheConfiguration) {
  TokenizerFiles files;
  files.config =
      R"({"eos_token_id": 2, "bos_token_id": 1, "pad_token_id": -1})";
  files.chatTemplate = "{{ from_file }}";
  TokenizerModel model = modelOf(sentencePieceSample(), files);
  EXPECT_EQ(model.bosId, 1);
  EXPECT_EQ(model.eosIds, Ids{2});
  EXPECT_EQ(model.padId, -1);
  EXPECT_EQ(model.chatTemplate, "{{ from_file }}");
}

TEST(TokenizerJson, TakesTheDefaultOfSeveralTemplates) {
  TokenizerFiles files;
  files.tokenizerConfig =
      R"({"chat_template": [{"name": "tools", "template": "t"},
                            {"name": "default", "template": "d"}]})";
  EXPECT_EQ(modelOf(sentencePieceSample(), files).chatTemplate, "d");
}

TEST(TokenizerJson, RefusesOtherFilesThatAreNoJson) {
  TokenizerFiles files;
  files.tokenizer = sentencePieceSample().dump();
  files.generationConfig = "{]";
  Expected<TokenizerModel> model = tokenizerModelFromJson(files);
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message().find("generation_config.json"),
            std::string::npos);
}

TEST(TokenizerJson, NamesAMissingFolder) {
  Expected<TokenizerFiles> files = readTokenizerFiles("/nonexistent/folder");
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().code(), ErrorCode::Io);
  EXPECT_NE(files.error().message().find("/nonexistent/folder/tokenizer.json"),
            std::string::npos);
}

} // namespace
