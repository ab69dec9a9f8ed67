//===- Rope.cpp - Rotary position embeddings, however spelt ---------------===//
//
// Exporters write rotate_half with Slice, Split or Gather, interleaved pairs
// with strided slices or reshapes, partial rotation with Concat, angles with
// MatMul, Expand and Mul in any order. All are linear in x, row by row, so
// three runs decide: x = 1 on the first element of each pair gives cos and
// sin, and random x must then give what the definition says.
//
//===----------------------------------------------------------------------===//

#include "passes/raise/match/Rope.h"
#include "passes/raise/match/Probe.h"
#include <cmath>

using namespace mlir;

namespace lq::raise {

/// Steps from the rotated value back to the one before the rotation.
static constexpr unsigned kMaxSteps = 6;
/// Rows of a table that are evaluated at once.
static constexpr int64_t kTableRows = 512;

RopeTable *RopeTables::find(ArrayRef<double> fingerprint) {
  for (Entry &entry : entries)
    if (ArrayRef<double>(entry.fingerprint) == fingerprint)
      return &entry.table;
  return nullptr;
}

RopeTable &RopeTables::add(ArrayRef<double> fingerprint, RopeTable table) {
  entries.push_back({fingerprint.vec(), std::move(table)});
  return entries.back().table;
}

namespace {

/// A guess: `to` is `from` rotated, with these pairs.
struct Rotation {
  const Graph &graph;
  Heads to, from;
  /// The dimension that counts the rows.
  std::string rowSymbol;
  int64_t pairs;
  bool interleaved;

  /// `count` rows from position `past` on.
  Probe probe(int64_t count, int64_t past) const {
    Probe probe(graph);
    probe.set(rowSymbol, count);
    if (graph.roles().hasPast())
      probe.set(kPast, past);
    return probe;
  }

  int64_t first(int64_t pair) const { return interleaved ? 2 * pair : pair; }
  int64_t second(int64_t pair) const {
    return interleaved ? 2 * pair + 1 : pair + pairs;
  }
  static int64_t batch(const Probe &probe, const Heads &heads) {
    return probe.shapeOf(heads.value)->front();
  }
  static int64_t rows(const Probe &probe, const Heads &heads) {
    unsigned axis = heads.layout == HeadLayout::HeadsFirst ? 2 : 1;
    return (*probe.shapeOf(heads.value))[axis];
  }
  static HeadIndex index(const Probe &probe, const Heads &heads) {
    return {heads.layout, heads.count, rows(probe, heads), heads.size};
  }
};

/// cos and sin of `probe`'s rows: [rows, pairs] each, cos before sin. Empty if
/// the graph cannot be run.
std::vector<double> runTable(const Rotation &rotation, Probe probe) {
  int64_t rows = Rotation::rows(probe, rotation.from);
  int64_t batch = Rotation::batch(probe, rotation.from);
  HeadIndex from = Rotation::index(probe, rotation.from);
  HeadIndex to = Rotation::index(probe, rotation.to);
  if (!probe.sizeOf(rotation.from.value))
    return {};
  std::vector<double> x(batch * rows * rotation.from.count *
                        rotation.from.size);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t h = 0; h < rotation.from.count; ++h)
        for (int64_t p = 0; p < rotation.pairs; ++p)
          x[from(b, h, r, rotation.first(p))] = 1;
  probe.replace(rotation.from.value, x);
  std::vector<double> y = probe.run(rotation.to.value);
  if (y.size() != x.size())
    return {};
  std::vector<double> table(2 * rows * rotation.pairs);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t p = 0; p < rotation.pairs; ++p) {
      table[r * rotation.pairs + p] = y[to(0, 0, r, rotation.first(p))];
      table[(rows + r) * rotation.pairs + p] =
          y[to(0, 0, r, rotation.second(p))];
    }
  return table;
}

/// Whether `y` is `x` rotated by `table`.
bool isRotated(const Rotation &rotation, const Probe &probe,
               ArrayRef<double> table, ArrayRef<double> x, ArrayRef<double> y) {
  int64_t rows = Rotation::rows(probe, rotation.from);
  HeadIndex from = Rotation::index(probe, rotation.from);
  HeadIndex to = Rotation::index(probe, rotation.to);
  auto near = [](double a, double b) { return std::abs(a - b) <= 1e-4; };
  for (int64_t b = 0, e = Rotation::batch(probe, rotation.from); b < e; ++b)
    for (int64_t h = 0; h < rotation.from.count; ++h)
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t p = 0; p < rotation.pairs; ++p) {
          double cos = table[r * rotation.pairs + p];
          double sin = table[(rows + r) * rotation.pairs + p];
          int64_t i = rotation.first(p), j = rotation.second(p);
          double a = x[from(b, h, r, i)], c = x[from(b, h, r, j)];
          if (!near(y[to(b, h, r, i)], a * cos - c * sin) ||
              !near(y[to(b, h, r, j)], c * cos + a * sin))
            return false;
        }
        for (int64_t i = 2 * rotation.pairs; i < rotation.from.size; ++i)
          if (!near(y[to(b, h, r, i)], x[from(b, h, r, i)]))
            return false;
      }
  return true;
}

/// Elements at the end of each head that are passed through.
int64_t countPassedThrough(const Rotation &rotation, const Probe &probe,
                           ArrayRef<double> x, ArrayRef<double> y) {
  int64_t rows = Rotation::rows(probe, rotation.from);
  HeadIndex from = Rotation::index(probe, rotation.from);
  HeadIndex to = Rotation::index(probe, rotation.to);
  for (int64_t i = rotation.from.size - 1; i >= 0; --i)
    for (int64_t r = 0; r < rows; ++r)
      if (x[from(0, 0, r, i)] != y[to(0, 0, r, i)])
        return rotation.from.size - 1 - i;
  return rotation.from.size;
}

/// Fills in pairs and interleaving, and returns the table of the probe's rows;
/// nothing if `to` is not a rotation of `from`.
std::optional<std::vector<double>> determine(Rotation &rotation) {
  Probe probe(rotation.graph);
  std::optional<int64_t> size = probe.sizeOf(rotation.from.value);
  if (!size || !probe.sizeOf(rotation.to.value))
    return std::nullopt;
  std::vector<double> x = noise(*size, /*seed=*/1);
  probe.replace(rotation.from.value, x);
  std::vector<double> y = probe.run(rotation.to.value);
  if (x.size() != y.size())
    return std::nullopt;
  int64_t turned =
      rotation.from.size - countPassedThrough(rotation, probe, x, y);
  if (turned == 0 || rotation.from.size % 2 != 0)
    return std::nullopt;
  // Pairs at the end whose angle is zero look passed through as well.
  for (int64_t pairs : {turned / 2, rotation.from.size / 2})
    for (bool interleaved : {false, true}) {
      rotation.pairs = pairs;
      rotation.interleaved = interleaved;
      std::vector<double> table = runTable(rotation, Probe(rotation.graph));
      if (!table.empty() && isRotated(rotation, probe, table, x, y))
        return table;
    }
  return std::nullopt;
}

/// Adds the rows of `probe` to a table; false if the graph cannot be run.
bool addRows(const Rotation &rotation, const Probe &probe, RopeTable &table) {
  std::vector<double> rows = runTable(rotation, probe);
  if (rows.empty())
    return false;
  size_t half = rows.size() / 2;
  table.cos.insert(table.cos.end(), rows.begin(), rows.begin() + half);
  table.sin.insert(table.sin.end(), rows.begin() + half, rows.end());
  return true;
}

/// The table of positions 0 .. positions - 1, checked against the rows that
/// `expected` has from position `past` on: angles that depend on more than the
/// position (on the length of the text, say) are no table.
std::optional<RopeTable> evaluateTable(const Rotation &rotation,
                                       int64_t positions, int64_t past,
                                       ArrayRef<double> expected) {
  RopeTable table;
  table.positions = positions;
  table.pairs = rotation.pairs;
  bool inBlocks = rotation.graph.roles().hasPast();
  int64_t step = inBlocks ? kTableRows : positions;
  for (int64_t begin = 0; begin < positions; begin += step)
    if (!addRows(rotation,
                 rotation.probe(std::min(step, positions - begin), begin),
                 table))
      return std::nullopt;
  int64_t half = expected.size() / 2;
  for (int64_t i = 0; i < half; ++i) {
    int64_t at = past * rotation.pairs + i;
    if (at >= positions * rotation.pairs)
      break;
    if (table.cos[at] != static_cast<float>(expected[i]) ||
        table.sin[at] != static_cast<float>(expected[half + i]))
      return std::nullopt;
  }
  return table;
}

/// What distinguishes a rotation's table from others in the model.
std::vector<double> fingerprintOf(const Rotation &rotation, int64_t positions,
                                  ArrayRef<double> rows) {
  std::vector<double> fingerprint = rows.vec();
  fingerprint.push_back(rotation.pairs);
  if (rotation.graph.roles().hasPast() && positions > 1) {
    std::vector<double> last =
        runTable(rotation, rotation.probe(1, positions - 1));
    fingerprint.insert(fingerprint.end(), last.begin(), last.end());
  }
  return fingerprint;
}

bool isRotationPart(onnx::NodeOp node) {
  return isMovement(node) || isElementwise(node) ||
         node.getOpType() == "RotaryEmbedding";
}

/// The rotation between `heads` and what they come from, if there is one.
std::optional<std::pair<Rotation, std::vector<double>>>
findRotation(const Graph &graph, const Heads &heads) {
  std::optional<SmallVector<Extent>> shape =
      graph.shapes().shapeOf(heads.value);
  const Extent &rows = (*shape)[heads.layout == HeadLayout::HeadsFirst ? 2 : 1];
  StringRef rowSymbol =
      rows.terms.empty() ? StringRef() : StringRef(rows.terms.begin()->first);
  if (rowSymbol.empty() || rows != Extent::symbol(rowSymbol))
    return std::nullopt;
  Value current = heads.value;
  for (unsigned step = 0; step < kMaxSteps; ++step) {
    std::optional<Value> next = graph.source(current, isRotationPart);
    if (!next)
      return std::nullopt;
    current = *next;
    for (const Heads &from : possibleHeads(graph, current, heads.size, rows)) {
      if (from.count != heads.count)
        continue;
      Rotation rotation{graph, heads, from, rowSymbol.str(), 0, false};
      if (auto table = determine(rotation))
        return std::pair(rotation, std::move(*table));
    }
  }
  return std::nullopt;
}

} // namespace

std::optional<RotatedHeads> matchRope(const Graph &graph, const Heads &heads,
                                      int64_t positions, RopeTables &tables) {
  auto found = findRotation(graph, heads);
  if (!found)
    return std::nullopt;
  auto &[rotation, rows] = *found;
  std::vector<double> fingerprint = fingerprintOf(rotation, positions, rows);
  RopeTable *table = tables.find(fingerprint);
  if (!table) {
    std::optional<RopeTable> evaluated =
        evaluateTable(rotation, positions, Probe(graph).past(), rows);
    if (!evaluated)
      return std::nullopt;
    table = &tables.add(fingerprint, std::move(*evaluated));
  }
  return RotatedHeads{rotation.from, rotation.interleaved, table};
}

} // namespace lq::raise
