//===- Rope.h - Rotary position embeddings, however spelt -------*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_MATCH_ROPE_H
#define LQ_PASSES_RAISE_MATCH_ROPE_H

#include "dialects/lq/LqOps.h"
#include "passes/raise/match/Heads.h"
#include <deque>

namespace lq::raise {

/// cos and sin for every position, [positions, pairs] each.
struct RopeTable {
  int64_t positions = 0;
  int64_t pairs = 0;
  std::vector<float> cos, sin;
  /// Its weights, once it was emitted.
  WeightOp cosWeight, sinWeight;
};

/// The tables of a model; layers that rotate alike share one.
class RopeTables {
public:
  /// The table that begins as `fingerprint` says, or null.
  RopeTable *find(llvm::ArrayRef<double> fingerprint);
  RopeTable &add(llvm::ArrayRef<double> fingerprint, RopeTable table);

private:
  struct Entry {
    std::vector<double> fingerprint;
    RopeTable table;
  };
  std::deque<Entry> entries;
};

/// Heads that equal the rotation of other heads.
struct RotatedHeads {
  Heads from;
  bool interleaved = false;
  RopeTable *table = nullptr;
};

/// Whether `heads` are rotated from others: for each row, the elements of a
/// head are turned in pairs by angles that depend on the row's position alone
/// (RoFormer, section 3.2). `positions` is how many the table must cover.
std::optional<RotatedHeads> matchRope(const Graph &graph, const Heads &heads,
                                      int64_t positions, RopeTables &tables);

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_MATCH_ROPE_H
