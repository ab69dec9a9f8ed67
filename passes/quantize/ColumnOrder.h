//===- ColumnOrder.h - the order of a matrix's columns ----------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_COLUMNORDER_H
#define LQ_PASSES_QUANTIZE_COLUMNORDER_H

#include "dialects/common/WeightFile.h"
#include "dialects/lq/LqOps.h"

namespace lq {

/// The weight that holds the order in which `permute` takes its input; null if
/// it does not come from `lq.get`.
WeightOp findOrderWeight(PermuteOp permute);

/// The numbers of an order. A diagnostic at the weight if it cannot be read or
/// is no permutation.
mlir::FailureOr<std::vector<int32_t>> readOrder(WeightOp order,
                                                WeightFiles &files);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_COLUMNORDER_H
