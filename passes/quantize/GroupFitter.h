//===- GroupFitter.h - the best numbers of a group by itself ----*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_GROUPFITTER_H
#define LQ_PASSES_QUANTIZE_GROUPFITTER_H

#include "passes/quantize/SearchGroups.h"

#include <algorithm>
#include <cmath>

namespace lq::search {

/// The best fit so far, the sums of its levels, and what it takes off the
/// squares of the weights.
struct BestFit {
  Fit fit;
  LevelSums sums;
  Lanes gain = splat(-1.0f);
};

/// Finds the scale and offset that fit groups best, whatever the format's
/// numbers can hold but for their signs.
template <typename Levels> class GroupFitter {
public:
  GroupFitter(const FormatDescription &format, const SortedLevels &sorted)
      : sorted(sorted), levels(sorted), hasOffset(format.offset.exists()),
        scalesArePositive(format.scale.hasIntegers() &&
                          format.scale.zero == 0) {}

  /// The sign that offsets must have; 0: any.
  float offsetSign = 0;

  BestFit fit(const GroupBatch &group) const;

  /// The scale and offset of least squared error for levels with these sums,
  /// and their gain.
  Fit fitLevels(const GroupBatch &group, const LevelSums &sums,
                Lanes &gain) const;

private:
  const SortedLevels &sorted;
  Levels levels;
  bool hasOffset;
  /// Integers without a sign cannot turn that of the factor.
  bool scalesArePositive;

  void tryLevels(const GroupBatch &group, Lanes inverse, Lanes shift,
                 BestFit &best) const;
  void fitFromEnds(const GroupBatch &group, BestFit &best) const;
  void fitFromLargest(const GroupBatch &group, BestFit &best) const;
};

template <typename Levels>
LQ_INLINE Fit GroupFitter<Levels>::fitLevels(const GroupBatch &group,
                                             const LevelSums &sums,
                                             Lanes &gain) const {
  Lanes zero = {};
  Fit fit;
  fit.scale = select(sums.square > zero, sums.product / sums.square, zero);
  gain = fit.scale * sums.product;
  if (hasOffset) {
    Lanes determinant = group.count * sums.square - sums.level * sums.level;
    Mask solvable = determinant > splat(1e-6f) * group.count * sums.square;
    Lanes scale = group.count * sums.product - sums.level * group.sum;
    scale = select(solvable, scale / determinant, zero);
    Lanes offset = select(group.count > zero,
                          (group.sum - scale * sums.level) / group.count, zero);
    Lanes both = scale * sums.product + offset * group.sum;
    Mask better = (offset * splat(offsetSign) >= zero) & (both > gain);
    fit.scale = select(better, scale, fit.scale);
    fit.offset = select(better, offset, zero);
    gain = select(better, both, gain);
  }
  if (scalesArePositive) {
    Mask wrong = fit.scale < zero;
    fit.scale = select(wrong, zero, fit.scale);
    fit.offset = select(wrong, zero, fit.offset);
    gain = select(wrong, zero, gain);
  }
  return fit;
}

/// Rounds by x * inverse + shift, and keeps what fits better.
template <typename Levels>
LQ_INLINE void GroupFitter<Levels>::tryLevels(const GroupBatch &group,
                                              Lanes inverse, Lanes shift,
                                              BestFit &best) const {
  LevelSums sums = group.sumLevels(levels, inverse, shift);
  Lanes gain;
  Fit fit = fitLevels(group, sums, gain);
  Mask better = gain > best.gain;
  best.gain = select(better, gain, best.gain);
  best.fit.scale = select(better, fit.scale, best.fit.scale);
  best.fit.offset = select(better, fit.offset, best.fit.offset);
  best.sums.level = select(better, sums.level, best.sums.level);
  best.sums.square = select(better, sums.square, best.sums.square);
  best.sums.product = select(better, sums.product, best.sums.product);
}

/// With an offset: the ends of the weights at the ends of the levels, and a
/// little inside or outside of them.
template <typename Levels>
LQ_INLINE void GroupFitter<Levels>::fitFromEnds(const GroupBatch &group,
                                                BestFit &best) const {
  Lanes least = group.least;
  if (offsetSign < 0)
    least = min(least, Lanes{});
  float span = sorted.highest() - sorted.lowest();
  Lanes range = invert(group.largest - least);
  for (int step = -10; step <= 12; ++step) {
    float stretch = 0.1f * static_cast<float>(step);
    Lanes inverse = splat(span + stretch) * range;
    Lanes shift = splat(sorted.lowest()) - least * inverse;
    tryLevels(group, inverse, shift, best);
    if (step > 0)
      tryLevels(group, inverse, shift - splat(stretch / 2), best);
  }
}

/// Without: the largest magnitude at or near the lowest or the highest level.
template <typename Levels>
LQ_INLINE void GroupFitter<Levels>::fitFromLargest(const GroupBatch &group,
                                                   BestFit &best) const {
  Lanes extreme =
      invert(select(-group.least > group.largest, group.least, group.largest));
  for (float end : {sorted.lowest(), sorted.highest()}) {
    if (end == 0)
      continue;
    // Up to nearly a level, or a tenth of the range.
    float width = std::max(0.15f, std::fabs(end) * 0.015f);
    for (int step = -6; step <= 6; ++step) {
      Lanes inverse = splat(end + static_cast<float>(step) * width) * extreme;
      if (scalesArePositive)
        inverse = max(inverse, -inverse);
      tryLevels(group, inverse, Lanes{}, best);
    }
  }
}

template <typename Levels>
LQ_INLINE BestFit GroupFitter<Levels>::fit(const GroupBatch &group) const {
  BestFit best;
  if (hasOffset)
    fitFromEnds(group, best);
  else
    fitFromLargest(group, best);
  // Rounding by the fit, and fitting to that, can only lower the error.
  for (int i = 0; i < 2; ++i) {
    Lanes inverse = invert(best.fit.scale);
    tryLevels(group, inverse, -best.fit.offset * inverse, best);
  }
  return best;
}

} // namespace lq::search

#endif // LQ_PASSES_QUANTIZE_GROUPFITTER_H
