//===- WeightUses.h - who reads a weight, and as what -----------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_WEIGHTUSES_H
#define LQ_PASSES_QUANTIZE_WEIGHTUSES_H

#include "dialects/lq/LqOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace lq {

/// The uses of a weight's values. Those that can read any encoding are kept
/// apart from those that need dense elements.
struct WeightUses {
  WeightOp weight;
  llvm::SmallVector<GetOp> gets;
  /// As the weight of `lq.linear` or the table of `lq.embedding`.
  llvm::SmallVector<mlir::OpOperand *> matrixUses;
  llvm::SmallVector<mlir::OpOperand *> otherUses;
  bool isTable = false;
};

/// The uses of each weight of the module, in the order of the weights; a weight
/// that nothing reads has none.
std::vector<WeightUses> collectWeightUses(mlir::ModuleOp module);

/// Erases the ops that get the weight for nothing.
void eraseUnusedGets(WeightUses &uses);

/// Where a weight has gone: its new type and address.
struct WeightAddress {
  mlir::RankedTensorType type;
  std::string file;
  uint64_t offset;
};

/// Points the weight and all who read it to `address`.
void moveWeight(WeightUses &uses, const WeightAddress &address);

/// Points the matrix uses to `address`: moves the weight if it has no others,
/// else adds a weight to the symbol table, called after the old one and
/// `suffix`.
void moveMatrixUses(WeightUses &uses, const WeightAddress &address,
                    mlir::SymbolTable &symbols, llvm::StringRef suffix);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_WEIGHTUSES_H
