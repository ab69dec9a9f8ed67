//===- Metrics.h - how well a model predicts a text -------------*- C++ -*-===//
//
// Logits of one position become a few numbers, and the numbers of all positions
// become estimates. All logarithms are natural.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_TOOLS_LQ_EVAL_METRICS_H
#define LQ_TOOLS_LQ_EVAL_METRICS_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace lq {

/// How many of the likeliest tokens `PositionScore::commonTop` looks at.
inline constexpr size_t topTokens = 5;

/// What the logits before one token say of it. Without a reference, only the
/// first member counts.
struct PositionScore {
  /// -ln p(token).
  double loss = 0;
  double referenceLoss = 0;
  /// KL divergence of the model's distribution p from the reference's r: the
  /// sum of r ln(r / p) over the vocabulary.
  double divergence = 0;
  bool sameTop = false;
  /// The part of the reference's five likeliest tokens that are among the
  /// model's five likeliest.
  double commonTop = 0;

  /// p(token) - r(token).
  double probabilityDifference() const;
};

/// Scores logits [vocabulary] at the position before `token`. `reference` is
/// as long, or empty. Nothing if a number among them is not finite.
std::optional<PositionScore> scorePosition(std::span<const float> logits,
                                           std::span<const float> reference,
                                           int32_t token);

/// A number with the standard error that the choice of the scored tokens gives
/// it, as if each had been drawn independently.
struct Estimate {
  double value = 0;
  double standardError = 0;
};

struct Comparison {
  Estimate referencePerplexity;
  /// Of the model's perplexity over the reference's; the error is that of the
  /// differences, token by token, hence much smaller than that of either.
  Estimate perplexityRatio;
  Estimate meanDivergence;
  double medianDivergence = 0;
  double divergence90 = 0, divergence99 = 0, divergence999 = 0;
  double maxDivergence = 0;
  Estimate sameTop, commonTop;
  Estimate meanProbabilityDifference, rmsProbabilityDifference;
};

struct Summary {
  size_t tokens = 0;
  Estimate perplexity;
  std::optional<Comparison> comparison;
};

/// Estimates over at least one position.
Summary summarize(std::span<const PositionScore> scores, bool hasReference);

/// exp of the mean loss, and its standard error to first order.
Estimate perplexity(std::span<const PositionScore> scores);

/// The value below which the part `q` of ascending numbers lies, interpolated
/// linearly between two of them.
double quantile(std::span<const double> sorted, double q);

} // namespace lq

#endif // LQ_TOOLS_LQ_EVAL_METRICS_H
