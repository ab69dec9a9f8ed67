//===- ApiTest.cpp --------------------------------------------------------===//

#include "FakeArtifact.h"
#include "runtime/lq.h"

#include <thread>

using namespace lq::test;

extern "C" int lqTestGenerate(const char *path, int32_t first, int32_t *tokens,
                              size_t count);

namespace {

class ApiTest : public ::testing::Test {
protected:
  lq_model *open(const FakeArtifact &fake) {
    fake.write(folder.file("m.lq"));
    EXPECT_EQ(lq_model_open(folder.file("m.lq").c_str(), nullptr, &model),
              LQ_OK)
        << lq_last_error();
    return model;
  }
  lq_session *start(const FakeArtifact &fake) {
    EXPECT_EQ(lq_session_create(open(fake), nullptr, &session), LQ_OK)
        << lq_last_error();
    return session;
  }
  ~ApiTest() override {
    lq_session_destroy(session);
    lq_model_close(model);
  }

  TemporaryFolder folder;
  lq_model *model = nullptr;
  lq_session *session = nullptr;
};

TEST_F(ApiTest, ACProgramGenerates) {
  FakeArtifact::generative().write(folder.file("m.lq"));
  std::vector<int32_t> tokens(20);
  ASSERT_EQ(lqTestGenerate(folder.file("m.lq").c_str(), 3, tokens.data(),
                           tokens.size()),
            0)
      << lq_last_error();
  std::vector<int32_t> context{3};
  for (int32_t token : tokens) {
    std::vector<float> logits = FakeArtifact::logitsAfter(context);
    auto best = std::ranges::max_element(logits);
    EXPECT_EQ(token, best - logits.begin());
    context.push_back(token);
  }
}

TEST_F(ApiTest, DescribesTheModel) {
  open(FakeArtifact::generative());
  lq_model_info info = LQ_MODEL_INFO_INIT;
  ASSERT_EQ(lq_model_get_info(model, &info), LQ_OK);
  EXPECT_EQ(info.kind, LQ_GENERATIVE);
  EXPECT_STREQ(info.name, "fake");
  EXPECT_STREQ(info.target, "any");
  EXPECT_EQ(info.context, 40);
  EXPECT_EQ(info.vocabulary, 61);
  EXPECT_EQ(info.has_tokenizer, 0);
  EXPECT_EQ(info.input_count, 1u);
  EXPECT_EQ(info.output_count, 1u);
  EXPECT_EQ(info.parameters, 61u);
  EXPECT_EQ(info.weight_bytes, 244u);
  lq_tensor_info tensor;
  ASSERT_EQ(lq_model_get_output(model, 0, &tensor), LQ_OK);
  EXPECT_STREQ(tensor.name, "logits");
  EXPECT_EQ(tensor.type, LQ_F32);
  EXPECT_EQ(tensor.rank, 3u);
  EXPECT_EQ(tensor.shape[0], 1);
  EXPECT_EQ(tensor.shape[1], -1);
  EXPECT_STREQ(tensor.dims[1], "logits");
  EXPECT_EQ(tensor.shape[2], 61);
  EXPECT_EQ(lq_model_get_input(model, 1, &tensor), LQ_INVALID_ARGUMENT);
}

TEST_F(ApiTest, OlderInfoStructuresAreNotOverrun) {
  open(FakeArtifact::generative());
  lq_model_info info = LQ_MODEL_INFO_INIT;
  info.struct_size = offsetof(lq_model_info, context);
  info.context = 12345;
  ASSERT_EQ(lq_model_get_info(model, &info), LQ_OK);
  EXPECT_STREQ(info.target, "any");
  EXPECT_EQ(info.context, 12345);
}

TEST_F(ApiTest, ErrorsHaveAStatusAndAMessage) {
  EXPECT_EQ(lq_model_open("/nonexistent.lq", nullptr, &model), LQ_IO);
  EXPECT_CONTAINS(lq_last_error(), "/nonexistent.lq");
  EXPECT_EQ(model, nullptr);
  EXPECT_EQ(lq_model_open(nullptr, nullptr, &model), LQ_INVALID_ARGUMENT);
  start(FakeArtifact::generative());
  EXPECT_EQ(lq_decode(session, 61, nullptr), LQ_INVALID_ARGUMENT);
  EXPECT_CONTAINS(lq_last_error(), "token id 61");
  std::vector<int32_t> many(41);
  EXPECT_EQ(lq_prefill(session, many.data(), many.size(), nullptr),
            LQ_CONTEXT_FULL);
  lq_session_options options{};
  EXPECT_EQ(lq_session_create(model, &options, &session), LQ_INVALID_ARGUMENT);
  EXPECT_CONTAINS(lq_last_error(), "struct_size");
  size_t count;
  EXPECT_EQ(lq_tokenize(model, "a", 1, 0, nullptr, 0, &count), LQ_UNSUPPORTED);
  EXPECT_CONTAINS(lq_last_error(), "no tokenizer");
  EXPECT_EQ(lq_is_end_token(model, 0), 0);
}

TEST_F(ApiTest, ErrorsBelongToTheirThread) {
  EXPECT_EQ(lq_model_open("/first.lq", nullptr, &model), LQ_IO);
  std::thread([] {
    lq_model *other = nullptr;
    EXPECT_EQ(lq_model_open("/second.lq", nullptr, &other), LQ_IO);
    EXPECT_CONTAINS(lq_last_error(), "/second.lq");
  }).join();
  EXPECT_CONTAINS(lq_last_error(), "/first.lq");
}

TEST_F(ApiTest, NullPointersAreErrors) {
  EXPECT_EQ(lq_session_create(nullptr, nullptr, &session), LQ_INVALID_ARGUMENT);
  EXPECT_EQ(lq_decode(nullptr, 1, nullptr), LQ_INVALID_ARGUMENT);
  EXPECT_EQ(lq_run(nullptr, nullptr, 0, nullptr), LQ_INVALID_ARGUMENT);
  EXPECT_EQ(lq_sample(nullptr, nullptr, 0, nullptr), LQ_INVALID_ARGUMENT);
  EXPECT_EQ(lq_text_stream_create(nullptr, 0, nullptr), LQ_INVALID_ARGUMENT);
  EXPECT_EQ(lq_session_position(nullptr), 0);
  lq_reset(nullptr);
  lq_session_destroy(nullptr);
  lq_sampler_destroy(nullptr);
  lq_text_stream_destroy(nullptr);
  lq_model_close(nullptr);
}

TEST_F(ApiTest, RunsOnTensors) {
  start(FakeArtifact::tensors());
  std::vector<float> x{1, 2, 3, 4}, y{5, 6};
  lq_tensor inputs[2] = {
      {"x", LQ_F32, 2, {2, 2}, x.data(), 16},
      {"y", LQ_F32, 1, {2}, y.data(), 8},
  };
  const lq_tensor *outputs = nullptr;
  ASSERT_EQ(lq_run(session, inputs, 2, &outputs), LQ_OK) << lq_last_error();
  EXPECT_STREQ(outputs[0].name, "scaled");
  EXPECT_EQ(outputs[0].bytes, 16u);
  EXPECT_EQ(static_cast<const float *>(outputs[0].data)[3], 48);
  EXPECT_EQ(outputs[1].type, LQ_F64);
  EXPECT_EQ(outputs[1].bytes, 16u);
  EXPECT_EQ(static_cast<const double *>(outputs[1].data)[0], 34);
  inputs[0].bytes = 12;
  EXPECT_EQ(lq_run(session, inputs, 2, &outputs), LQ_INVALID_ARGUMENT);
  EXPECT_CONTAINS(lq_last_error(), "expected 16 bytes");
  inputs[0].rank = 9;
  EXPECT_EQ(lq_run(session, inputs, 2, &outputs), LQ_INVALID_ARGUMENT);
  inputs[0] = {"x", 99, 1, {1}, x.data(), 4};
  EXPECT_EQ(lq_run(session, inputs, 2, &outputs), LQ_INVALID_ARGUMENT);
}

TEST_F(ApiTest, ScoreHandsOverAllLogits) {
  start(FakeArtifact::generative());
  std::vector<int32_t> tokens(20, 4);
  int64_t rows = 0;
  auto callback = [](void *user, int64_t, int64_t count, const float *) {
    *static_cast<int64_t *>(user) += count;
    return 0;
  };
  EXPECT_EQ(lq_score(session, tokens.data(), 20, callback, &rows), LQ_OK);
  EXPECT_EQ(rows, 20);
  EXPECT_EQ(lq_session_position(session), 20);
  EXPECT_EQ(lq_session_context(session), 40);
  EXPECT_EQ(lq_rewind(session, 3), LQ_OK);
  auto stop = [](void *, int64_t, int64_t, const float *) { return 1; };
  EXPECT_EQ(lq_score(session, tokens.data(), 20, stop, nullptr), LQ_STOPPED);
  lq_reset(session);
  EXPECT_EQ(lq_session_position(session), 0);
}

TEST_F(ApiTest, TurnsTextIntoTokensAndBack) {
  FakeArtifact fake = FakeArtifact::generative();
  fake.withTokenizer = true;
  open(fake);
  const std::string text = "ab z\xc3\xa4";
  std::vector<int32_t> tokens(10);
  size_t count = 0;
  ASSERT_EQ(lq_tokenize(model, text.data(), text.size(), 1, tokens.data(), 10,
                        &count),
            LQ_OK)
      << lq_last_error();
  tokens.resize(count);
  EXPECT_EQ(tokens, (std::vector<int32_t>{5, 6, 31, 30, 3, 4}));
  EXPECT_EQ(lq_tokenize(model, text.data(), text.size(), 1, nullptr, 0, &count),
            LQ_INVALID_ARGUMENT);
  EXPECT_EQ(count, 6u);

  char buffer[16];
  size_t length = 0;
  ASSERT_EQ(lq_detokenize(model, tokens.data(), tokens.size(), 1, buffer, 16,
                          &length),
            LQ_OK);
  EXPECT_EQ(std::string(buffer), text);
  EXPECT_EQ(length, text.size());
  EXPECT_EQ(
      lq_detokenize(model, tokens.data(), tokens.size(), 1, buffer, 3, &length),
      LQ_INVALID_ARGUMENT);
  EXPECT_EQ(length, text.size());
}

TEST_F(ApiTest, StreamsHoldBackHalfCharacters) {
  FakeArtifact fake = FakeArtifact::generative();
  fake.withTokenizer = true;
  lq_text_stream *stream = nullptr;
  ASSERT_EQ(lq_text_stream_create(open(fake), 1, &stream), LQ_OK)
      << lq_last_error();
  const char *text = nullptr;
  ASSERT_EQ(lq_text_stream_push(stream, 5, &text), LQ_OK);
  EXPECT_STREQ(text, "a");
  ASSERT_EQ(lq_text_stream_push(stream, 3, &text), LQ_OK);
  EXPECT_STREQ(text, "");
  ASSERT_EQ(lq_text_stream_push(stream, 4, &text), LQ_OK);
  EXPECT_STREQ(text, "\xc3\xa4");
  ASSERT_EQ(lq_text_stream_finish(stream, &text), LQ_OK);
  EXPECT_STREQ(text, "");
  lq_text_stream_destroy(stream);
}

TEST(Api, HasAVersion) { EXPECT_CONTAINS(lq_version(), "."); }

} // namespace
