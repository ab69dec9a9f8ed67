//===- FactorSearch.cpp - a factor that numbers are multiples of ----------===//

#include "passes/quantize/FactorSearch.h"

#include <algorithm>
#include <cmath>

using namespace lq;
using namespace lq::search;

float IntegerRange::nearest(float value, float inverse) const {
  // Adding 1.5 * 2^23 rounds to nearest without a call.
  float integer = std::clamp(value * inverse, lowest, highest);
  return (integer + 0x1.8p23f) - 0x1.8p23f;
}

static float inverseOf(float factor) {
  float inverse = 1 / factor;
  return std::isfinite(inverse) ? inverse : 0;
}

namespace {

/// The best factor so far.
class FactorSearch {
public:
  FactorSearch(llvm::ArrayRef<Wanted> wanted, const IntegerRange &range,
               llvm::function_ref<float(float)> round)
      : wanted(wanted), range(range), round(round) {}

  float best = 0;

  void attempt(float factor) {
    factor = round(factor);
    double error = errorOf(factor);
    if (tried && !(error < least))
      return;
    tried = true;
    least = error;
    best = factor;
  }

  /// The factor of least squared error for the multiples nearest by `factor`.
  float refit(float factor) const {
    double product = 0, square = 0;
    float inverse = inverseOf(factor);
    for (const Wanted &each : wanted) {
      double integer = range.nearest(each.value, inverse);
      product += each.weight * integer * each.value;
      square += each.weight * integer * integer;
    }
    return square > 0 ? static_cast<float>(product / square) : factor;
  }

private:
  double errorOf(float factor) const {
    double error = 0;
    float inverse = inverseOf(factor);
    for (const Wanted &each : wanted) {
      double rest = each.value - factor * range.nearest(each.value, inverse);
      error += each.weight * rest * rest;
    }
    return error;
  }

  llvm::ArrayRef<Wanted> wanted;
  const IntegerRange &range;
  llvm::function_ref<float(float)> round;
  double least = 0;
  bool tried = false;
};

} // namespace

/// Puts the largest number at either end of the integers, a little inside and a
/// little outside.
float search::chooseFactor(llvm::ArrayRef<Wanted> wanted,
                           const IntegerRange &range,
                           llvm::function_ref<float(float)> round) {
  float largest = 0;
  for (const Wanted &each : wanted)
    if (std::fabs(each.value) > std::fabs(largest))
      largest = each.value;
  FactorSearch search(wanted, range, round);
  for (float end : {range.highest, range.lowest}) {
    if (end == 0)
      continue;
    search.attempt(largest / end);
    for (int step = -8; step <= 8; ++step) {
      float factor = largest / (end * (1 + 0.025f * static_cast<float>(step)));
      search.attempt(factor);
      search.attempt(search.refit(factor));
    }
  }
  return search.best;
}
