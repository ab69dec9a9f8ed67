//===- EvaluateTest.cpp - a model's predictions of a text -----------------===//

#include "tools/lq-eval/Evaluate.h"
#include "FakeArtifact.h"
#include "runtime/Gguf.h"

#include <algorithm>
#include <cmath>

using namespace lq;
using namespace lq::test;

namespace {
/// The model whose logits FakeArtifact::logitsAfter knows.
struct Evaluating : testing::Test {
  Evaluating() {
    FakeArtifact::generative().write(folder.file("model.lq"));
    auto opened = Model::open(folder.file("model.lq"), {});
    EXPECT_TRUE(opened) << opened.error().message();
    model = std::move(*opened);
    team = std::move(*Team::create(2));
  }

  void cut(size_t context, size_t first, size_t count) {
    chunks.context = context;
    chunks.first = first;
    for (size_t i = 0; i < context * count; ++i)
      chunks.tokens.push_back(static_cast<int32_t>(i * i % 61));
    logits = std::move(*ModelLogits::create(*model, chunks, 1));
  }

  TemporaryFolder folder;
  std::unique_ptr<const Model> model;
  std::unique_ptr<Team> team;
  Chunks chunks;
  std::unique_ptr<ModelLogits> logits;
};
} // namespace

/// Every chunk from an empty context, each token scored by what came before.
TEST_F(Evaluating, ScoresTheTokensThatFollow) {
  for (size_t first : {0, 10, 18}) {
    chunks.tokens.clear();
    cut(20, first, 3);
    auto scores = evaluate({chunks, *logits, nullptr, {}, {}}, *team);
    ASSERT_TRUE(scores) << scores.error().message();
    ASSERT_EQ(scores->size(), 3 * (19 - first));
    size_t at = 0;
    for (size_t chunk = 0; chunk < 3; ++chunk) {
      std::span<const int32_t> tokens = chunks.chunk(chunk);
      for (size_t position = first; position < 19; ++position, ++at) {
        std::vector<int32_t> before(tokens.begin(),
                                    tokens.begin() +
                                        static_cast<ptrdiff_t>(position) + 1);
        std::vector<float> expected = FakeArtifact::logitsAfter(before);
        auto next = static_cast<size_t>(tokens[position + 1]);
        double largest = std::ranges::max(expected), sum = 0;
        for (float logit : expected)
          sum += std::exp(logit - largest);
        EXPECT_NEAR((*scores)[at].loss,
                    largest + std::log(sum) - expected[next], 1e-9);
      }
    }
  }
}

TEST_F(Evaluating, ComparesWithAReferenceAndKeepsLogits) {
  cut(40, 3, 2);
  auto same = std::move(*ModelLogits::create(*model, chunks, 1));
  std::vector<float> kept;
  std::vector<size_t> reported;
  Evaluation evaluation{chunks, *logits, same.get(), {}, {}};
  evaluation.keep = [&](std::span<const float> rows) {
    kept.insert(kept.end(), rows.begin(), rows.end());
    return Error::success();
  };
  evaluation.progress = [&](size_t done, std::span<const PositionScore> all) {
    reported.push_back(done);
    EXPECT_EQ(all.size(), done * 36);
  };
  auto scores = evaluate(evaluation, *team);
  ASSERT_TRUE(scores);
  EXPECT_EQ(reported, (std::vector<size_t>{1, 2}));
  for (const PositionScore &score : *scores) {
    EXPECT_EQ(score.divergence, 0);
    EXPECT_EQ(score.loss, score.referenceLoss);
  }
  ASSERT_EQ(kept.size(), 72U * FakeArtifact::vocabulary);
  std::vector<int32_t> before(chunks.tokens.begin(), chunks.tokens.begin() + 4);
  std::vector<float> expected = FakeArtifact::logitsAfter(before);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), kept.begin()));
}

TEST_F(Evaluating, NamesTheChunkThatIsNotFinite) {
  FakeArtifact broken = FakeArtifact::generative();
  std::string &bias = broken.sections[0].second;
  bias.replace(4, 4, std::string("\0\0\xc0\x7f", 4));
  broken.write(folder.file("nan.lq"));
  auto opened = Model::open(folder.file("nan.lq"), {});
  ASSERT_TRUE(opened);
  cut(20, 10, 2);
  auto nan = std::move(*ModelLogits::create(**opened, chunks, 1));
  std::string message =
      messageOf(evaluate({chunks, *nan, logits.get(), {}, {}}, *team));
  EXPECT_CONTAINS(message, "nan.lq: logits after token 10 of chunk 1 are not "
                           "finite");
  message = messageOf(evaluate({chunks, *logits, nan.get(), {}, {}}, *team));
  EXPECT_CONTAINS(message, "nan.lq: logits after token 10 of chunk 1");
}

TEST_F(Evaluating, NeedsRoomForAChunk) {
  chunks.context = 41;
  EXPECT_CONTAINS(messageOf(ModelLogits::create(*model, chunks, 1)),
                  "model.lq: expected a context of 1 to 40 tokens");
}
