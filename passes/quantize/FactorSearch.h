//===- FactorSearch.h - a factor that numbers are multiples of --*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_FACTORSEARCH_H
#define LQ_PASSES_QUANTIZE_FACTORSEARCH_H

#include "dialects/lq/Format.h"
#include "passes/quantize/WideVectors.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace lq::search {

/// The integers of a Product, zero subtracted.
struct IntegerRange {
  float lowest = 0, highest = 0;

  IntegerRange() = default;
  explicit IntegerRange(const GroupNumber &number)
      : lowest(static_cast<float>(-number.zero)),
        highest(static_cast<float>((1 << number.bits) - 1 - number.zero)) {}

  /// The integer nearest to value * inverse.
  LQ_INLINE float nearest(float value, float inverse) const {
    float integer = value * inverse;
    integer = integer < lowest ? lowest : integer > highest ? highest : integer;
    // Adding 1.5 * 2^23 rounds to nearest without a call.
    return (integer + 0x1.8p23f) - 0x1.8p23f;
  }
};

/// A number that shall be near a multiple, and what the square of its error
/// costs.
struct Wanted {
  float value, weight;
};

/// The factor whose multiples come nearest to the numbers, among those that
/// `round` returns.
float chooseFactor(llvm::ArrayRef<Wanted> wanted, const IntegerRange &range,
                   llvm::function_ref<float(float)> round);

} // namespace lq::search

#endif // LQ_PASSES_QUANTIZE_FACTORSEARCH_H
