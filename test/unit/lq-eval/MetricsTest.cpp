//===- MetricsTest.cpp - metrics against their definitions ----------------===//

#include "tools/lq-eval/Metrics.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <numeric>
#include <random>

using namespace lq;

static std::vector<float> randomLogits(std::mt19937 &random, size_t count,
                                       float spread) {
  std::normal_distribution<float> normal(3, spread);
  std::vector<float> logits(count);
  for (float &logit : logits)
    logit = normal(random);
  return logits;
}

/// Probabilities by the definition, in double precision.
static std::vector<double> softmax(const std::vector<float> &logits) {
  std::vector<double> out(logits.begin(), logits.end());
  double sum = 0;
  for (double &value : out)
    sum += value = std::exp(value);
  for (double &value : out)
    value /= sum;
  return out;
}

static std::vector<size_t> likeliest(const std::vector<float> &logits,
                                     size_t count) {
  std::vector<size_t> order(logits.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::ranges::sort(order, [&](size_t a, size_t b) {
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
  });
  order.resize(std::min(count, order.size()));
  return order;
}

TEST(ScorePosition, IsWhatTheDefinitionsSay) {
  std::mt19937 random(1);
  for (size_t vocabulary : {1, 3, 5, 7, 300}) {
    for (float spread : {0.1F, 3.0F}) {
      std::vector<float> logits = randomLogits(random, vocabulary, spread);
      std::vector<float> reference = randomLogits(random, vocabulary, spread);
      size_t token = vocabulary / 2;
      auto score =
          scorePosition(logits, reference, static_cast<int32_t>(token));
      ASSERT_TRUE(score);
      std::vector<double> p = softmax(logits), r = softmax(reference);
      double divergence = 0;
      for (size_t i = 0; i < vocabulary; ++i)
        divergence += r[i] * std::log(r[i] / p[i]);
      EXPECT_NEAR(score->loss, -std::log(p[token]), 1e-10);
      EXPECT_NEAR(score->referenceLoss, -std::log(r[token]), 1e-10);
      EXPECT_NEAR(score->divergence, divergence, 1e-10);
      EXPECT_NEAR(score->probabilityDifference(), p[token] - r[token], 1e-10);
      std::vector<size_t> ours = likeliest(logits, 5);
      std::vector<size_t> theirs = likeliest(reference, 5);
      EXPECT_EQ(score->sameTop, ours[0] == theirs[0]);
      auto common = std::ranges::count_if(theirs, [&](size_t candidate) {
        return std::ranges::count(ours, candidate) != 0;
      });
      EXPECT_DOUBLE_EQ(score->commonTop, static_cast<double>(common) /
                                             static_cast<double>(ours.size()));
    }
  }
}

TEST(ScorePosition, OfEqualLogitsTakesTheLowerToken) {
  std::vector<float> logits{1, 2, 2, 2, 2, 2, 2};
  std::vector<float> reference{0, 9, 1, 1, 1, 1, 8};
  auto score = scorePosition(logits, reference, 0);
  EXPECT_TRUE(score->sameTop);
  // 1 2 3 4 5 against 1 6 2 3 4.
  EXPECT_DOUBLE_EQ(score->commonTop, 0.8);
}

TEST(ScorePosition, OfTheSameLogitsIsZero) {
  std::mt19937 random(2);
  std::vector<float> logits = randomLogits(random, 1000, 5);
  auto score = scorePosition(logits, logits, 17);
  EXPECT_EQ(score->divergence, 0);
  EXPECT_EQ(score->probabilityDifference(), 0);
  EXPECT_TRUE(score->sameTop);
  EXPECT_EQ(score->commonTop, 1);
}

/// exp of the logits themselves would be infinite, or zero.
TEST(ScorePosition, TakesLargeLogits) {
  for (float shift : {-1e4F, 1e4F}) {
    std::vector<float> logits{shift, shift + 1, shift + 2};
    auto score = scorePosition(logits, logits, 2);
    ASSERT_TRUE(score);
    EXPECT_NEAR(score->loss, std::log(1 + std::exp(-1.0) + std::exp(-2.0)),
                1e-9);
  }
}

TEST(ScorePosition, RefusesWhatIsNotFinite) {
  std::vector<float> good{1, 2, 3};
  for (float bad : {std::numeric_limits<float>::quiet_NaN(),
                    std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()}) {
    std::vector<float> logits{1, bad, 3};
    EXPECT_FALSE(scorePosition(logits, {}, 0));
    EXPECT_FALSE(scorePosition(good, logits, 0));
    EXPECT_FALSE(scorePosition(logits, good, 0));
  }
}

TEST(Quantile, InterpolatesLinearly) {
  std::vector<double> sorted{1, 2, 4, 8};
  EXPECT_DOUBLE_EQ(quantile(sorted, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(sorted, 1), 8);
  EXPECT_DOUBLE_EQ(quantile(sorted, 0.5), 3);
  EXPECT_DOUBLE_EQ(quantile(sorted, 0.9), 4 + 0.7 * 4);
  EXPECT_DOUBLE_EQ(quantile(std::vector<double>{5}, 0.99), 5);
}

/// Positions with losses and the like of a known spread.
static std::vector<PositionScore> randomScores(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(0.5, 3);
  std::vector<PositionScore> scores(count);
  for (PositionScore &score : scores) {
    score.referenceLoss = uniform(random);
    score.loss = score.referenceLoss + uniform(random) / 10;
    score.divergence = uniform(random);
    score.sameTop = uniform(random) > 1;
    score.commonTop = std::floor(uniform(random) * 1.5) / 5;
  }
  return scores;
}

TEST(Summary, TellsMeansAndTheirErrors) {
  std::vector<PositionScore> scores{{1, 2, 0.1, true, 1},
                                    {3, 2, 0.3, false, .6}};
  Summary summary = summarize(scores, true);
  EXPECT_EQ(summary.tokens, 2U);
  // Losses 1 and 3: mean 2, standard deviation sqrt(2), over sqrt(2).
  EXPECT_DOUBLE_EQ(summary.perplexity.value, std::exp(2.0));
  EXPECT_DOUBLE_EQ(summary.perplexity.standardError, std::exp(2.0));
  const Comparison &found = *summary.comparison;
  EXPECT_DOUBLE_EQ(found.referencePerplexity.value, std::exp(2.0));
  EXPECT_DOUBLE_EQ(found.referencePerplexity.standardError, 0);
  EXPECT_DOUBLE_EQ(found.perplexityRatio.value, 1);
  EXPECT_DOUBLE_EQ(found.perplexityRatio.standardError, 1);
  EXPECT_DOUBLE_EQ(found.meanDivergence.value, 0.2);
  EXPECT_NEAR(found.meanDivergence.standardError, 0.1, 1e-12);
  EXPECT_DOUBLE_EQ(found.medianDivergence, 0.2);
  EXPECT_DOUBLE_EQ(found.divergence90, 0.28);
  EXPECT_DOUBLE_EQ(found.divergence99, 0.298);
  EXPECT_DOUBLE_EQ(found.divergence999, 0.2998);
  EXPECT_DOUBLE_EQ(found.maxDivergence, 0.3);
  EXPECT_DOUBLE_EQ(found.sameTop.value, 0.5);
  EXPECT_DOUBLE_EQ(found.sameTop.standardError, 0.5);
  EXPECT_DOUBLE_EQ(found.commonTop.value, 0.8);
  double first = std::exp(-1.0) - std::exp(-2.0);
  double second = std::exp(-3.0) - std::exp(-2.0);
  EXPECT_NEAR(found.meanProbabilityDifference.value, (first + second) / 2,
              1e-12);
  double square = (first * first + second * second) / 2;
  EXPECT_NEAR(found.rmsProbabilityDifference.value, std::sqrt(square), 1e-12);
  EXPECT_NEAR(found.rmsProbabilityDifference.standardError,
              std::abs(first * first - second * second) / 2 /
                  (2 * std::sqrt(square)),
              1e-12);
}

/// What standard errors are for: estimates of many samples of one population
/// spread as far as each one's own error says.
TEST(Summary, ErrorsAreTheSpreadOfEstimates) {
  constexpr unsigned samples = 400;
  using Member = Estimate Comparison::*;
  for (Member member :
       {&Comparison::perplexityRatio, &Comparison::meanDivergence,
        &Comparison::sameTop, &Comparison::commonTop,
        &Comparison::meanProbabilityDifference,
        &Comparison::rmsProbabilityDifference}) {
    double sum = 0, squares = 0, error = 0;
    for (unsigned seed = 0; seed < samples; ++seed) {
      Summary summary = summarize(randomScores(200, seed), true);
      Estimate estimate = (*summary.comparison).*member;
      sum += estimate.value;
      squares += estimate.value * estimate.value;
      error += estimate.standardError / samples;
    }
    double spread =
        std::sqrt(squares / samples - (sum / samples) * (sum / samples));
    // The spread of 400 samples is itself known to 4 %.
    EXPECT_NEAR(spread / error, 1, 0.15);
  }
}

TEST(Summary, HasNoComparisonWithoutReference) {
  Summary summary = summarize(randomScores(10, 3), false);
  EXPECT_FALSE(summary.comparison);
}
