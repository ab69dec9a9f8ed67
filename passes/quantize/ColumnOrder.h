//===- ColumnOrder.h - the order of a matrix's columns ----------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_COLUMNORDER_H
#define LQ_PASSES_QUANTIZE_COLUMNORDER_H

#include "dialects/common/WeightArchive.h"
#include "dialects/common/WeightFile.h"
#include "dialects/lq/LqOps.h"
#include "passes/quantize/WeightUses.h"

namespace lq {

/// The weight that holds the order in which `permute` takes its input; null if
/// it does not come from `lq.get`.
WeightOp findOrderWeight(PermuteOp permute);

/// The numbers of an order. A diagnostic at the weight if it cannot be read or
/// is no permutation.
mlir::FailureOr<std::vector<int32_t>> readOrder(WeightOp order,
                                                WeightFiles &files);

/// Adds the numbers of an order to an archive that IR calls `file`.
llvm::Expected<WeightAddress> writeOrder(llvm::ArrayRef<int32_t> order,
                                         WeightArchive &archive,
                                         llvm::StringRef file,
                                         mlir::MLIRContext &context);

/// Makes the weight that holds an order, called after the first weight, `near`,
/// that has its columns in it.
WeightOp makeOrderWeight(const WeightAddress &address, WeightOp near,
                         mlir::SymbolTable &symbols);

/// Lets linears read their input in an order, where one operation serves all
/// that read the same.
class InputOrders {
public:
  void permute(LinearOp linear, WeightOp order);

private:
  llvm::DenseMap<std::pair<mlir::Value, mlir::Operation *>, mlir::Value> made;
};

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_COLUMNORDER_H
