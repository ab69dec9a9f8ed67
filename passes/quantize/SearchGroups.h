//===- SearchGroups.h - eight groups of weights at a time -------*- C++ -*-===//
//
// The inner loops of the search, with a group in each lane of a vector: what is
// decided for a group is a lane of a mask, and no sum crosses lanes.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_QUANTIZE_SEARCHGROUPS_H
#define LQ_PASSES_QUANTIZE_SEARCHGROUPS_H

#include "passes/quantize/Levels.h"
#include "passes/quantize/WideVectors.h"

namespace lq::search {

/// Groups that are worked on at a time: as many as a super-group has, or half.
constexpr int64_t laneCount = 8;
/// A number of each group; one or two registers.
using Lanes = float __attribute__((vector_size(laneCount * sizeof(float))));
using Mask = int __attribute__((vector_size(laneCount * sizeof(int))));

LQ_INLINE Lanes splat(float value) {
  Lanes lanes;
  for (int64_t i = 0; i < laneCount; ++i)
    lanes[i] = value;
  return lanes;
}
LQ_INLINE Lanes select(Mask mask, Lanes a, Lanes b) { return mask ? a : b; }
LQ_INLINE Lanes min(Lanes a, Lanes b) { return select(a < b, a, b); }
LQ_INLINE Lanes max(Lanes a, Lanes b) { return select(a > b, a, b); }
/// The nearest integers; |x| < 2^22.
LQ_INLINE Lanes roundLanes(Lanes x) {
  Lanes magic = splat(0x1.8p23f);
  return (x + magic) - magic;
}
/// 1 / x, or 0 of 0 and of numbers so small that the inverse is no number.
LQ_INLINE Lanes invert(Lanes x) {
  Lanes inverse = splat(1.0f) / x, magnitude = max(inverse, -inverse);
  return select(magnitude <= splat(0x1p100f), inverse, splat(0.0f));
}

/// Levels that are consecutive integers.
struct IntegerLevels {
  Lanes lowest, highest;
  explicit IntegerLevels(const SortedLevels &levels)
      : lowest(splat(levels.lowest())), highest(splat(levels.highest())) {}
  LQ_INLINE Lanes nearest(Lanes x) const {
    return roundLanes(min(max(x, lowest), highest));
  }
  /// Of the nearest level in rising order.
  LQ_INLINE Mask indexOf(Lanes x) const {
    return __builtin_convertvector(nearest(x) - lowest, Mask);
  }
};

/// Levels of a table.
struct TableLevels {
  std::vector<Lanes> levels, bounds;
  explicit TableLevels(const SortedLevels &table) {
    for (float level : table.levels)
      levels.push_back(splat(level));
    for (float bound : table.bounds)
      bounds.push_back(splat(bound));
  }
  LQ_INLINE Lanes nearest(Lanes x) const {
    Lanes level = levels[0];
    for (size_t i = 0; i < bounds.size(); ++i)
      level = select(x > bounds[i], levels[i + 1], level);
    return level;
  }
  LQ_INLINE Mask indexOf(Lanes x) const {
    Mask index = {};
    for (const Lanes &bound : bounds)
      index -= x > bound; // a lane that holds is -1
    return index;
  }
};

/// Sums over the columns of a group: w L, w L^2 and w L x of the levels L that
/// the weights x, of importance w, were rounded to.
struct LevelSums {
  Lanes level = {}, square = {}, product = {};
};

/// Scale and offset of each group.
struct Fit {
  Lanes scale = {}, offset = {};
};

/// What a fit leaves: the sum of w (x - scale L - offset)^2, and of its levels.
struct Rounded {
  Lanes error = {};
  LevelSums sums;
};

/// The weights of up to eight groups, [columns][lanes], and their sums.
class GroupBatch {
public:
  /// `weights` and `importance` are columns of a group; a lane without a group
  /// has none.
  void clear(int64_t columns);
  void setLane(int lane, llvm::ArrayRef<float> weights,
               llvm::ArrayRef<float> importance, float unit);
  void finish();

  int64_t columns() const { return static_cast<int64_t>(x.size()); }
  const Lanes &weight(int64_t column) const { return x[column]; }

  Lanes least = {}, largest = {};
  /// Sums of w, w x and w x^2.
  Lanes count = {}, sum = {}, square = {};

  /// Rounds to the levels nearest to x * inverse + shift.
  template <typename Levels>
  LQ_INLINE LevelSums sumLevels(const Levels &levels, Lanes inverse,
                                Lanes shift) const {
    LevelSums sums;
    for (size_t i = 0; i < x.size(); ++i) {
      Lanes level = levels.nearest(x[i] * inverse + shift);
      Lanes weighted = w[i] * level;
      sums.level += weighted;
      sums.square += weighted * level;
      sums.product += weighted * x[i];
    }
    return sums;
  }

  template <typename Levels>
  LQ_INLINE Rounded round(const Levels &levels, const Fit &fit) const {
    Rounded result;
    Lanes inverse = invert(fit.scale), shift = -fit.offset * inverse;
    for (size_t i = 0; i < x.size(); ++i) {
      Lanes level = levels.nearest(x[i] * inverse + shift);
      Lanes weighted = w[i] * level;
      result.sums.level += weighted;
      result.sums.square += weighted * level;
      result.sums.product += weighted * x[i];
      Lanes rest = x[i] - (level * fit.scale + fit.offset);
      result.error += w[i] * rest * rest;
    }
    return result;
  }

  template <typename Levels>
  LQ_INLINE Lanes error(const Levels &levels, const Fit &fit) const {
    Lanes error = {};
    Lanes inverse = invert(fit.scale), shift = -fit.offset * inverse;
    for (size_t i = 0; i < x.size(); ++i) {
      Lanes level = levels.nearest(x[i] * inverse + shift);
      Lanes rest = x[i] - (level * fit.scale + fit.offset);
      error += w[i] * rest * rest;
    }
    return error;
  }

private:
  std::vector<Lanes> x, w;
};

} // namespace lq::search

#endif // LQ_PASSES_QUANTIZE_SEARCHGROUPS_H
