//===- RoundToNearest.h - codes and scales from weights ---------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_ROUNDTONEAREST_H
#define LQ_PASSES_QUANTIZE_ROUNDTONEAREST_H

#include "dialects/lq/Format.h"
#include "passes/quantize/ParallelFor.h"

namespace lq {

/// Rounds `weights` [planes.rows, planes.columns], all finite, to the nearest
/// levels of the format, with the scales and offsets of its rule; `planes` is
/// already sized. A number (or a value of a format without codes) may come out
/// infinite where the weights are larger than its type can hold.
///
/// Factors that all rows share are not set but read: `planes` holds them, as
/// raiseSharedFactors finds them.
///
/// `importance`, [planes.columns] and not negative, says how much the squared
/// error of a column counts where the rule is a search; empty: all alike.
void roundToNearest(const FormatDescription &format,
                    llvm::ArrayRef<float> weights, Planes &planes,
                    llvm::ArrayRef<float> importance = {});

/// Raises the factors of scales that all rows share, [superGroupCount(columns)]
/// and 0 at first, to what rows of `weights` [.., columns] need. A factor may
/// come out infinite.
void raiseSharedFactors(const FormatDescription &format,
                        llvm::ArrayRef<float> weights, int64_t columns,
                        llvm::MutableArrayRef<float> factors);

/// Those factors for a matrix [rows, columns] of which `readRows` gives rows from
/// `first` on, from several threads at once; empty where rows share none.
std::vector<float> findSharedFactors(
    const FormatDescription &format, int64_t rows, int64_t columns,
    llvm::function_ref<std::vector<float>(int64_t first, int64_t rows)>
        readRows,
    ParallelFor parallelFor);

/// Gives all rows of `planes` these factors; nothing where there are none.
void setSharedFactors(llvm::ArrayRef<float> factors, Planes &planes);

/// The position of the first NaN or infinity; weights.size() if there is none.
size_t findNotFinite(llvm::ArrayRef<float> weights);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_ROUNDTONEAREST_H
