//===- Exl2Candidates.h - mixes of bits to choose among ---------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_EXL2CANDIDATES_H
#define LQ_PASSES_QUANTIZE_EXL2CANDIDATES_H

#include "dialects/lq/LqAttributes.h"
#include "passes/allocate/Knapsack.h"
#include "passes/quantize/Gptq.h"

namespace lq {

/// Formats of falling bits for a matrix of `columns`, a multiple of 32: all columns
/// alike, or a tenth, a quarter or half of them with more bits than the rest.
std::vector<FormatAttrInterface>
mixedBitsCandidates(mlir::MLIRContext &context, int64_t columns, int64_t group);

/// The error of each candidate for some rows of a matrix: the sum of dw H dw^T, in
/// units of that of the weights. `weights` [rows, columns] and `prepared`, for any
/// format, have their columns in the order in which they are stored.
std::vector<double>
measureCandidates(llvm::ArrayRef<FormatAttrInterface> candidates,
                  const Gptq &prepared, llvm::ArrayRef<float> weights,
                  double square, ParallelFor parallelFor);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_EXL2CANDIDATES_H
