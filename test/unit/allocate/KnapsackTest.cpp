//===- KnapsackTest.cpp - the best choices under a budget -----------------===//

#include "passes/allocate/Knapsack.h"

#include <gtest/gtest.h>
#include <random>

using namespace lq;

namespace {

using Items = std::vector<std::vector<Choice>>;

/// Items whose choices cost less the larger they are, mostly.
Items randomItems(size_t count, size_t choices, unsigned seed, int64_t unit) {
  std::mt19937 random(seed);
  Items items(count);
  for (auto &item : items) {
    int64_t scale = 1 + random() % 8;
    double importance = 1 + random() % 1000;
    for (size_t i = 0; i < choices; ++i) {
      int64_t size = scale * unit * (1 + random() % 16) + random() % 3;
      double noise = 0.5 + random() % 1000 * 1e-3;
      item.push_back({size, importance * noise / static_cast<double>(size)});
    }
  }
  return items;
}

void expectConsistent(const Items &items, const Selection &selection) {
  int64_t size = 0;
  double cost = 0;
  ASSERT_EQ(selection.choices.size(), items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    size += items[i][selection.choices[i]].size;
    cost += items[i][selection.choices[i]].cost;
  }
  EXPECT_EQ(selection.size, size);
  EXPECT_NEAR(selection.cost, cost, 1e-9 * cost);
}

/// The least cost of all selections that fit; infinite if none does.
double exhaustive(const Items &items, int64_t budget, size_t item = 0) {
  if (budget < 0)
    return HUGE_VAL;
  if (item == items.size())
    return 0;
  double best = HUGE_VAL;
  for (const Choice &choice : items[item])
    best = std::min(
        best, choice.cost + exhaustive(items, budget - choice.size, item + 1));
  return best;
}

TEST(Knapsack, IsAsGoodAsTheBestOfAllSelections) {
  int belowCorners = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    Items items = randomItems(2 + seed % 6, 1 + seed % 5, seed, 10);
    Knapsack knapsack(items);
    int64_t smallest = knapsack.smallestSize();
    int64_t largest = knapsack.tradeOff().back().size;
    for (int part = -1; part <= 11; ++part) {
      int64_t budget = smallest + (largest - smallest) * part / 10 - (part < 0);
      std::optional<Selection> found = knapsack.solve(budget);
      double best = exhaustive(items, budget);
      ASSERT_EQ(found.has_value(), best < HUGE_VAL);
      if (!found)
        continue;
      expectConsistent(items, *found);
      EXPECT_LE(found->size, budget);
      EXPECT_NEAR(found->cost, best, 1e-9 * best);
      double corner = HUGE_VAL;
      for (const Selection &each : knapsack.tradeOff())
        if (each.size <= budget)
          corner = each.cost;
      belowCorners += best < corner * (1 - 1e-9);
    }
  }
  // Which greedy choices along the curve would not find.
  EXPECT_GT(belowCorners, 50);
}

TEST(Knapsack, NothingFitsBelowTheSmallest) {
  Knapsack knapsack({{{5, 1.0}, {3, 2.0}}, {{4, 1.0}}});
  EXPECT_EQ(knapsack.smallestSize(), 7);
  EXPECT_FALSE(knapsack.solve(6));
  EXPECT_EQ(knapsack.solve(7)->cost, 3.0);
  EXPECT_EQ(knapsack.solve(9)->cost, 2.0);
  EXPECT_EQ(knapsack.solve(1000)->size, 9);
}

TEST(Knapsack, CornersRiseInSizeAndFallInCost) {
  Items items = randomItems(12, 8, 3, 10);
  Knapsack knapsack(items);
  std::vector<Selection> corners = knapsack.tradeOff();
  EXPECT_EQ(corners.front().size, knapsack.smallestSize());
  for (size_t i = 0; i < corners.size(); ++i) {
    expectConsistent(items, corners[i]);
    EXPECT_NEAR(knapsack.solve(corners[i].size)->cost, corners[i].cost,
                1e-9 * corners[i].cost);
    if (i == 0)
      continue;
    EXPECT_GT(corners[i].size, corners[i - 1].size);
    EXPECT_LT(corners[i].cost, corners[i - 1].cost);
    int changed = 0;
    for (size_t k = 0; k < items.size(); ++k)
      changed += corners[i].choices[k] != corners[i - 1].choices[k];
    EXPECT_EQ(changed, 1);
  }
}

TEST(Knapsack, ChoicesThatAreNoneAndOnesThatAreEqual) {
  EXPECT_EQ(Knapsack({}).solve(0)->size, 0);
  Items items(4, {{2, 1.0}, {2, 1.0}, {3, 1.0}, {1, 4.0}});
  Knapsack knapsack(items);
  EXPECT_EQ(knapsack.solve(5)->cost, 13.0);
  EXPECT_EQ(knapsack.solve(100)->size, 8);
}

/// As many as a model of 70B parameters has, of sizes that share no divisor.
TEST(Knapsack, LargeProblemsAreSolved) {
  Items items = randomItems(560, 14, 9, 1 << 20);
  Knapsack knapsack(items);
  int64_t smallest = knapsack.smallestSize();
  int64_t largest = knapsack.tradeOff().back().size;
  for (int part = 1; part < 10; part += 4) {
    int64_t budget = smallest + (largest - smallest) * part / 10;
    std::optional<Selection> found = knapsack.solve(budget);
    ASSERT_TRUE(found);
    expectConsistent(items, *found);
    EXPECT_LE(found->size, budget);
    // Between the corners of the curve beside it, by their line.
    std::vector<Selection> corners = knapsack.tradeOff();
    auto above =
        std::find_if(corners.begin(), corners.end(),
                     [&](const Selection &each) { return each.size > budget; });
    auto below = std::prev(above);
    EXPECT_LE(found->cost, below->cost);
    EXPECT_GE(found->cost, above->cost);
  }
}

} // namespace
