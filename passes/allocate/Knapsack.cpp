//===- Knapsack.cpp - the best choices under a budget ---------------------===//

#include "passes/allocate/Knapsack.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>
#include <tuple>

using namespace lq;

/// The choice of the least size; of several that with the least cost.
static size_t smallestChoice(llvm::ArrayRef<Choice> choices) {
  auto key = [](const Choice &choice) {
    return std::pair(choice.size, choice.cost);
  };
  return std::min_element(choices.begin(), choices.end(),
                          [&](const Choice &a, const Choice &b) {
                            return key(a) < key(b);
                          }) -
         choices.begin();
}

Selection Knapsack::smallest() const {
  Selection selection;
  for (const std::vector<Choice> &choices : items) {
    size_t chosen = smallestChoice(choices);
    selection.choices.push_back(chosen);
    selection.size += choices[chosen].size;
    selection.cost += choices[chosen].cost;
  }
  return selection;
}

int64_t Knapsack::smallestSize() const { return smallest().size; }

/// The steps of all items, the most saving for its size first; of an item in their
/// order.
std::vector<Knapsack::Step> Knapsack::findSteps() const {
  std::vector<Step> steps;
  for (auto [item, choices] : llvm::enumerate(items)) {
    size_t at = smallestChoice(choices);
    while (true) {
      Step best{item, at, at, 0, 0, 0};
      for (auto [to, choice] : llvm::enumerate(choices)) {
        int64_t size = choice.size - choices[at].size;
        double saving = choices[at].cost - choice.cost;
        if (size <= 0 || saving <= 0)
          continue;
        double rate = saving / static_cast<double>(size);
        if (rate > best.rate || (rate == best.rate && size > best.size))
          best = {item, at, to, size, saving, rate};
      }
      if (best.to == at)
        break;
      steps.push_back(best);
      at = best.to;
    }
  }
  llvm::sort(steps, [](const Step &a, const Step &b) {
    return a.rate > b.rate || (a.rate == b.rate && a.item < b.item);
  });
  return steps;
}

void Knapsack::take(const Step &step, Selection &selection) const {
  selection.choices[step.item] = step.to;
  selection.size += step.size;
  selection.cost -= step.saving;
}

std::vector<Selection> Knapsack::tradeOff() const {
  std::vector<Selection> corners{smallest()};
  for (const Step &step : findSteps()) {
    corners.push_back(corners.back());
    take(step, corners.back());
  }
  return corners;
}

namespace lq {
class KnapsackSolver {
public:
  KnapsackSolver(const Knapsack &problem, int64_t budget)
      : problem(problem), budget(budget) {}

  Selection solve();

private:
  /// Choices for the first items: their totals, the last of them, and the state
  /// before it.
  struct State {
    int64_t size = 0;
    double cost = 0;
    size_t choice = 0, before = 0;
  };
  /// Of the items from one on, the least sum of cost + rate * size, the size and cost
  /// that have it, and the least size.
  struct Rest {
    double bound = 0;
    int64_t size = 0, smallestSize = 0;
    double cost = 0;
  };

  const Knapsack &problem;
  int64_t budget;
  /// What a unit of size is worth.
  double rate = 0;
  /// The cost of a selection that is known.
  double known = 0;
  std::vector<Rest> rests;
  std::vector<std::vector<State>> layers;

  Selection findKnown();
  void findRests();
  void extend(size_t item);
  bool mayBeBest(const State &state, const Rest &rest);
};
} // namespace lq

/// Takes steps as they come, and passes over those that do not fit: the first of
/// these tells what size is worth.
Selection KnapsackSolver::findKnown() {
  Selection selection = problem.smallest();
  for (const Knapsack::Step &step : problem.findSteps()) {
    bool follows = selection.choices[step.item] == step.from;
    if (follows && selection.size + step.size <= budget)
      problem.take(step, selection);
    else if (rate == 0)
      rate = step.rate;
  }
  known = selection.cost;
  return selection;
}

void KnapsackSolver::findRests() {
  rests.resize(problem.items.size() + 1);
  for (size_t item = problem.items.size(); item-- > 0;) {
    llvm::ArrayRef<Choice> choices = problem.items[item];
    auto bound = [&](const Choice &choice) {
      return choice.cost + rate * static_cast<double>(choice.size);
    };
    const Choice &best = *std::min_element(
        choices.begin(), choices.end(),
        [&](const Choice &a, const Choice &b) { return bound(a) < bound(b); });
    const Rest &after = rests[item + 1];
    rests[item] = {after.bound + bound(best), after.size + best.size,
                   after.smallestSize + choices[smallestChoice(choices)].size,
                   after.cost + best.cost};
  }
}

/// Whether the state can lead to a selection that fits and is as good as what is
/// known. What it is known to lead to becomes known.
bool KnapsackSolver::mayBeBest(const State &state, const Rest &rest) {
  if (state.size + rest.smallestSize > budget)
    return false;
  if (state.size + rest.size <= budget)
    known = std::min(known, state.cost + rest.cost);
  double bound =
      state.cost + rest.bound + rate * static_cast<double>(state.size - budget);
  // Sums in another order differ in their last bits.
  double slack = 1e-12 * (std::fabs(state.cost) + std::fabs(rest.bound) +
                          rate * static_cast<double>(budget));
  return bound <= known + slack;
}

/// Adds a choice of the item to the states before it.
void KnapsackSolver::extend(size_t item) {
  const std::vector<State> &before = layers.back();
  std::vector<State> all, best;
  for (auto [index, state] : llvm::enumerate(before))
    for (auto [chosen, choice] : llvm::enumerate(problem.items[item])) {
      State next{state.size + choice.size, state.cost + choice.cost, chosen,
                 index};
      if (mayBeBest(next, rests[item + 1]))
        all.push_back(next);
    }
  llvm::sort(all, [](const State &a, const State &b) {
    return std::tie(a.size, a.cost, a.before, a.choice) <
           std::tie(b.size, b.cost, b.before, b.choice);
  });
  for (const State &state : all)
    if (best.empty() || state.cost < best.back().cost)
      best.push_back(state);
  layers.push_back(std::move(best));
}

Selection KnapsackSolver::solve() {
  Selection selection = findKnown();
  if (rate == 0) // every step fits: nothing costs less
    return selection;
  findRests();
  layers.push_back({State{}});
  for (size_t item = 0; item < problem.items.size(); ++item)
    extend(item);
  // The last state costs least.
  if (layers.back().empty() || layers.back().back().cost >= selection.cost)
    return selection;
  State state = layers.back().back();
  selection.size = state.size;
  selection.cost = state.cost;
  for (size_t item = problem.items.size(); item-- > 0;) {
    selection.choices[item] = state.choice;
    state = layers[item][state.before];
  }
  return selection;
}

std::optional<Selection> Knapsack::solve(int64_t budget) const {
  if (smallestSize() > budget)
    return std::nullopt;
  return KnapsackSolver(*this, budget).solve();
}
