//===- Knapsack.h - the best choices under a budget -------------*- C++ -*-===//

#ifndef LQ_PASSES_ALLOCATE_KNAPSACK_H
#define LQ_PASSES_ALLOCATE_KNAPSACK_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <optional>
#include <vector>

namespace lq {

/// One way to store an item: what it takes of the budget, and what it costs.
struct Choice {
  int64_t size = 0;
  double cost = 0;
};

/// A choice for each item: its index among that item's choices.
struct Selection {
  std::vector<size_t> choices;
  int64_t size = 0;
  double cost = 0;
};

/// Chooses one of each item's choices so that the sum of costs is least while the
/// sum of sizes is at most a budget (the multiple-choice knapsack problem).
///
/// The answer is exact. Dynamic programming over the items keeps the totals that no
/// other total beats in both size and cost, and of these only the ones that the
/// problem's Lagrangian relaxation does not rule out: few, where there are many items,
/// since then the relaxation is nearly exact.
class Knapsack {
public:
  /// Each item has at least one choice; sizes are not negative and costs finite.
  explicit Knapsack(std::vector<std::vector<Choice>> items)
      : items(std::move(items)) {}

  /// The size of the smallest selection.
  int64_t smallestSize() const;

  /// The best selection; none if the budget is less than the smallest size.
  std::optional<Selection> solve(int64_t budget) const;

  /// Selections of rising size and falling cost, from the smallest to that of the
  /// least cost: the corners of the curve of costs against sizes. Each is the best
  /// for its size. One choice differs from one to the next.
  std::vector<Selection> tradeOff() const;

private:
  friend class KnapsackSolver;
  /// From one corner of an item's lower convex hull to the next.
  struct Step {
    size_t item, from, to;
    int64_t size;
    /// What the step saves, and that for a unit of size.
    double saving, rate;
  };
  Selection smallest() const;
  std::vector<Step> findSteps() const;
  void take(const Step &step, Selection &selection) const;

  std::vector<std::vector<Choice>> items;
};

} // namespace lq

#endif // LQ_PASSES_ALLOCATE_KNAPSACK_H
