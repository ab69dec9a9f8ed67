//===- SamplerTest.cpp ----------------------------------------------------===//

#include "runtime/Sampler.h"
#include "FakeArtifact.h"

#include <cmath>
#include <limits>
#include <map>
#include <set>

using namespace lq;
using namespace lq::test;

namespace {

int32_t sampleOnce(const SamplingOptions &options,
                   const std::vector<float> &logits) {
  auto sampler = Sampler::create(options);
  EXPECT_TRUE(sampler);
  auto token = sampler->sample(logits);
  EXPECT_TRUE(token) << token.error().message();
  return token ? *token : -1;
}

/// Frequencies of many draws.
std::vector<double> frequencies(const SamplingOptions &options,
                                const std::vector<float> &logits) {
  auto sampler = Sampler::create(options);
  EXPECT_TRUE(sampler);
  constexpr int draws = 20000;
  std::vector<double> counts(logits.size());
  for (int i = 0; i < draws; ++i)
    counts[static_cast<size_t>(*sampler->sample(logits))] += 1.0 / draws;
  return counts;
}

std::vector<double> softmax(const std::vector<double> &values) {
  double total = 0;
  std::vector<double> out;
  for (double value : values)
    total += std::exp(value);
  for (double value : values)
    out.push_back(std::exp(value) / total);
  return out;
}

void expectNear(const std::vector<double> &actual,
                const std::vector<double> &expected) {
  ASSERT_EQ(actual.size(), expected.size());
  // Four standard deviations of a frequency over 20000 draws are below 0.0142.
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], expected[i] == 0 ? 0 : 0.0142) << i;
}

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
  EXPECT_EQ(sampleOnce({}, {1, 5, 3, 5}), 1);
  EXPECT_EQ(sampleOnce({}, {-3}), 0);
  float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(sampleOnce({}, {nan, -1, nan, 0}), 3);
}

TEST(Sampler, DrawsBySoftmax) {
  SamplingOptions options{.temperature = 1, .seed = 7};
  expectNear(frequencies(options, {0, 1, 2, -1}), softmax({0, 1, 2, -1}));
}

TEST(Sampler, TemperatureDividesTheLogits) {
  SamplingOptions options{.temperature = 0.5f, .seed = 7};
  expectNear(frequencies(options, {0, 1, 2, -1}), softmax({0, 2, 4, -2}));
}

TEST(Sampler, TopKKeepsTheMostLikely) {
  SamplingOptions options{.temperature = 1, .topK = 2, .seed = 7};
  std::vector<double> two = softmax({1, 2});
  expectNear(frequencies(options, {0, 1, 2, -1}), {0, two[0], two[1], 0});
}

TEST(Sampler, TopKOfEqualsKeepsLowIds) {
  SamplingOptions options{.temperature = 1, .topK = 3, .seed = 7};
  std::vector<double> found = frequencies(options, std::vector<float>(10, 1));
  expectNear(found, {1 / 3., 1 / 3., 1 / 3., 0, 0, 0, 0, 0, 0, 0});
}

TEST(Sampler, TopPKeepsTheNucleus) {
  // Probabilities 0.4, 0.3, 0.2, 0.1: the first two sum to 0.7.
  std::vector<float> logits;
  for (double p : {0.1, 0.3, 0.4, 0.2})
    logits.push_back(static_cast<float>(std::log(p)));
  SamplingOptions options{.temperature = 1, .topP = 0.65f, .seed = 7};
  expectNear(frequencies(options, logits), {0, 3 / 7., 4 / 7., 0});
  options.topP = 0.75f;
  expectNear(frequencies(options, logits), {0, 3 / 9., 4 / 9., 2 / 9.});
  options.topP = 0.01f;
  expectNear(frequencies(options, logits), {0, 0, 1, 0});
}

TEST(Sampler, MinPComparesWithTheBest) {
  std::vector<float> logits;
  for (double p : {0.1, 0.3, 0.4, 0.2})
    logits.push_back(static_cast<float>(std::log(p)));
  SamplingOptions options{.temperature = 1, .minP = 0.6f, .seed = 7};
  expectNear(frequencies(options, logits), {0, 3 / 7., 4 / 7., 0});
  options.topP = 0.95f;
  expectNear(frequencies(options, logits), {0, 3 / 7., 4 / 7., 0});
}

TEST(Sampler, SeedsDecideEverything) {
  std::vector<float> logits(1000);
  for (size_t i = 0; i < logits.size(); ++i)
    logits[i] = static_cast<float>(i % 17) / 4;
  auto sequence = [&](uint64_t seed) {
    auto sampler = Sampler::create({.temperature = 1, .seed = seed});
    std::vector<int32_t> tokens;
    for (int i = 0; i < 50; ++i)
      tokens.push_back(*sampler->sample(logits));
    return tokens;
  };
  EXPECT_EQ(sequence(1), sequence(1));
  EXPECT_NE(sequence(1), sequence(2));
}

// The same on every machine: a change here changes what users' seeds give.
TEST(Sampler, DrawsAreStable) {
  std::vector<float> logits(100);
  for (size_t i = 0; i < logits.size(); ++i)
    logits[i] = static_cast<float>((i * 37) % 100) / 10;
  auto sampler = Sampler::create({.temperature = 0.8f,
                                  .topK = 40,
                                  .topP = 0.95f,
                                  .minP = 0.01f,
                                  .seed = 42});
  std::vector<int32_t> tokens;
  for (int i = 0; i < 8; ++i)
    tokens.push_back(*sampler->sample(logits));
  EXPECT_EQ(tokens, (std::vector<int32_t>{97, 16, 97, 54, 32, 27, 89, 8}));
}

TEST(Sampler, LargeVocabulariesAgreeWithASort) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> logits(50000);
  for (float &logit : logits)
    logit = normal(random);
  std::vector<float> sorted = logits;
  std::sort(sorted.rbegin(), sorted.rend());
  auto sampler = Sampler::create({.temperature = 2, .topK = 500, .seed = 1});
  for (int i = 0; i < 300; ++i)
    EXPECT_GE(logits[static_cast<size_t>(*sampler->sample(logits))],
              sorted[499]);
}

TEST(Sampler, BadLogitsAreErrors) {
  auto sampler = Sampler::create({.temperature = 1});
  float nan = std::numeric_limits<float>::quiet_NaN();
  float infinity = std::numeric_limits<float>::infinity();
  EXPECT_CONTAINS(messageOf(sampler->sample(std::vector<float>{nan, nan})),
                  "not finite");
  EXPECT_CONTAINS(messageOf(sampler->sample(std::vector<float>{})),
                  "not finite");
  EXPECT_CONTAINS(messageOf(sampler->sample(std::vector<float>{1, infinity})),
                  "not finite");
  EXPECT_EQ(*sampler->sample(std::vector<float>{nan, -infinity, -1e30f}), 2);
}

TEST(Sampler, BadOptionsAreErrors) {
  EXPECT_FALSE(Sampler::create({.temperature = -1}));
  EXPECT_FALSE(Sampler::create({.temperature = NAN}));
  EXPECT_FALSE(Sampler::create({.topK = -1}));
  EXPECT_FALSE(Sampler::create({.topP = 0}));
  EXPECT_FALSE(Sampler::create({.topP = 1.5f}));
  EXPECT_FALSE(Sampler::create({.minP = -0.1f}));
  EXPECT_FALSE(Sampler::create({.minP = 2}));
}

} // namespace
