//===- Search.cpp - numbers and codes of least squared error --------------===//
//
// A group at a time, many scales are tried: the weights are rounded to levels
// by each, and scale and offset fitted to the levels by least squares. Then the
// factors of a super-group are chosen so that their multiples come near to what
// was found, the multiples are moved up and down with the codes rounded anew,
// and the factors fitted to what came out.
//
//===----------------------------------------------------------------------===//

#include "passes/quantize/Search.h"
#include "dialects/lq/Scalars.h"
#include "passes/quantize/FactorSearch.h"
#include "passes/quantize/GroupFitter.h"

#include <algorithm>
#include <cmath>

using namespace lq;
using namespace lq::search;

/// How often integers are moved and factors fitted again.
static constexpr int refinements = 2;

namespace {

/// Numbers as the format holds them, and the integers they are products of.
struct Held {
  Fit fit;
  Lanes scaleInteger = {}, offsetInteger = {};
};

/// Eight groups, and what the search has found for them so far.
struct Batch {
  GroupBatch groups;
  /// Powers of two by which the weights are divided, so that squares neither
  /// overflow nor vanish; of a super-group, one.
  Lanes unit = {};
  /// What fits the groups best, whatever the format can hold.
  Fit best;
  Held held;
  /// Of the levels by `best`, later by `held`.
  LevelSums sums;
  /// What `held` leaves.
  Lanes error = {};
};

/// Searches the numbers of one super-group, or of a few groups whose numbers do
/// not depend on each other.
template <typename Levels> class NumberSearch {
public:
  NumberSearch(const FormatDescription &format, const SortedLevels &sorted)
      : format(format), sorted(sorted), levels(sorted), fitter(format, sorted),
        scaleRange(format.scale), offsetRange(format.offset) {}

  /// Searches groups of `columns` columns each; the last may have fewer.
  void run(llvm::ArrayRef<float> weights, llvm::ArrayRef<float> importance,
           int64_t columns);

  int64_t groupCount() const { return groups; }
  /// What was found. A Product has one number, any other one for each group.
  float scaleNumber(int64_t g) const {
    return (scaleIsProduct() ? scaleFactor
                             : laneOf(g).held.fit.scale[g % laneCount]) *
           laneOf(g).unit[g % laneCount];
  }
  float offsetNumber(int64_t g) const {
    return (offsetIsProduct() ? offsetFactor
                              : laneOf(g).held.fit.offset[g % laneCount]) *
           laneOf(g).unit[g % laneCount];
  }
  int scaleInteger(int64_t g) const {
    return static_cast<int>(laneOf(g).held.scaleInteger[g % laneCount]);
  }
  int offsetInteger(int64_t g) const {
    return static_cast<int>(laneOf(g).held.offsetInteger[g % laneCount]);
  }
  /// The codes of `count` columns in groups of `size`.
  void writeCodes(uint8_t *codes, int64_t size, int64_t count) const;

private:
  const FormatDescription &format;
  const SortedLevels &sorted;
  Levels levels;
  GroupFitter<Levels> fitter;
  IntegerRange scaleRange, offsetRange;

  std::vector<Batch> batches;
  int64_t groups = 0;
  float scaleFactor = 0, offsetFactor = 0;

  bool hasOffset() const { return format.offset.exists(); }
  bool scaleIsProduct() const { return format.scale.hasIntegers(); }
  bool offsetIsProduct() const { return format.offset.hasIntegers(); }
  const Batch &laneOf(int64_t g) const { return batches[g / laneCount]; }

  void load(llvm::ArrayRef<float> weights, llvm::ArrayRef<float> importance,
            int64_t columns);

  float roundFactor(const GroupNumber &number, float value) const {
    float unit = batches[0].unit[0];
    return roundToScalar(number.type, value * unit) / unit;
  }
  Lanes offsetBeside(const Batch &batch, Lanes scale) const;
  void holdScales();
  void holdOffsets();
  void multiply(Held &held) const;
  double evaluate();
  bool moveIntegers(Batch &batch) const;
  bool refitNumbers(Batch &batch) const;
  bool refitFactors(double &total);
  void fitFactors();
};

} // namespace

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// A power of two near the largest magnitude.
static float unitOf(llvm::ArrayRef<float> weights) {
  float largest = 0;
  for (float weight : weights)
    largest = std::max(largest, std::fabs(weight));
  int exponent = largest > 0 ? std::ilogb(largest) : 0;
  return std::ldexp(1.0f, std::clamp(exponent, -120, 120));
}

template <typename Levels>
LQ_INLINE void NumberSearch<Levels>::load(llvm::ArrayRef<float> weights,
                                          llvm::ArrayRef<float> importance,
                                          int64_t columns) {
  auto size = static_cast<int64_t>(weights.size());
  groups = (size + columns - 1) / columns;
  batches.resize((groups + laneCount - 1) / laneCount);
  bool together = format.superGroup != 0;
  float common = together ? unitOf(weights) : 1;
  for (size_t b = 0; b < batches.size(); ++b) {
    Batch &batch = batches[b];
    batch.unit = splat(common);
    batch.groups.clear(columns);
    for (int i = 0; i < laneCount; ++i) {
      int64_t first = (static_cast<int64_t>(b) * laneCount + i) * columns;
      if (first >= size)
        continue;
      int64_t count = std::min(columns, size - first);
      llvm::ArrayRef<float> group = weights.slice(first, count);
      if (!together)
        batch.unit[i] = unitOf(group);
      batch.groups.setLane(i, group,
                           importance.empty() ? importance
                                              : importance.slice(first, count),
                           batch.unit[i]);
    }
    batch.groups.finish();
  }
  // Integers without a sign leave the factor's to all offsets.
  fitter.offsetSign = 0;
  if (offsetIsProduct() && format.offset.zero == 0)
    fitter.offsetSign =
        llvm::all_of(weights, [](float x) { return x > 0; }) ? 1 : -1;
}

//===----------------------------------------------------------------------===//
// What the format can hold
//===----------------------------------------------------------------------===//

LQ_INLINE static Lanes roundNumbers(const GroupNumber &number, Lanes values,
                                    Lanes unit) {
  Lanes rounded = {};
  for (int i = 0; i < laneCount; ++i)
    rounded[i] = roundToScalar(number.type, values[i] * unit[i]) / unit[i];
  return rounded;
}

/// The best offset for the codes beside this scale.
template <typename Levels>
LQ_INLINE Lanes NumberSearch<Levels>::offsetBeside(const Batch &batch,
                                                   Lanes scale) const {
  Lanes zero = {}, count = batch.groups.count;
  Lanes offset = (batch.groups.sum - scale * batch.sums.level) / count;
  Mask allowed = (count > zero) & (offset * splat(fitter.offsetSign) >= zero);
  return select(allowed, offset, zero);
}

template <typename Levels> LQ_INLINE void NumberSearch<Levels>::holdScales() {
  std::vector<Wanted> wanted;
  for (Batch &batch : batches) {
    // What an error of the scale costs once the offset has followed.
    Lanes weight = batch.sums.square;
    if (hasOffset())
      weight -= select(batch.groups.count > Lanes{},
                       batch.sums.level * batch.sums.level / batch.groups.count,
                       Lanes{});
    for (int i = 0; i < laneCount; ++i)
      wanted.push_back({batch.best.scale[i], std::max(weight[i], 0.0f)});
    if (!scaleIsProduct())
      batch.held.fit.scale =
          roundNumbers(format.scale, batch.best.scale, batch.unit);
  }
  if (!scaleIsProduct())
    return;
  scaleFactor = chooseFactor(wanted, scaleRange, [&](float factor) {
    return roundFactor(format.scale, factor);
  });
  float inverse = scaleFactor == 0 ? 0 : 1 / scaleFactor;
  for (size_t g = 0; g < wanted.size(); ++g)
    batches[g / laneCount].held.scaleInteger[g % laneCount] =
        scaleRange.nearest(wanted[g].value, inverse);
  for (Batch &batch : batches)
    batch.held.fit.scale = splat(scaleFactor) * batch.held.scaleInteger;
}

template <typename Levels> LQ_INLINE void NumberSearch<Levels>::holdOffsets() {
  std::vector<Wanted> wanted;
  for (Batch &batch : batches) {
    Lanes offset = offsetBeside(batch, batch.held.fit.scale);
    for (int i = 0; i < laneCount; ++i)
      wanted.push_back({offset[i], batch.groups.count[i]});
    if (!offsetIsProduct())
      batch.held.fit.offset = roundNumbers(format.offset, offset, batch.unit);
  }
  if (!offsetIsProduct())
    return;
  offsetFactor = chooseFactor(wanted, offsetRange, [&](float factor) {
    return roundFactor(format.offset, factor);
  });
  float inverse = offsetFactor == 0 ? 0 : 1 / offsetFactor;
  for (size_t g = 0; g < wanted.size(); ++g)
    batches[g / laneCount].held.offsetInteger[g % laneCount] =
        offsetRange.nearest(wanted[g].value, inverse);
}

/// Makes the numbers that are products from their integers.
template <typename Levels>
LQ_INLINE void NumberSearch<Levels>::multiply(Held &held) const {
  if (scaleIsProduct())
    held.fit.scale = splat(scaleFactor) * held.scaleInteger;
  if (offsetIsProduct())
    held.fit.offset = splat(offsetFactor) * held.offsetInteger;
}

/// Rounds all groups by what is held; returns the error.
template <typename Levels> LQ_INLINE double NumberSearch<Levels>::evaluate() {
  double total = 0;
  for (Batch &batch : batches) {
    multiply(batch.held);
    Rounded rounded = batch.groups.round(levels, batch.held.fit);
    batch.error = rounded.error;
    batch.sums = rounded.sums;
    for (int i = 0; i < laneCount; ++i)
      total += batch.error[i];
  }
  return total;
}

LQ_INLINE static bool anyLane(Mask mask) {
  int any = 0;
  for (int i = 0; i < laneCount; ++i)
    any |= mask[i];
  return any != 0;
}

/// Tries the integers beside each group's; returns whether any were better.
template <typename Levels>
LQ_INLINE bool NumberSearch<Levels>::moveIntegers(Batch &batch) const {
  Held start = batch.held;
  Mask moved = {};
  auto step = [](Lanes integer, int by, const IntegerRange &range) {
    Lanes next = integer + splat(static_cast<float>(by));
    return min(max(next, splat(range.lowest)), splat(range.highest));
  };
  for (int by = 0; by < 9; ++by) {
    int scaleStep = by / 3 - 1, offsetStep = by % 3 - 1;
    if ((scaleStep == 0 && offsetStep == 0) ||
        (scaleStep != 0 && !scaleIsProduct()) ||
        (offsetStep != 0 && !offsetIsProduct()))
      continue;
    Held next = start;
    next.scaleInteger = step(start.scaleInteger, scaleStep, scaleRange);
    next.offsetInteger = step(start.offsetInteger, offsetStep, offsetRange);
    multiply(next);
    Lanes error = batch.groups.error(levels, next.fit);
    Mask better = error < batch.error;
    moved |= better;
    batch.error = select(better, error, batch.error);
    Held &held = batch.held;
    held.scaleInteger = select(better, next.scaleInteger, held.scaleInteger);
    held.offsetInteger = select(better, next.offsetInteger, held.offsetInteger);
  }
  multiply(batch.held);
  return anyLane(moved);
}

/// Fits numbers that are no products to the codes, and keeps them where the
/// codes rounded anew are better.
template <typename Levels>
LQ_INLINE bool NumberSearch<Levels>::refitNumbers(Batch &batch) const {
  Held next = batch.held;
  Lanes ignored;
  Fit fit = fitter.fitLevels(batch.groups, batch.sums, ignored);
  if (!scaleIsProduct())
    next.fit.scale = roundNumbers(format.scale, fit.scale, batch.unit);
  if (hasOffset() && !offsetIsProduct())
    next.fit.offset = roundNumbers(
        format.offset, offsetBeside(batch, next.fit.scale), batch.unit);
  Rounded rounded = batch.groups.round(levels, next.fit);
  Mask better = rounded.error < batch.error;
  batch.error = select(better, rounded.error, batch.error);
  Fit &held = batch.held.fit;
  held.scale = select(better, next.fit.scale, held.scale);
  held.offset = select(better, next.fit.offset, held.offset);
  return anyLane(better);
}

/// Fits the factors to integers and codes by least squares.
template <typename Levels> LQ_INLINE void NumberSearch<Levels>::fitFactors() {
  // The normal equations of scale factor (s) and offset factor (o).
  double ss = 0, so = 0, oo = 0, sx = 0, ox = 0;
  for (const Batch &batch : batches)
    for (int i = 0; i < laneCount; ++i) {
      double level = batch.sums.level[i], product = batch.sums.product[i];
      double sum = batch.groups.sum[i];
      double scale = batch.held.scaleInteger[i];
      double offset = batch.held.offsetInteger[i];
      if (!offsetIsProduct())
        product -= batch.held.fit.offset[i] * level;
      if (!scaleIsProduct())
        sum -= batch.held.fit.scale[i] * level;
      ss += scale * scale * batch.sums.square[i];
      so += scale * offset * level;
      oo += offset * offset * batch.groups.count[i];
      sx += scale * product;
      ox += offset * sum;
    }
  double scale = ss > 0 ? sx / ss : scaleFactor;
  double offset = oo > 0 ? ox / oo : offsetFactor;
  double determinant = ss * oo - so * so;
  if (scaleIsProduct() && offsetIsProduct() && determinant > 1e-9 * ss * oo) {
    scale = (sx * oo - ox * so) / determinant;
    offset = (ox * ss - sx * so) / determinant;
  }
  if (scaleIsProduct())
    scaleFactor = roundFactor(format.scale, static_cast<float>(scale));
  if (offsetIsProduct())
    offsetFactor = roundFactor(format.offset, static_cast<float>(offset));
}

/// Keeps fitted factors if the codes rounded anew are better.
template <typename Levels>
LQ_INLINE bool NumberSearch<Levels>::refitFactors(double &total) {
  float oldScale = scaleFactor, oldOffset = offsetFactor;
  fitFactors();
  if (scaleFactor == oldScale && offsetFactor == oldOffset)
    return false;
  double error = evaluate();
  if (error < total) {
    total = error;
    return true;
  }
  scaleFactor = oldScale;
  offsetFactor = oldOffset;
  total = evaluate();
  return false;
}

template <typename Levels>
LQ_INLINE void NumberSearch<Levels>::run(llvm::ArrayRef<float> weights,
                                         llvm::ArrayRef<float> importance,
                                         int64_t columns) {
  load(weights, importance, columns);
  for (Batch &batch : batches) {
    BestFit best = fitter.fit(batch.groups);
    batch.best = best.fit;
    batch.sums = best.sums;
  }
  holdScales();
  if (hasOffset())
    holdOffsets();
  double total = evaluate();
  bool products = scaleIsProduct() || offsetIsProduct();
  bool direct = !scaleIsProduct() || (hasOffset() && !offsetIsProduct());
  for (int i = 0; i < refinements; ++i) {
    bool changed = false;
    for (Batch &batch : batches) {
      if (direct)
        changed |= refitNumbers(batch);
      if (products)
        changed |= moveIntegers(batch);
    }
    if (changed)
      total = evaluate();
    if (products)
      changed |= refitFactors(total);
    if (!changed)
      break;
  }
}

template <typename Levels>
LQ_INLINE void NumberSearch<Levels>::writeCodes(uint8_t *codes, int64_t size,
                                                int64_t count) const {
  for (size_t b = 0; b < batches.size(); ++b) {
    const Batch &batch = batches[b];
    Lanes inverse = invert(batch.held.fit.scale);
    Lanes shift = -batch.held.fit.offset * inverse;
    int64_t first = static_cast<int64_t>(b) * laneCount * size;
    for (int64_t k = 0; k < size; ++k) {
      Mask index = levels.indexOf(batch.groups.weight(k) * inverse + shift);
      for (int64_t i = 0; i < laneCount; ++i)
        if (int64_t at = first + i * size + k; at < count)
          codes[at] = sorted.codes[index[i]];
    }
  }
}

//===----------------------------------------------------------------------===//
// Matrices
//===----------------------------------------------------------------------===//

/// Importance with a mean of one; a group that needs nothing is fitted all the
/// same, at next to no cost for its neighbours.
static std::vector<float> normalise(const FormatDescription &format,
                                    llvm::ArrayRef<float> importance) {
  double sum = 0;
  for (float each : importance)
    sum += each;
  if (!(sum > 0))
    return {};
  auto columns = static_cast<int64_t>(importance.size());
  auto inverse = static_cast<float>(static_cast<double>(columns) / sum);
  std::vector<float> result(importance.size());
  int64_t size = format.groupColumns(columns);
  for (int64_t first = 0; first < columns; first += size) {
    llvm::ArrayRef<float> group =
        importance.slice(first, std::min(size, columns - first));
    bool needed = llvm::any_of(group, [](float each) { return each > 0; });
    for (size_t i = 0; i < group.size(); ++i)
      result[first + i] = needed ? group[i] * inverse : 1e-6f;
  }
  return result;
}

/// Copies what was found for groups [group, ...) of super-group `super`.
template <typename Levels>
static void storeNumbers(const FormatDescription &format,
                         const NumberSearch<Levels> &search, int64_t super,
                         int64_t group, Planes &planes) {
  bool scaleIsProduct = format.scale.hasIntegers();
  bool offsetIsProduct = format.offset.hasIntegers();
  if (scaleIsProduct)
    planes.scale.numbers[super] = search.scaleNumber(0);
  if (offsetIsProduct)
    planes.offset.numbers[super] = search.offsetNumber(0);
  for (int64_t g = 0; g < search.groupCount(); ++g) {
    if (scaleIsProduct)
      planes.scale.integers[group + g] =
          static_cast<uint8_t>(search.scaleInteger(g) + format.scale.zero);
    else
      planes.scale.numbers[group + g] = search.scaleNumber(g);
    if (offsetIsProduct)
      planes.offset.integers[group + g] =
          static_cast<uint8_t>(search.offsetInteger(g) + format.offset.zero);
    else if (format.offset.exists())
      planes.offset.numbers[group + g] = search.offsetNumber(g);
  }
}

template <typename Levels>
LQ_INLINE static void
searchRows(const FormatDescription &format, llvm::ArrayRef<float> weights,
           llvm::ArrayRef<float> importance, Planes &planes) {
  SortedLevels sorted(format);
  NumberSearch<Levels> search(format, sorted);
  int64_t size = format.groupColumns(planes.columns);
  int64_t groups = format.groupCount(planes.columns);
  int64_t supers = format.superGroupCount(planes.columns);
  int64_t part = format.superGroup ? format.superGroup : laneCount * size;
  for (int64_t row = 0; row < planes.rows; ++row)
    for (int64_t first = 0; first < planes.columns; first += part) {
      int64_t count = std::min(part, planes.columns - first);
      int64_t at = row * planes.columns + first;
      search.run(weights.slice(at, count),
                 importance.empty() ? importance
                                    : importance.slice(first, count),
                 size);
      storeNumbers(format, search, row * supers + first / part,
                   row * groups + first / size, planes);
      search.writeCodes(&planes.codes[at], size, count);
    }
}

// A function of which there are clones for processors must have a symbol.
namespace lq::search {
// NOLINTNEXTLINE(misc-use-internal-linkage)
LQ_WIDE_VECTORS void searchIntegers(const FormatDescription &format,
                                    llvm::ArrayRef<float> weights,
                                    llvm::ArrayRef<float> importance,
                                    Planes &planes) {
  searchRows<IntegerLevels>(format, weights, importance, planes);
}

// NOLINTNEXTLINE(misc-use-internal-linkage)
LQ_WIDE_VECTORS void searchTable(const FormatDescription &format,
                                 llvm::ArrayRef<float> weights,
                                 llvm::ArrayRef<float> importance,
                                 Planes &planes) {
  searchRows<TableLevels>(format, weights, importance, planes);
}
} // namespace lq::search

void lq::searchNumbers(const FormatDescription &format,
                       llvm::ArrayRef<float> weights,
                       llvm::ArrayRef<float> importance, Planes &planes) {
  assert(format.offset.kind != GroupNumber::Kind::ZeroPoint &&
         "zero points are not searched");
  std::vector<float> normal;
  if (!importance.empty())
    normal = normalise(format, importance);
  if (format.level == LevelKind::Table)
    searchTable(format, weights, normal, planes);
  else
    searchIntegers(format, weights, normal, planes);
}
