//===- InputsOfWeights.h - statistics for a pass's weights ------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_INPUTSOFWEIGHTS_H
#define LQ_PASSES_QUANTIZE_INPUTSOFWEIGHTS_H

#include "mlir/IR/BuiltinOps.h"
#include "passes/calibrate/ModelStatistics.h"
#include "passes/quantize/WeightUses.h"

#include <map>

namespace lq {

/// The statistics that a pass quantizes by, and the weights that have none of use.
class InputsOfWeights {
public:
  enum Need { SumSquare, SumXX };

  /// Opens the file of option `statistics` for a module. An error if the option is
  /// empty, or the file has not what is needed.
  static mlir::FailureOr<InputsOfWeights> open(mlir::ModuleOp module,
                                               llvm::StringRef path, Need need);

  /// The statistics of a weight's inputs; none if it has none or they saw fewer
  /// tokens than `minTokens`, which is remembered; none as well of a table that no
  /// linear multiplies by. A failure has been diagnosed.
  mlir::FailureOr<std::optional<InputStatistics>>
  find(const WeightUses &uses, WeightFiles &files, int64_t minTokens = 1);

  /// Remarks on weights without statistics of use: "weight @a and 3 more are rounded
  /// to nearest: ...", or what else has become of them.
  void remark(llvm::StringRef fate = "rounded to nearest") const;

  const StatisticsFile &file() const { return statistics; }

private:
  explicit InputsOfWeights(StatisticsFile file) : statistics(std::move(file)) {}

  StatisticsFile statistics;
  /// By the reason.
  std::map<std::string, llvm::SmallVector<WeightOp>> without;
};

/// The columns of an input by how large they are, the largest first.
std::vector<int32_t> importanceOrder(const InputStatistics &input);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_INPUTSOFWEIGHTS_H
