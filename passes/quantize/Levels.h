//===- Levels.h - the level nearest to a number -----------------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_LEVELS_H
#define LQ_PASSES_QUANTIZE_LEVELS_H

#include "dialects/lq/Format.h"

namespace lq {

/// The levels of a format in rising order, each once.
struct SortedLevels {
  explicit SortedLevels(const FormatDescription &format);

  std::vector<float> levels;
  /// The code of each level: the lowest, where several stand for it.
  std::vector<uint8_t> codes;
  /// levels.size() - 1 numbers: x is nearest to the level whose index is the
  /// number of bounds below x. Halfway between two levels the one with the
  /// lower code is taken.
  std::vector<float> bounds;

  float lowest() const { return levels.front(); }
  float highest() const { return levels.back(); }
  /// The largest magnitude of a level.
  float largest() const;
};

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_LEVELS_H
