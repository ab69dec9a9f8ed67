//===- Gptq.cpp - codes that make up for each other's errors --------------===//

#include "passes/quantize/Gptq.h"
#include "passes/quantize/LevelRounder.h"
#include "passes/quantize/RoundToNearest.h"
#include "passes/quantize/WideVectors.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <numeric>

using namespace lq;

//===----------------------------------------------------------------------===//
// What all rows share
//===----------------------------------------------------------------------===//

void Gptq::findUnits() {
  unitOf.resize(columns);
  for (const FormatRun &run : format.splitColumns(columns)) {
    int64_t size = run.groupColumns();
    int64_t unit = run.format.superGroup ? run.format.superGroup : size;
    for (int64_t first = 0; first < run.columns; first += unit) {
      int64_t count = std::min(unit, run.columns - first);
      std::fill_n(unitOf.begin() + run.firstColumn + first, count,
                  static_cast<int32_t>(units.size()));
      units.push_back({run, run.firstColumn + first, count,
                       run.firstGroup + first / size,
                       llvm::divideCeilSigned(count, size),
                       run.firstSuperGroup + first / unit, rounders.size()});
    }
    rounders.emplace_back(run.format);
  }
}

/// Columns are dead whose inputs were all zero.
void Gptq::loadDiagonal(const GptqInputs &inputs) {
  diagonal.resize(columns);
  isDead.resize(columns);
  for (int64_t j = 0; j < columns; ++j) {
    int64_t k = inputs.order.empty() ? j : inputs.order[j];
    diagonal[j] = inputs.hessian[k * columns + k];
    isDead[j] = !(diagonal[j] > 0);
  }
}

void Gptq::findOrder() {
  order.resize(columns);
  std::iota(order.begin(), order.end(), 0);
  auto falls = [&](int32_t a, int32_t b) {
    return diagonal[a] > diagonal[b] || (diagonal[a] == diagonal[b] && a < b);
  };
  if (options.order == GptqOrder::Columns)
    llvm::sort(order, falls);
  if (options.order != GptqOrder::Groups)
    return;
  std::vector<double> means(units.size());
  for (auto [unit, mean] : llvm::zip_equal(units, means)) {
    auto begin = diagonal.begin() + unit.firstColumn;
    mean = std::accumulate(begin, begin + unit.columns, 0.0) /
           static_cast<double>(unit.columns);
  }
  llvm::sort(order, [&](int32_t a, int32_t b) {
    int32_t ua = unitOf[a], ub = unitOf[b];
    if (ua == ub)
      return falls(a, b);
    return means[ua] > means[ub] || (means[ua] == means[ub] && ua < ub);
  });
}

/// H, damped, in the order in which columns are rounded.
template <typename T>
std::vector<T> Gptq::damped(const GptqInputs &inputs, float damping) const {
  std::vector<int64_t> from(columns);
  double sum = 0;
  for (auto [to, column] : llvm::zip_equal(from, order)) {
    to = inputs.order.empty() ? column : inputs.order[column];
    sum += isDead[column] ? 1 : diagonal[column];
  }
  double added = damping * sum / static_cast<double>(columns);
  std::vector<T> matrix(columns * columns);
  for (int64_t i = 0; i < columns; ++i) {
    const float *row = inputs.hessian.data() + from[i] * columns;
    for (int64_t j = 0; j < columns; ++j)
      matrix[i * columns + j] = row[from[j]];
    T &own = matrix[i * columns + i];
    own = static_cast<T>((isDead[order[i]] ? 1.0 : own) + added);
  }
  return matrix;
}

/// An inverse of a matrix that is nearly singular may have overflowed.
static bool isUsable(llvm::ArrayRef<float> upper) {
  return !upper.empty() && findNotFinite(upper) == upper.size();
}

llvm::Error Gptq::factor(const GptqInputs &inputs, ParallelFor parallelFor) {
  for (usedDamping = options.damping; usedDamping <= 1;
       usedDamping += options.moreDamping) {
    std::vector<float> found =
        factorInverse(damped<float>(inputs, usedDamping), columns, parallelFor);
    if (!isUsable(found)) {
      std::vector<double> precise = factorInverse(
          damped<double>(inputs, usedDamping), columns, parallelFor);
      found.assign(precise.begin(), precise.end());
    }
    if (isUsable(found)) {
      upper = std::make_shared<const std::vector<float>>(std::move(found));
      return llvm::Error::success();
    }
    if (!(options.moreDamping > 0))
      break;
  }
  return llvm::createStringError(
      "the statistics' sums of x x^T are not positive definite, even with a "
      "damping of %g",
      std::min(usedDamping, 1.0f));
}

/// What GPTAQ adds, its alpha included.
void Gptq::findCorrection(const GptqInputs &inputs) {
  std::vector<float> matrix(columns * columns);
  auto from = [&](int64_t place) -> int64_t {
    return inputs.order.empty() ? order[place] : inputs.order[order[place]];
  };
  for (int64_t i = 0; i < columns; ++i)
    for (int64_t j = 0; j < columns; ++j)
      matrix[i * columns + j] =
          options.alpha * inputs.difference[from(i) * columns + from(j)];
  correction = std::make_shared<const std::vector<float>>(
      correctionOf(matrix.data(), upper->data(), columns));
}

Gptq Gptq::retarget(const FormatDescription &other) const {
  assert(options.order == GptqOrder::Given && "the order is another format's");
  Gptq result = *this;
  result.format = other;
  result.units.clear();
  result.rounders.clear();
  result.findUnits();
  return result;
}

llvm::Expected<Gptq> Gptq::prepare(const FormatDescription &format,
                                   const GptqInputs &inputs, int64_t columns,
                                   const GptqOptions &options,
                                   ParallelFor parallelFor) {
  assert(format.hasCodes() && "nothing to choose codes for");
  if (findNotFinite(inputs.hessian) < inputs.hessian.size())
    return llvm::createStringError(
        "the statistics' sums of x x^T are not finite");
  Gptq gptq(format, columns, options);
  gptq.options.staticScales |= options.order == GptqOrder::Columns;
  gptq.findUnits();
  gptq.loadDiagonal(inputs);
  gptq.findOrder();
  if (llvm::Error error = gptq.factor(inputs, parallelFor))
    return std::move(error);
  if (!inputs.difference.empty())
    gptq.findCorrection(inputs);
  return std::move(gptq);
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

namespace lq {
/// Rounds some rows. Arrays [columns, rows] hold a column's weights of all rows
/// together, and columns in the order in which they are rounded.
class GptqRows {
public:
  GptqRows(const Gptq &shared, llvm::ArrayRef<float> weights, Planes &planes)
      : shared(shared), columns(shared.columns), rows(planes.rows),
        planes(planes), work(columns * rows), start(weights),
        numbers(shared.format.groupCount(columns)),
        hasNumbers(shared.units.size(), shared.options.staticScales),
        placeOf(columns), codes(rows), values(rows) {}

  double run();

private:
  using Unit = Gptq::Unit;

  const Gptq &shared;
  int64_t columns, rows;
  Planes &planes;
  std::vector<float> work;
  llvm::ArrayRef<float> start;
  /// What rounding each column of a block has done, in units of U's diagonal,
  /// [block, rows].
  std::vector<float> errors;
  /// Of each group, once its unit has them.
  std::vector<LevelNumbers> numbers;
  std::vector<bool> hasNumbers;
  /// Where each column is in the order of rounding.
  std::vector<int64_t> placeOf;
  /// Of one column.
  std::vector<uint8_t> codes;
  std::vector<float> values;
  double error = 0;

  void load();
  std::vector<float> unitWeights(const Unit &unit) const;
  void findStaticNumbers();
  void findUnitNumbers(const Unit &unit);
  void keepNumbers(const Unit &unit);
  int64_t endOfBlock(int64_t first) const;
  void roundColumn(int64_t place, int64_t first, int64_t end);
  void handOn(int64_t first, int64_t end);
};
} // namespace lq

void GptqRows::load() {
  for (int64_t p = 0; p < columns; ++p) {
    int64_t column = shared.order[p];
    placeOf[column] = p;
    bool isZero = shared.isDead[column] && shared.options.zeroDead;
    for (int64_t r = 0; r < rows; ++r)
      work[p * rows + r] = isZero ? 0 : start[r * columns + column];
  }
}

/// The weights of a unit as they are by now, [rows, unit.columns].
std::vector<float> GptqRows::unitWeights(const Unit &unit) const {
  std::vector<float> weights(rows * unit.columns);
  for (int64_t k = 0; k < unit.columns; ++k) {
    const float *column = work.data() + placeOf[unit.firstColumn + k] * rows;
    for (int64_t r = 0; r < rows; ++r)
      weights[r * unit.columns + k] = std::isfinite(column[r]) ? column[r] : 0;
  }
  return weights;
}

/// Turns the numbers that planes hold for a unit into those of each row.
void GptqRows::keepNumbers(const Unit &unit) {
  for (int64_t g = unit.firstGroup; g < unit.firstGroup + unit.groups; ++g) {
    numbers[g].resize(rows);
    for (int64_t r = 0; r < rows; ++r)
      numbers[g].set(r, shared.format, unit.run, planes, r, g);
  }
}

void GptqRows::findStaticNumbers() {
  std::vector<float> weights(start);
  for (int64_t j = 0; j < columns; ++j)
    for (int64_t r = 0; r < rows && shared.isDead[j]; ++r)
      weights[r * columns + j] = work[placeOf[j] * rows + r];
  roundBy(shared.options.scales, shared.options.grid, shared.format, weights,
          planes, shared.diagonal);
  for (const Unit &unit : shared.units)
    keepNumbers(unit);
}

/// Copies [rows, count] of a part into [rows, total] at `first`.
template <typename T>
static void copyPart(const std::vector<T> &part, std::vector<T> &whole,
                     int64_t rows, int64_t first) {
  auto count = static_cast<int64_t>(part.size()) / rows;
  auto total = static_cast<int64_t>(whole.size()) / rows;
  for (int64_t r = 0; r < rows; ++r)
    std::copy_n(part.begin() + r * count, count,
                whole.begin() + r * total + first);
}

void GptqRows::findUnitNumbers(const Unit &unit) {
  const FormatDescription &format = unit.run.format;
  Planes part;
  part.resize(format, rows, unit.columns);
  if (format.scale.isShared())
    for (int64_t r = 0; r < rows; ++r)
      part.scale.numbers[r] =
          planes.scale.numbers[r * shared.format.superGroupCount(columns) +
                               unit.firstSuperGroup];
  roundBy(
      shared.options.scales, shared.options.grid, format, unitWeights(unit),
      part,
      llvm::ArrayRef(shared.diagonal).slice(unit.firstColumn, unit.columns));
  auto copy = [&](const GroupNumber &number, const GroupPlane &from,
                  GroupPlane &to) {
    if (number.hasNumbers())
      copyPart(from.numbers, to.numbers, rows,
               number.hasFactors() ? unit.firstSuperGroup : unit.firstGroup);
    if (number.hasIntegers())
      copyPart(from.integers, to.integers, rows, unit.firstGroup);
  };
  copy(format.scale, part.scale, planes.scale);
  copy(format.offset, part.offset, planes.offset);
  keepNumbers(unit);
}

/// Blocks end where units do, or are parts of one: so that a unit's weights are up
/// to date when its first column is rounded.
int64_t GptqRows::endOfBlock(int64_t first) const {
  int64_t wanted = std::min(first + shared.options.block, columns);
  if (shared.options.staticScales)
    return wanted;
  int64_t end = first;
  while (end < wanted) {
    int32_t unit = shared.unitOf[shared.order[end]];
    int64_t next = end;
    while (next < columns && shared.unitOf[shared.order[next]] == unit)
      ++next;
    if (next > wanted)
      return end > first ? end : wanted;
    end = next;
  }
  return end;
}

// A function of which there are clones for processors must have a symbol.
namespace lq::gptq {
/// to -= from * factor.
// NOLINTNEXTLINE(misc-use-internal-linkage)
LQ_WIDE_VECTORS void subtract(const float *from, float factor, float *to,
                              int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    to[i] -= from[i] * factor;
}
} // namespace lq::gptq

/// Rounds the column at a place of the order, of the block [first, end).
void GptqRows::roundColumn(int64_t place, int64_t first, int64_t end) {
  int64_t column = shared.order[place];
  int32_t unitIndex = shared.unitOf[column];
  const Unit &unit = shared.units[unitIndex];
  if (!hasNumbers[unitIndex]) {
    findUnitNumbers(unit);
    hasNumbers[unitIndex] = true;
  }
  int64_t group =
      unit.firstGroup + (column - unit.firstColumn) / unit.run.groupColumns();
  float *weights = work.data() + place * rows;
  float *failed = errors.data() + (place - first) * rows;
  shared.rounders[unit.rounder].round({weights, static_cast<size_t>(rows)},
                                      numbers[group], codes, values);
  const float *u = shared.upper->data() + place * columns;
  float inverse = 1 / u[place];
  for (int64_t r = 0; r < rows; ++r) {
    planes.codes[r * columns + column] = codes[r];
    float e = (weights[r] - values[r]) * inverse;
    // Numbers that are too large for their types are reported by who encodes.
    failed[r] = std::isfinite(e) ? e : 0;
  }
  if (!shared.isDead[column])
    for (int64_t r = 0; r < rows; ++r)
      error += static_cast<double>(failed[r]) * failed[r];
  for (int64_t k = place + 1; k < end; ++k)
    gptq::subtract(failed, u[k], work.data() + k * rows, rows);
  if (!shared.correction)
    return;
  const float *p = shared.correction->data() + place * columns;
  for (int64_t k = place + 1; k < end; ++k)
    gptq::subtract(weights, -p[k], work.data() + k * rows, rows);
}

/// Hands what rounding a block has done on to all columns after it.
void GptqRows::handOn(int64_t first, int64_t end) {
  Strided rest{work.data() + end * rows, rows};
  subtractProduct({shared.upper->data() + first * columns + end, columns},
                  {errors.data(), rows}, end - first, columns - end, rows,
                  rest);
  if (!shared.correction)
    return;
  std::vector<float> minus(work.begin() + first * rows,
                           work.begin() + end * rows);
  for (float &each : minus)
    each = -each;
  subtractProduct({shared.correction->data() + first * columns + end, columns},
                  {minus.data(), rows}, end - first, columns - end, rows, rest);
}

double GptqRows::run() {
  load();
  if (shared.options.staticScales)
    findStaticNumbers();
  for (int64_t first = 0; first < columns;) {
    int64_t end = endOfBlock(first);
    errors.resize((end - first) * rows);
    for (int64_t place = first; place < end; ++place)
      roundColumn(place, first, end);
    handOn(first, end);
    first = end;
  }
  return error;
}

double Gptq::quantize(llvm::ArrayRef<float> weights, Planes &planes) const {
  return GptqRows(*this, weights, planes).run();
}
