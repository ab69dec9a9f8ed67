//===- Recode.h - another encoding of the same codes ------------*- C++ -*-===//
//
// Formats that store integer codes with a scale and perhaps a zero point a group
// differ in bytes alone where bits and groups agree: what one holds the other
// does too, with the same values.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_QUANTIZE_RECODE_H
#define LQ_PASSES_QUANTIZE_RECODE_H

#include "dialects/lq/Format.h"

namespace lq {

/// Whether a matrix with so many columns can have the same codes in both formats,
/// if its numbers allow it.
bool mayRecode(const FormatDescription &from, const FormatDescription &to,
               int64_t columns);

/// Turns planes of one format into the same planes of another that mayRecode()
/// accepts. False if a scale is not exact in the other's type, or a zero point is
/// not what it has for all.
bool recode(const FormatDescription &from, const FormatDescription &to,
            Planes &planes);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_RECODE_H
