//===- Knapsack.h - one choice an item under a budget -----------*- C++ -*-===//
//
// The multiple-choice knapsack problem: of each item one choice is taken, so that
// the costs add up to the least that is possible while the sizes add up to no
// more than a budget.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_ALLOCATE_KNAPSACK_H
#define LQ_PASSES_ALLOCATE_KNAPSACK_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <optional>
#include <vector>

namespace lq {

/// `size` is not negative; `cost` is finite.
struct KnapsackChoice {
  int64_t size;
  double cost;
};

using KnapsackItem = std::vector<KnapsackChoice>;

struct KnapsackSelection {
  /// The index of the choice of each item.
  std::vector<size_t> choices;
  int64_t size = 0;
  double cost = 0;
};

/// A selection of least cost whose size is at most `budget`; of several that cost
/// the same one of least size. None if even the smallest choices are too large.
/// Each item has a choice.
///
/// Exact. Partial selections are extended item by item; one is given up if another
/// is smaller and costs no more, or if the bound of its linear relaxation
/// (Sinha and Zoltners, 1979) is above a selection that is known.
std::optional<KnapsackSelection>
solveKnapsack(llvm::ArrayRef<KnapsackItem> items, int64_t budget);

/// The size of the smallest selection.
int64_t smallestSize(llvm::ArrayRef<KnapsackItem> items);

/// What more size buys: optimal selections from the smallest to one of least cost,
/// those on the lower convex hull of all. Between two of them the gain for a byte
/// falls.
std::vector<KnapsackSelection>
traceKnapsack(llvm::ArrayRef<KnapsackItem> items);

} // namespace lq

#endif // LQ_PASSES_ALLOCATE_KNAPSACK_H
