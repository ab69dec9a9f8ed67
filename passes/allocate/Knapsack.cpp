//===- Knapsack.cpp - one choice an item under a budget -------------------===//

#include "passes/allocate/Knapsack.h"

#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

using namespace lq;
using llvm::ArrayRef;

namespace {

/// From a choice on an item's hull to the next larger one.
struct Step {
  size_t item, choice;
  int64_t size;
  double gain;

  double rate() const { return gain / static_cast<double>(size); }
};

/// The linear relaxation: each item's choices on its lower convex hull, and the
/// steps between them by falling gain for a unit of size.
class Relaxation {
public:
  explicit Relaxation(ArrayRef<KnapsackItem> items);

  /// The smallest choices on the hulls.
  const KnapsackSelection &smallest() const { return first; }
  ArrayRef<Step> steps() const { return sorted; }

private:
  void addItem(size_t number, const KnapsackItem &item);

  KnapsackSelection first;
  std::vector<Step> sorted;
};

} // namespace

/// Indices of the choices that no other is better than, by rising size and falling
/// cost.
static std::vector<size_t> keepUseful(const KnapsackItem &item) {
  std::vector<size_t> order(item.size());
  std::iota(order.begin(), order.end(), size_t(0));
  llvm::sort(order, [&](size_t a, size_t b) {
    return std::tuple(item[a].size, item[a].cost, a) <
           std::tuple(item[b].size, item[b].cost, b);
  });
  std::vector<size_t> useful;
  for (size_t i : order)
    if (useful.empty() || item[i].cost < item[useful.back()].cost)
      useful.push_back(i);
  return useful;
}

Relaxation::Relaxation(ArrayRef<KnapsackItem> items) {
  for (auto [number, item] : llvm::enumerate(items))
    addItem(number, item);
  llvm::sort(sorted, [](const Step &a, const Step &b) {
    return std::tuple(-a.rate(), a.item, a.size) <
           std::tuple(-b.rate(), b.item, b.size);
  });
}

void Relaxation::addItem(size_t number, const KnapsackItem &item) {
  std::vector<size_t> useful = keepUseful(item);
  std::vector<Step> hull;
  auto stepTo = [&](size_t from, size_t to) {
    return Step{number, to, item[to].size - item[from].size,
                item[from].cost - item[to].cost};
  };
  for (size_t i : llvm::drop_begin(useful)) {
    // Steps whose rate is not above that of the next are no part of the hull.
    Step step = stepTo(hull.empty() ? useful[0] : hull.back().choice, i);
    while (!hull.empty() && hull.back().rate() <= step.rate()) {
      hull.pop_back();
      step = stepTo(hull.empty() ? useful[0] : hull.back().choice, i);
    }
    hull.push_back(step);
  }
  first.choices.push_back(useful[0]);
  first.size += item[useful[0]].size;
  first.cost += item[useful[0]].cost;
  llvm::append_range(sorted, hull);
}

static void take(KnapsackSelection &selection, const Step &step) {
  selection.choices[step.item] = step.choice;
  selection.size += step.size;
  selection.cost -= step.gain;
}

int64_t lq::smallestSize(ArrayRef<KnapsackItem> items) {
  int64_t size = 0;
  for (const KnapsackItem &item : items)
    size += llvm::min_element(item, [](auto &a, auto &b) {
              return a.size < b.size;
            })->size;
  return size;
}

std::vector<KnapsackSelection> lq::traceKnapsack(ArrayRef<KnapsackItem> items) {
  Relaxation relaxation(items);
  std::vector<KnapsackSelection> selections = {relaxation.smallest()};
  for (const Step &step : relaxation.steps()) {
    KnapsackSelection next = selections.back();
    take(next, step);
    selections.push_back(std::move(next));
  }
  return selections;
}

namespace {

/// The relaxation of the items from some item on: the least cost for a size.
class Bound {
public:
  Bound(const Relaxation &relaxation, ArrayRef<KnapsackItem> items,
        size_t from) {
    for (size_t item = from; item < items.size(); ++item) {
      const KnapsackChoice &choice =
          items[item][relaxation.smallest().choices[item]];
      sizes.front() += choice.size;
      costs.front() += choice.cost;
    }
    for (const Step &step : relaxation.steps())
      if (step.item >= from) {
        sizes.push_back(sizes.back() + step.size);
        costs.push_back(costs.back() - step.gain);
      }
  }

  /// Infinite for a size that is too small for the items.
  double costFor(int64_t size) const {
    if (size < sizes.front())
      return std::numeric_limits<double>::infinity();
    size_t above = llvm::upper_bound(sizes, size) - sizes.begin();
    if (above == sizes.size())
      return costs.back();
    double part = static_cast<double>(size - sizes[above - 1]) /
                  static_cast<double>(sizes[above] - sizes[above - 1]);
    return costs[above - 1] + part * (costs[above] - costs[above - 1]);
  }

private:
  std::vector<int64_t> sizes = {0};
  std::vector<double> costs = {0};
};

/// A selection of the items before some item: what it adds up to, its last choice
/// and the selection before that.
struct Partial {
  int64_t size;
  double cost;
  size_t choice, before;
};

class Solver {
public:
  Solver(ArrayRef<KnapsackItem> items, int64_t budget)
      : items(items), budget(budget), relaxation(items) {}

  std::optional<KnapsackSelection> solve();

private:
  ArrayRef<KnapsackItem> items;
  int64_t budget;
  Relaxation relaxation;
  /// By item: the selections up to it that may lead to the best.
  std::vector<std::vector<Partial>> layers;

  double costOfKnown() const;
  void extend(size_t item, double known);
  KnapsackSelection traceBack() const;
};

} // namespace

/// The cost of a selection that fits: the steps of the relaxation, but for those
/// that do not.
double Solver::costOfKnown() const {
  KnapsackSelection selection = relaxation.smallest();
  std::vector<bool> isClosed(items.size());
  for (const Step &step : relaxation.steps()) {
    if (isClosed[step.item])
      continue;
    if (selection.size + step.size <= budget)
      take(selection, step);
    else
      isClosed[step.item] = true;
  }
  return selection.cost;
}

/// Adds the choices of an item to the selections before it.
void Solver::extend(size_t item, double known) {
  static const std::vector<Partial> start = {{0, 0, 0, 0}};
  const std::vector<Partial> &before = item ? layers[item - 1] : start;
  std::vector<Partial> all;
  Bound rest(relaxation, items, item + 1);
  for (size_t choice : keepUseful(items[item]))
    for (auto [number, partial] : llvm::enumerate(before)) {
      Partial next{partial.size + items[item][choice].size,
                   partial.cost + items[item][choice].cost, choice, number};
      if (next.cost + rest.costFor(budget - next.size) <= known)
        all.push_back(next);
    }
  llvm::sort(all, [](const Partial &a, const Partial &b) {
    return std::tuple(a.size, a.cost, a.choice, a.before) <
           std::tuple(b.size, b.cost, b.choice, b.before);
  });
  std::vector<Partial> &kept = layers.emplace_back();
  for (const Partial &partial : all)
    if (kept.empty() || partial.cost < kept.back().cost)
      kept.push_back(partial);
}

KnapsackSelection Solver::traceBack() const {
  KnapsackSelection selection;
  selection.choices.resize(items.size());
  size_t number = items.empty() ? 0 : layers.back().size() - 1;
  for (size_t item = items.size(); item-- > 0;) {
    const Partial &partial = layers[item][number];
    selection.choices[item] = partial.choice;
    selection.size += items[item][partial.choice].size;
    selection.cost += items[item][partial.choice].cost;
    number = partial.before;
  }
  return selection;
}

std::optional<KnapsackSelection> Solver::solve() {
  if (relaxation.smallest().size > budget)
    return {};
  double known = costOfKnown();
  // Sums in another order differ by roundings.
  known += 1e-9 * (std::fabs(known) + std::fabs(relaxation.smallest().cost));
  for (size_t item = 0; item < items.size(); ++item)
    extend(item, known);
  return traceBack();
}

std::optional<KnapsackSelection> lq::solveKnapsack(ArrayRef<KnapsackItem> items,
                                                   int64_t budget) {
  return Solver(items, budget).solve();
}
