//===- Sampler.cpp - the choice of the next token -------------------------===//

#include "runtime/Sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

using namespace lq;

static constexpr float minusInfinity = -std::numeric_limits<float>::infinity();

/// exp(x) for x <= 0 to a relative error of about 1e-7, in plain arithmetic, so
/// that the compiler vectorises it and every machine draws the same token.
static float expNonPositive(float x) {
  // x = n ln 2 + r, |r| <= ln 2 / 2; e^r by its Taylor polynomial.
  x = std::max(x, -87.0f);
  float shifted = x * 1.44269504f + 12582912.0f; // 1.5 * 2^23 rounds to integer
  float n = shifted - 12582912.0f;
  float r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  auto exponent = static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23;
  return p * std::bit_cast<float>(exponent);
}

Expected<Sampler> Sampler::create(const SamplingOptions &options) {
  auto invalid = [](const char *what, auto value) {
    return makeError(ErrorCode::InvalidArgument, "expected ", what, ", got ",
                     value);
  };
  if (!(options.temperature >= 0) || std::isinf(options.temperature))
    return invalid("a temperature of 0 or more", options.temperature);
  if (options.topK < 0)
    return invalid("top-k to be 0 or more", options.topK);
  if (!(options.topP > 0 && options.topP <= 1))
    return invalid("top-p to be more than 0 and at most 1", options.topP);
  if (!(options.minP >= 0 && options.minP <= 1))
    return invalid("min-p to be from 0 to 1", options.minP);
  return Sampler(options);
}

/// The first of the largest finite logits, or -1.
static int64_t argMax(std::span<const float> logits) {
  // The largest value first, without indices, since that vectorises.
  float max = minusInfinity;
  for (float logit : logits)
    max = logit > max ? logit : max;
  if (!std::isfinite(max))
    return -1;
  auto found = std::ranges::find(logits, max);
  return found - logits.begin();
}

/// Whether a comes before b: more likely, or as likely with a lower id.
static constexpr auto before = [](const auto &a, const auto &b) {
  return a.value > b.value || (a.value == b.value && a.token < b.token);
};

void Sampler::gather(std::span<const float> logits, float max) {
  // Without top-p nothing depends on what min-p drops, so most tokens need not
  // be weighed at all. The slack leaves the exact decision to the weights.
  float threshold = minusInfinity;
  if (options.minP > 0 && options.topP == 1)
    threshold = max + options.temperature * (std::log(options.minP) - 0.01f);
  candidates.clear();
  candidates.reserve(logits.size());
  for (size_t i = 0; i < logits.size(); ++i)
    if (logits[i] > minusInfinity && logits[i] >= threshold)
      candidates.push_back({logits[i], static_cast<int32_t>(i)});
}

/// A heap of the k best with the worst of them on top: of a large vocabulary,
/// few logits get past the one comparison.
void Sampler::gatherTopK(std::span<const float> logits) {
  auto k = static_cast<size_t>(options.topK);
  candidates.clear();
  candidates.reserve(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    bool full = candidates.size() == k;
    if (!(logits[i] > (full ? candidates.front().value : minusInfinity)))
      continue;
    if (full) {
      std::ranges::pop_heap(candidates, before);
      candidates.pop_back();
    }
    candidates.push_back({logits[i], static_cast<int32_t>(i)});
    std::ranges::push_heap(candidates, before);
  }
  std::ranges::sort(candidates, before);
}

double Sampler::weigh(float max) {
  float scale = 1 / options.temperature;
  for (Candidate &candidate : candidates)
    candidate.value = expNonPositive((candidate.value - max) * scale);
  double total = 0;
  for (const Candidate &candidate : candidates)
    total += candidate.value;
  return total;
}

void Sampler::keepTopP(double total) {
  // All tokens below the cut together weigh less than 1 - p, so the others
  // weigh more than p: only those need to be put in order.
  auto cut = static_cast<float>((1.0 - options.topP) * total /
                                static_cast<double>(candidates.size()));
  std::erase_if(candidates, [&](const Candidate &c) { return c.value < cut; });
  std::ranges::sort(candidates, before);
  double sum = 0;
  size_t kept = 0;
  while (kept < candidates.size() && sum < options.topP * total)
    sum += candidates[kept++].value;
  candidates.resize(kept);
}

int32_t Sampler::draw() {
  double total = 0;
  for (const Candidate &candidate : candidates)
    total += candidate.value;
  // 53 random bits; the standard's distributions differ between libraries.
  double rest = static_cast<double>(random() >> 11) * 0x1p-53 * total;
  for (const Candidate &candidate : candidates) {
    rest -= candidate.value;
    if (rest < 0)
      return candidate.token;
  }
  return candidates.back().token;
}

Expected<int32_t> Sampler::sample(std::span<const float> logits) {
  int64_t best = argMax(logits);
  if (best < 0)
    return makeError(ErrorCode::InvalidArgument,
                     "cannot choose a token: the logits are not finite");
  // Division by a denormal temperature would overflow; it is greedy all the
  // same.
  if (options.temperature < 1e-6f)
    return static_cast<int32_t>(best);
  float max = logits[static_cast<size_t>(best)];
  if (options.topK > 0 && static_cast<size_t>(options.topK) < logits.size())
    gatherTopK(logits);
  else
    gather(logits, max);
  double total = weigh(max);
  if (options.topP < 1)
    keepTopP(total);
  if (options.minP > 0)
    std::erase_if(candidates, [&](const Candidate &candidate) {
      return candidate.value < options.minP;
    });
  return draw();
}
