//===- FactorSearch.cpp - a factor that numbers are multiples of ----------===//

#include "passes/quantize/FactorSearch.h"

#include <algorithm>
#include <cmath>

using namespace lq;
using namespace lq::search;

LQ_INLINE static float inverseOf(float factor) {
  float inverse = 1 / factor;
  return std::isfinite(inverse) ? inverse : 0;
}

namespace {

/// Factors that are tried for one end of the integers: the exact one, some a
/// little smaller or larger, and each of these fitted to its multiples. All
/// loops over them are innermost, so that they become vectors.
class Tries {
public:
  static constexpr int steps = 17, count = 1 + 2 * steps;

  LQ_INLINE Tries(llvm::ArrayRef<Wanted> wanted, const IntegerRange &range,
                  float largest, float end,
                  llvm::function_ref<float(float)> round) {
    factors[0] = largest / end;
    for (int i = 0; i < steps; ++i) {
      float stretch = 1 + 0.025f * static_cast<float>(i - steps / 2);
      factors[1 + i] = largest / (end * stretch);
    }
    refit(wanted, range);
    for (float &factor : factors)
      factor = round(factor);
    sumErrors(wanted, range);
  }

  float factors[count];
  double errors[count] = {};

private:
  /// The factors of least squared error for the multiples nearest by others.
  LQ_INLINE void refit(llvm::ArrayRef<Wanted> wanted,
                       const IntegerRange &range) {
    const float *given = factors + 1;
    float *fitted = factors + 1 + steps, inverses[steps];
    double products[steps] = {}, squares[steps] = {};
    for (int i = 0; i < steps; ++i)
      inverses[i] = inverseOf(given[i]);
    for (const Wanted &each : wanted)
      for (int i = 0; i < steps; ++i) {
        double integer = range.nearest(each.value, inverses[i]);
        products[i] += each.weight * integer * each.value;
        squares[i] += each.weight * integer * integer;
      }
    for (int i = 0; i < steps; ++i)
      fitted[i] = squares[i] > 0 ? static_cast<float>(products[i] / squares[i])
                                 : given[i];
  }

  LQ_INLINE void sumErrors(llvm::ArrayRef<Wanted> wanted,
                           const IntegerRange &range) {
    float inverses[count];
    for (int i = 0; i < count; ++i)
      inverses[i] = inverseOf(factors[i]);
    for (const Wanted &each : wanted)
      for (int i = 0; i < count; ++i) {
        double rest =
            each.value - factors[i] * range.nearest(each.value, inverses[i]);
        errors[i] += each.weight * rest * rest;
      }
  }
};

} // namespace

/// Puts the largest number at either end of the integers, a little inside and a
/// little outside.
LQ_WIDE_VECTORS float
search::chooseFactor(llvm::ArrayRef<Wanted> wanted, const IntegerRange &range,
                     llvm::function_ref<float(float)> round) {
  float largest = 0;
  for (const Wanted &each : wanted)
    if (std::fabs(each.value) > std::fabs(largest))
      largest = each.value;
  float best = 0;
  double least = 0;
  bool tried = false;
  auto consider = [&](float factor, double error) {
    if (tried && !(error < least))
      return;
    tried = true;
    least = error;
    best = factor;
  };
  for (float end : {range.highest, range.lowest}) {
    if (end == 0)
      continue;
    Tries tries(wanted, range, largest, end, round);
    consider(tries.factors[0], tries.errors[0]);
    for (int i = 1; i <= Tries::steps; ++i)
      for (int at : {i, i + Tries::steps})
        consider(tries.factors[at], tries.errors[at]);
  }
  return best;
}
