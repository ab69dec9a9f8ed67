//===- Search.h - numbers and codes of least squared error ------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_SEARCH_H
#define LQ_PASSES_QUANTIZE_SEARCH_H

#include "dialects/lq/Format.h"

namespace lq {

/// Fills `planes` (already sized) with what is searched for the least sum of
/// importance * (weight - dequantized weight)^2. `weights` [rows, columns] are
/// finite; `importance` [columns] is not negative, or empty for all alike.
/// Scales may be Direct or Product, offsets Direct, Product or none. A number
/// whose type cannot hold what the weights need comes out infinite.
void searchNumbers(const FormatDescription &format,
                   llvm::ArrayRef<float> weights,
                   llvm::ArrayRef<float> importance, Planes &planes);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_SEARCH_H
