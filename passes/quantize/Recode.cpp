//===- Recode.cpp - another encoding of the same codes --------------------===//

#include "passes/quantize/Recode.h"
#include "dialects/lq/Scalars.h"

#include "llvm/ADT/STLExtras.h"

using namespace lq;

bool lq::mayRecode(const FormatDescription &from, const FormatDescription &to,
                   int64_t columns) {
  auto groupOf = [&](const FormatDescription &format) {
    return std::min(format.groupColumns(columns), columns);
  };
  return hasIntegerGroups(from) && hasIntegerGroups(to) &&
         from.bits == to.bits && groupOf(from) == groupOf(to);
}

bool lq::recode(const FormatDescription &from, const FormatDescription &to,
                Planes &planes) {
  uint8_t middle = 1 << (from.bits - 1);
  if (!from.offset.exists() && to.offset.exists())
    planes.offset.integers.assign(planes.scale.numbers.size(), middle);
  if (from.offset.exists() && !to.offset.exists()) {
    if (llvm::any_of(planes.offset.integers,
                     [&](uint8_t zero) { return zero != middle; }))
      return false;
    planes.offset.integers.clear();
  }
  return llvm::all_of(planes.scale.numbers, [&](float scale) {
    return roundToScalar(to.scale.type, scale) == scale;
  });
}
