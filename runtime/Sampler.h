//===- Sampler.h - the choice of the next token -----------------*- C++ -*-===//

#ifndef LQ_RUNTIME_SAMPLER_H
#define LQ_RUNTIME_SAMPLER_H

#include "runtime/Error.h"

#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace lq {

/// How to choose. The restrictions apply in this order, each to what the one
/// before has left: temperature, top_k, top_p, min_p.
struct SamplingOptions {
  /// Divides the logits; 0 takes the most likely token (greedy).
  float temperature = 0;
  /// Keep the k most likely tokens; 0 keeps all.
  int64_t topK = 0;
  /// Keep the fewest tokens whose probabilities sum to at least this; 1: all.
  float topP = 1;
  /// Keep tokens at least this times as likely as the most likely; 0: all.
  float minP = 0;
  /// The same seed, options and logits give the same tokens on every machine.
  uint64_t seed = 0;
};

/// Draws tokens. Allocates on creation and on the first call only.
class Sampler {
public:
  /// Fails with InvalidArgument if an option is out of range.
  static Expected<Sampler> create(const SamplingOptions &options);

  /// The next token for logits [vocabulary]; NaN counts as minus infinity, and
  /// of equals the lower id wins. Fails if no logit is finite.
  Expected<int32_t> sample(std::span<const float> logits);

private:
  struct Candidate {
    float value; ///< the logit, later its weight exp((logit - max) / T)
    int32_t token;
  };

  explicit Sampler(const SamplingOptions &options)
      : options(options), random(options.seed) {}

  void gather(std::span<const float> logits, float max);
  void gatherTopK(std::span<const float> logits);
  double weigh(float max);
  void keepTopP(double total);
  int32_t draw();

  SamplingOptions options;
  std::mt19937_64 random;
  std::vector<Candidate> candidates;
};

} // namespace lq

#endif // LQ_RUNTIME_SAMPLER_H
