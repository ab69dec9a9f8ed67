//===- MetadataTest.cpp - tokenizers in GGUF metadata ---------------------===//

#include "Samples.h"

#include "runtime/Gguf.h"

#include <filesystem>
#include <functional>

using namespace lq;
using namespace lq::test;

namespace {

class TokenizerMetadata : public testing::Test {
protected:
  std::string path =
      testing::TempDir() + "/tokenizer-" + std::to_string(getpid()) + ".gguf";

  ~TokenizerMetadata() override { std::filesystem::remove(path); }

  /// Writes the model, lets `edit` change the metadata, and reads it again.
  Expected<TokenizerModel>
  roundTrip(const TokenizerModel &model,
            const std::function<void(GgufWriter &)> &edit = {}) {
    GgufWriter writer;
    writeTokenizerMetadata(model, writer);
    if (edit)
      edit(writer);
    if (Error error = writer.finish(path))
      return error;
    Expected<GgufReader> reader = GgufReader::open(path);
    if (!reader)
      return reader.takeError();
    return readTokenizerMetadata(*reader);
  }
};

TEST_F(TokenizerMetadata, ComesBackExactly) {
  TokenizerFiles files;
  files.tokenizerConfig =
      R"({"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<unk>"})";
  files.generationConfig = R"({"eos_token_id": [2, 5]})";
  files.chatTemplate = "{{ x }}";
  for (auto sample :
       {byteLevelSample, sentencePieceSample, unigramSample, wordPieceSample}) {
    TokenizerModel model = modelOf(sample(), files);
    Expected<TokenizerModel> again = roundTrip(model);
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->kind, model.kind);
    EXPECT_EQ(again->tokens, model.tokens);
    EXPECT_EQ(again->types, model.types);
    EXPECT_EQ(again->scores, model.scores);
    EXPECT_EQ(again->bosId, model.bosId);
    EXPECT_EQ(again->unkId, model.unkId);
    EXPECT_EQ(again->padId, model.padId);
    EXPECT_EQ(again->eosIds, model.eosIds);
    EXPECT_EQ(again->chatTemplate, model.chatTemplate);
    EXPECT_EQ(again->pipeline, model.pipeline);
    ASSERT_EQ(again->merges.size(), model.merges.size());
    for (size_t i = 0; i < model.merges.size(); ++i) {
      EXPECT_EQ(again->merges[i].left, model.merges[i].left);
      EXPECT_EQ(again->merges[i].right, model.merges[i].right);
      EXPECT_EQ(again->merges[i].result, model.merges[i].result);
    }
  }
}

TEST_F(TokenizerMetadata, UsesTheStandardKeys) {
  (void)roundTrip(modelOf(byteLevelSample()));
  Expected<GgufReader> reader = GgufReader::open(path);
  ASSERT_TRUE(reader);
  EXPECT_EQ(*reader->find("tokenizer.ggml.model")->asString(), "gpt2");
  EXPECT_EQ((*reader->find("tokenizer.ggml.merges")->asStrings())[0], "h e");
  EXPECT_EQ(reader->find("tokenizer.ggml.tokens")->size(), 264u);
  (void)roundTrip(modelOf(sentencePieceSample()));
  reader = GgufReader::open(path);
  ASSERT_TRUE(reader);
  EXPECT_EQ(*reader->find("tokenizer.ggml.model")->asString(), "llama");
}

TEST_F(TokenizerMetadata, KeepsTokensWithSpaces) {
  Json json = byteLevelSample();
  json["pre_tokenizer"] = nullptr;
  json["model"]["vocab"] =
      Json::parse(R"({" ": 0, "  ": 1, "   ": 2, "a": 3})");
  json["model"]["merges"] = Json::parse(R"([[" ", " "], ["  ", " "]])");
  json["added_tokens"] = Json::array();
  json["post_processor"] = nullptr;
  Expected<TokenizerModel> model = roundTrip(modelOf(json));
  ASSERT_TRUE(model) << model.error().message();
  Expected<Tokenizer> tokenizer = Tokenizer::fromModel(std::move(*model));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  EXPECT_EQ(encode(*tokenizer, "a    a"), (Ids{3, 1, 1, 3}));
  EXPECT_EQ(encode(*tokenizer, "a   a"), (Ids{3, 2, 3}));
}

TEST_F(TokenizerMetadata, KeepsScoresInDoublePrecision) {
  Json json = unigramSample();
  json["model"]["vocab"][1][1] = -2.000000001;
  Expected<TokenizerModel> model = roundTrip(modelOf(json));
  ASSERT_TRUE(model) << model.error().message();
  EXPECT_EQ(model->scores[1], -2.000000001);
}

TEST_F(TokenizerMetadata, RefusesContradictions) {
  struct Case {
    const char *key;
    GgufValue value;
    const char *message;
  };
  const Case cases[] = {
      {"tokenizer.ggml.model", GgufValue("magic"), "unknown kind"},
      {"tokenizer.ggml.model", GgufValue(1.0f), "tokenizer.ggml.model"},
      {"tokenizer.ggml.tokens", GgufValue("a"), "tokenizer.ggml.tokens"},
      {"tokenizer.ggml.token_type", GgufValue(std::vector<int32_t>{1}),
       "not as many as tokens"},
      {"tokenizer.ggml.token_type", GgufValue(std::vector<int32_t>(264, 9)),
       "a type that is not 1 to 6"},
      {"lq.tokenizer.merges", GgufValue(std::vector<int32_t>{1, 2}),
       "not three ids a merge"},
      {"lq.tokenizer.merges", GgufValue(std::vector<int32_t>{1, 2, 999}),
       "a token outside the vocabulary"},
      {"lq.tokenizer.merges", GgufValue(std::vector<int32_t>{-1, 2, 3}),
       "a token outside the vocabulary"},
      {"lq.tokenizer.merges", GgufValue(std::vector<int64_t>{1, 2, 3}),
       "not an array of the expected type"},
      {"tokenizer.ggml.bos_token_id", GgufValue(-7), "expected a token id"},
      {"lq.tokenizer.pipeline", GgufValue("{"), "not valid JSON"},
      {"lq.tokenizer.pipeline", GgufValue("{}"), "model: expected an object"},
  };
  for (const Case &bad : cases) {
    Expected<TokenizerModel> model =
        roundTrip(modelOf(byteLevelSample()), [&](GgufWriter &writer) {
          writer.setMetadata(bad.key, bad.value);
        });
    std::string message;
    if (model) {
      Expected<Tokenizer> tokenizer = Tokenizer::fromModel(std::move(*model));
      message = tokenizer ? "" : tokenizer.error().message();
    } else {
      message = model.error().message();
    }
    EXPECT_NE(message.find(bad.message), std::string::npos)
        << bad.key << ": " << message;
  }
}

TEST_F(TokenizerMetadata, RefusesTokensThatAreNotText) {
  Expected<TokenizerModel> model =
      roundTrip(modelOf(byteLevelSample()), [](GgufWriter &writer) {
        writer.setMetadata("tokenizer.ggml.tokens",
                           GgufValue(std::vector<std::string>(264, "\xff")));
      });
  ASSERT_TRUE(model) << model.error().message();
  Expected<Tokenizer> tokenizer = Tokenizer::fromModel(std::move(*model));
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().message(), "token 0 is not UTF-8");
}

TEST_F(TokenizerMetadata, SaysWhenThereIsNoTokenizer) {
  ASSERT_FALSE(GgufWriter().finish(path));
  Expected<GgufReader> reader = GgufReader::open(path);
  ASSERT_TRUE(reader);
  Expected<TokenizerModel> model = readTokenizerMetadata(*reader);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code(), ErrorCode::InvalidArgument);
}

} // namespace
