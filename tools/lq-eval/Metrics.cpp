//===- Metrics.cpp - how well a model predicts a text ---------------------===//

#include "tools/lq-eval/Metrics.h"

#include <algorithm>
#include <array>
#include <cmath>

using namespace lq;

double PositionScore::probabilityDifference() const {
  return std::exp(-loss) - std::exp(-referenceLoss);
}

static bool allFinite(std::span<const float> values) {
  bool finite = true;
  for (float value : values)
    finite &= std::isfinite(value);
  return finite;
}

/// ln of the sum of exp(logits).
static double logSumExp(std::span<const float> logits) {
  double largest = std::ranges::max(logits);
  double sum = 0;
  for (float logit : logits)
    sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

namespace {
/// The largest logits, in falling order; of equal ones that of the lower token.
struct Top {
  std::array<float, topTokens> logits;
  std::array<size_t, topTokens> tokens;
  size_t count = 0;

  explicit Top(std::span<const float> all) {
    for (size_t token = 0; token < all.size(); ++token)
      if (count < topTokens || all[token] > logits[count - 1])
        insert(token, all[token]);
  }

  void insert(size_t token, float logit) {
    size_t at = count < topTokens ? count++ : count - 1;
    for (; at > 0 && logits[at - 1] < logit; --at) {
      logits[at] = logits[at - 1];
      tokens[at] = tokens[at - 1];
    }
    logits[at] = logit;
    tokens[at] = token;
  }

  std::span<const size_t> span() const {
    return std::span(tokens).first(count);
  }
};
} // namespace

/// Fills in what needs the reference. With Z the logarithms of the sums of
/// exponentials, ln(r / p) = (reference - logits) - (Z_reference - Z_logits).
static void compare(std::span<const float> logits, double logitsZ,
                    std::span<const float> reference, int32_t token,
                    PositionScore &score) {
  double largest = std::ranges::max(reference);
  double sum = 0, weighted = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    double weight = std::exp(reference[i] - largest);
    sum += weight;
    weighted += weight * (static_cast<double>(reference[i]) - logits[i]);
  }
  double referenceZ = largest + std::log(sum);
  score.divergence = weighted / sum - (referenceZ - logitsZ);
  score.referenceLoss = referenceZ - reference[static_cast<size_t>(token)];

  Top ours(logits), theirs(reference);
  score.sameTop = ours.tokens[0] == theirs.tokens[0];
  auto common = std::ranges::count_if(theirs.span(), [&](size_t candidate) {
    return std::ranges::find(ours.span(), candidate) != ours.span().end();
  });
  score.commonTop =
      static_cast<double>(common) / static_cast<double>(theirs.count);
}

std::optional<PositionScore> lq::scorePosition(std::span<const float> logits,
                                               std::span<const float> reference,
                                               int32_t token) {
  if (!allFinite(logits) || !allFinite(reference))
    return std::nullopt;
  PositionScore score;
  double z = logSumExp(logits);
  score.loss = z - logits[static_cast<size_t>(token)];
  if (!reference.empty())
    compare(logits, z, reference, token, score);
  return score;
}

template <typename Value>
static Estimate mean(std::span<const PositionScore> scores,
                     const Value &value) {
  auto count = static_cast<double>(scores.size());
  double sum = 0;
  for (const PositionScore &score : scores)
    sum += value(score);
  double mean = sum / count;
  double squares = 0;
  for (const PositionScore &score : scores)
    squares += (value(score) - mean) * (value(score) - mean);
  double error =
      scores.size() > 1 ? std::sqrt(squares / (count - 1) / count) : 0;
  return {mean, error};
}

/// exp of an estimate; its error by the derivative.
static Estimate exponential(Estimate estimate) {
  double value = std::exp(estimate.value);
  return {value, value * estimate.standardError};
}

static Estimate squareRoot(Estimate estimate) {
  double value = std::sqrt(estimate.value);
  return {value, value > 0 ? estimate.standardError / (2 * value) : 0};
}

Estimate lq::perplexity(std::span<const PositionScore> scores) {
  return exponential(
      mean(scores, [](const PositionScore &score) { return score.loss; }));
}

double lq::quantile(std::span<const double> sorted, double q) {
  double place = q * static_cast<double>(sorted.size() - 1);
  auto below = static_cast<size_t>(place);
  size_t above = std::min(below + 1, sorted.size() - 1);
  double part = place - static_cast<double>(below);
  return sorted[below] + part * (sorted[above] - sorted[below]);
}

static Comparison compareAll(std::span<const PositionScore> scores) {
  Comparison out;
  out.referencePerplexity = exponential(mean(
      scores, [](const PositionScore &score) { return score.referenceLoss; }));
  out.perplexityRatio =
      exponential(mean(scores, [](const PositionScore &score) {
        return score.loss - score.referenceLoss;
      }));
  out.meanDivergence =
      mean(scores, [](const PositionScore &score) { return score.divergence; });
  out.sameTop = mean(scores, [](const PositionScore &score) {
    return score.sameTop ? 1.0 : 0.0;
  });
  out.commonTop =
      mean(scores, [](const PositionScore &score) { return score.commonTop; });
  out.meanProbabilityDifference = mean(scores, [](const PositionScore &score) {
    return score.probabilityDifference();
  });
  out.rmsProbabilityDifference =
      squareRoot(mean(scores, [](const PositionScore &score) {
        double difference = score.probabilityDifference();
        return difference * difference;
      }));

  std::vector<double> sorted;
  for (const PositionScore &score : scores)
    sorted.push_back(score.divergence);
  std::ranges::sort(sorted);
  out.medianDivergence = quantile(sorted, 0.5);
  out.divergence90 = quantile(sorted, 0.9);
  out.divergence99 = quantile(sorted, 0.99);
  out.divergence999 = quantile(sorted, 0.999);
  out.maxDivergence = sorted.back();
  return out;
}

Summary lq::summarize(std::span<const PositionScore> scores,
                      bool hasReference) {
  Summary summary;
  summary.tokens = scores.size();
  summary.perplexity = perplexity(scores);
  if (hasReference)
    summary.comparison = compareAll(scores);
  return summary;
}
