//===- Levels.cpp - the level nearest to a number -------------------------===//

#include "passes/quantize/Levels.h"

#include "llvm/ADT/STLExtras.h"
#include <cmath>

using namespace lq;

SortedLevels::SortedLevels(const FormatDescription &format) {
  std::vector<std::pair<float, uint8_t>> pairs;
  for (unsigned code = 0; code < (1u << format.bits); ++code) {
    // -0 and 0 are one level.
    float level = format.levelOf(static_cast<uint8_t>(code)) + 0.0f;
    pairs.emplace_back(level, static_cast<uint8_t>(code));
  }
  llvm::sort(pairs);
  for (auto [level, code] : pairs) {
    if (!levels.empty() && levels.back() == level)
      continue;
    levels.push_back(level);
    codes.push_back(code);
  }
  for (size_t i = 1; i < levels.size(); ++i) {
    float middle = (levels[i - 1] + levels[i]) / 2;
    bool upperWins = codes[i] < codes[i - 1];
    bounds.push_back(upperWins ? std::nextafterf(middle, -INFINITY) : middle);
  }
}

float SortedLevels::largest() const {
  return std::max(std::fabs(lowest()), std::fabs(highest()));
}
