//===- KnapsackTest.cpp - optimal selections ------------------------------===//

#include "passes/allocate/Knapsack.h"

#include "gtest/gtest.h"
#include <algorithm>
#include <random>

using namespace lq;

namespace {

/// The best of all selections.
std::optional<double> searchAll(llvm::ArrayRef<KnapsackItem> items,
                                int64_t budget) {
  if (items.empty())
    return budget >= 0 ? std::optional(0.0) : std::nullopt;
  std::optional<double> best;
  for (const KnapsackChoice &choice : items.front()) {
    auto rest = searchAll(items.drop_front(), budget - choice.size);
    if (rest && (!best || choice.cost + *rest < *best))
      best = choice.cost + *rest;
  }
  return best;
}

class Random {
public:
  explicit Random(unsigned seed) : generator(seed) {}
  int64_t below(int64_t limit) {
    return std::uniform_int_distribution<int64_t>(0, limit - 1)(generator);
  }
  /// Items as formats are: more bits cost less, though not always.
  std::vector<KnapsackItem> items(int64_t count, int64_t choices) {
    std::vector<KnapsackItem> items(count);
    for (KnapsackItem &item : items) {
      double scale = 1.0 + static_cast<double>(below(100));
      int64_t unit = 1 + below(9);
      for (int64_t i = 0; i <= below(choices); ++i) {
        int64_t bits = 2 + below(8);
        double noise = 0.5 + static_cast<double>(below(1000)) / 1000;
        item.push_back({bits * unit, scale * noise / double(1 << (2 * bits))});
      }
    }
    return items;
  }

private:
  std::mt19937 generator;
};

void expectConsistent(llvm::ArrayRef<KnapsackItem> items,
                      const KnapsackSelection &selection) {
  ASSERT_EQ(selection.choices.size(), items.size());
  int64_t size = 0;
  double cost = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    size += items[i].at(selection.choices[i]).size;
    cost += items[i].at(selection.choices[i]).cost;
  }
  EXPECT_EQ(selection.size, size);
  EXPECT_NEAR(selection.cost, cost, 1e-9 * (1 + cost));
}

TEST(Knapsack, IsOptimal) {
  Random random(1);
  int found = 0;
  for (int turn = 0; turn < 400; ++turn) {
    std::vector<KnapsackItem> items = random.items(1 + random.below(6), 6);
    int64_t budget = random.below(200);
    std::optional<double> best = searchAll(items, budget);
    auto selection = solveKnapsack(items, budget);
    ASSERT_EQ(best.has_value(), selection.has_value());
    EXPECT_EQ(budget < smallestSize(items), !best.has_value());
    if (!best)
      continue;
    ++found;
    expectConsistent(items, *selection);
    EXPECT_LE(selection->size, budget);
    EXPECT_NEAR(selection->cost, *best, 1e-12 * (1 + *best));
  }
  EXPECT_GT(found, 100);
}

TEST(Knapsack, TakesTheSmallerOfEqualCosts) {
  std::vector<KnapsackItem> items = {{{5, 1.0}, {3, 1.0}, {4, 1.0}}};
  EXPECT_EQ(solveKnapsack(items, 10)->choices, std::vector<size_t>{1});
}

TEST(Knapsack, FillsABudgetThatTheRelaxationCannot) {
  // The best rate is the first item's, which leaves no room for the second's.
  std::vector<KnapsackItem> items = {{{0, 10.0}, {6, 3.0}},
                                     {{0, 10.0}, {10, 0.0}}};
  auto selection = solveKnapsack(items, 10);
  EXPECT_EQ(selection->choices, (std::vector<size_t>{0, 1}));
}

TEST(Knapsack, TracesTheLowerHull) {
  Random random(2);
  for (int turn = 0; turn < 100; ++turn) {
    std::vector<KnapsackItem> items = random.items(1 + random.below(5), 6);
    std::vector<KnapsackSelection> trace = traceKnapsack(items);
    EXPECT_EQ(trace.front().size, smallestSize(items));
    for (const KnapsackSelection &selection : trace) {
      expectConsistent(items, selection);
      EXPECT_NEAR(selection.cost, *searchAll(items, selection.size), 1e-9);
    }
    for (size_t i = 1; i < trace.size(); ++i) {
      EXPECT_GT(trace[i].size, trace[i - 1].size);
      EXPECT_LT(trace[i].cost, trace[i - 1].cost);
    }
    EXPECT_NEAR(trace.back().cost, *searchAll(items, 1 << 20), 1e-9);
  }
}

/// As many weights as a large model has.
TEST(Knapsack, SolvesModels) {
  Random random(3);
  std::vector<KnapsackItem> items = random.items(560, 12);
  int64_t least = smallestSize(items), most = traceKnapsack(items).back().size;
  double last = std::numeric_limits<double>::infinity();
  for (int64_t tenth = 0; tenth <= 10; ++tenth) {
    int64_t budget = least + (most - least) * tenth / 10;
    auto selection = solveKnapsack(items, budget);
    ASSERT_TRUE(selection);
    expectConsistent(items, *selection);
    EXPECT_LE(selection->size, budget);
    EXPECT_LE(selection->cost, last);
    last = selection->cost;
  }
}

} // namespace
