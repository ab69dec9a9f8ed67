//===- GridSearch.cpp - scales of ranges that are cut ---------------------===//

#include "passes/quantize/GridSearch.h"
#include "passes/quantize/LevelRounder.h"
#include "passes/quantize/RoundToNearest.h"

#include <algorithm>
#include <cmath>

using namespace lq;

namespace {
/// What the weights of a group take.
struct Range {
  float least, largest;

  explicit Range(llvm::ArrayRef<float> weights)
      : least(*llvm::min_element(weights)),
        largest(*llvm::max_element(weights)) {}
  Range(float least, float largest) : least(least), largest(largest) {}

  /// A part of the range: around zero without an offset, around its middle with a
  /// number for one; with a zero point its ends go towards zero.
  Range cut(const GroupNumber &offset, float part) const {
    if (!offset.exists()) {
      float end = part * std::max(std::fabs(least), std::fabs(largest));
      return {-end, end};
    }
    if (offset.hasNumbers()) {
      float middle = least / 2 + largest / 2, half = largest / 2 - least / 2;
      return {middle - part * half, middle + part * half};
    }
    return {part * std::min(least, 0.0f), part * std::max(largest, 0.0f)};
  }
};

/// Searches rows for the best part of each group's range.
class GridSearcher {
public:
  GridSearcher(const FormatDescription &format, llvm::ArrayRef<float> weights,
               llvm::ArrayRef<float> importance, const RangeGrid &grid,
               Planes &best)
      : format(format), weights(weights), importance(importance), grid(grid),
        best(best), groups(format.groupCount(best.columns)),
        errors(best.rows * groups, HUGE_VAL) {
    for (const FormatRun &run : format.splitColumns(best.columns))
      rounders.emplace_back(run.format);
  }

  void run();

private:
  const FormatDescription &format;
  llvm::ArrayRef<float> weights, importance;
  const RangeGrid &grid;
  Planes &best;
  int64_t groups;
  /// [rows, groups]
  std::vector<double> errors;
  /// One of each run of columns.
  std::vector<LevelRounder> rounders;
  LevelNumbers numbers;

  template <typename Body> void forGroups(Body body) const;
  void cutWeights(float part, std::vector<float> &cut) const;
  void keepBetter(Planes &trial);
  double errorOf(int64_t first, llvm::ArrayRef<float> values) const;
  void copyGroup(const Planes &trial, int64_t at);
};
} // namespace

/// Calls body(run, i, row, group, first, count) for each group: its run of columns
/// and the number of that, its number in the row, and its weights, counted in the
/// matrix.
template <typename Body> void GridSearcher::forGroups(Body body) const {
  for (auto [i, run] : llvm::enumerate(format.splitColumns(best.columns)))
    for (int64_t row = 0; row < best.rows; ++row)
      for (int64_t g = 0; g < run.groupCount(); ++g) {
        int64_t first = g * run.groupColumns();
        int64_t count = std::min(run.groupColumns(), run.columns - first);
        body(run, i, row, run.firstGroup + g,
             row * best.columns + run.firstColumn + first, count);
      }
}

void GridSearcher::cutWeights(float part, std::vector<float> &cut) const {
  forGroups([&](const FormatRun &, size_t, int64_t, int64_t, int64_t first,
                int64_t count) {
    llvm::ArrayRef<float> group = weights.slice(first, count);
    Range range = Range(group).cut(format.offset, part);
    for (int64_t i = 0; i < count; ++i)
      cut[first + i] = std::clamp(group[i], range.least, range.largest);
  });
}

double GridSearcher::errorOf(int64_t first,
                             llvm::ArrayRef<float> values) const {
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    float error = std::fabs(weights[first + i] - values[i]);
    float cost = grid.norm == 2 ? error * error : std::pow(error, grid.norm);
    size_t column = (first + i) % best.columns;
    sum += importance.empty() ? cost : importance[column] * cost;
  }
  return sum;
}

/// Copies a group's numbers; `at` counts groups of the matrix.
void GridSearcher::copyGroup(const Planes &trial, int64_t at) {
  auto copy = [&](const GroupNumber &number, const GroupPlane &from,
                  GroupPlane &to) {
    if (number.kind == GroupNumber::Kind::Direct)
      to.numbers[at] = from.numbers[at];
    if (number.hasIntegers())
      to.integers[at] = from.integers[at];
  };
  copy(format.scale, trial.scale, best.scale);
  copy(format.offset, trial.offset, best.offset);
}

/// Rounds the weights by the numbers of a trial, and keeps the groups that are
/// better.
void GridSearcher::keepBetter(Planes &trial) {
  std::vector<uint8_t> codes;
  std::vector<float> values;
  forGroups([&](const FormatRun &run, size_t i, int64_t row, int64_t group,
                int64_t first, int64_t count) {
    codes.resize(count);
    values.resize(count);
    numbers.setAll(count, format, run, trial, row, group);
    rounders[i].round(weights.slice(first, count), numbers, codes, values);
    int64_t at = row * groups + group;
    double error = errorOf(first, values);
    if (!(error < errors[at]))
      return;
    errors[at] = error;
    llvm::copy(codes, best.codes.begin() + first);
    copyGroup(trial, at);
  });
}

void GridSearcher::run() {
  // With the factors that all rows share; and what is infinite stays so.
  roundToNearest(format, weights, best);
  Planes trial = best;
  std::vector<float> cut(weights.size());
  int steps =
      std::max(1, static_cast<int>(grid.cut * static_cast<float>(grid.steps)));
  for (int i = 0; i < steps; ++i) {
    float part = 1 - static_cast<float>(i) / static_cast<float>(grid.steps);
    cutWeights(part, cut);
    roundToNearest(format, cut, trial);
    keepBetter(trial);
  }
}

void lq::roundByGrid(const FormatDescription &format,
                     llvm::ArrayRef<float> weights, Planes &planes,
                     llvm::ArrayRef<float> importance, const RangeGrid &grid) {
  assert(format.hasCodes() && format.scaleRule != ScaleRule::Search &&
         "the format has no rule for groups");
  GridSearcher(format, weights, importance, grid, planes).run();
}
