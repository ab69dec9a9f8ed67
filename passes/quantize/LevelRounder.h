//===- LevelRounder.h - codes by numbers that are given ---------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_LEVELROUNDER_H
#define LQ_PASSES_QUANTIZE_LEVELROUNDER_H

#include "passes/quantize/Levels.h"

namespace lq {

/// What turns the levels of some weights into values, one of each a weight:
/// value = scale * (level - zero) + offset, levels of integers counted from code 0.
struct LevelNumbers {
  std::vector<float> scale, inverse, zero, offset;

  size_t size() const { return scale.size(); }
  void resize(size_t count);
  /// Sets those of weight `i` to what planes hold for a group, counted in the whole
  /// row; `run` is the one that the group is in.
  void set(size_t i, const FormatDescription &format, const FormatRun &run,
           const Planes &planes, int64_t row, int64_t group);
  /// The same for all of `count` weights.
  void setAll(size_t count, const FormatDescription &format,
              const FormatRun &run, const Planes &planes, int64_t row,
              int64_t group);
};

/// Rounds weights to the nearest of the values that they can have.
class LevelRounder {
public:
  /// `format` has no runs.
  explicit LevelRounder(const FormatDescription &format);

  /// All arrays have as many elements as there are numbers.
  void round(llvm::ArrayRef<float> weights, const LevelNumbers &numbers,
             llvm::MutableArrayRef<uint8_t> codes,
             llvm::MutableArrayRef<float> values) const;

private:
  bool isTable;
  float highest;
  SortedLevels levels;
};

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_LEVELROUNDER_H
