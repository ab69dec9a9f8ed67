//===- ModelStatistics.h - statistics of a module's weights -----*- C++ -*-===//

#ifndef LQ_PASSES_CALIBRATE_MODELSTATISTICS_H
#define LQ_PASSES_CALIBRATE_MODELSTATISTICS_H

#include "dialects/common/WeightFile.h"
#include "dialects/lq/LqOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "passes/calibrate/Statistics.h"

namespace lq {

/// By what a matrix is known again: a digest of some of its rows, as the numbers
/// they stand for. A failure has been diagnosed.
mlir::FailureOr<StatisticsWeight> describeWeight(WeightOp weight,
                                                 WeightFiles &files);

/// The name of each of a module's matrices in GGUF files of llama.cpp, for those
/// that have one, and whose columns have no order of their own.
std::vector<std::pair<WeightOp, std::string>>
ggufNamesOf(mlir::ModuleOp module);

/// Opens the file of statistics at `path` for a module, raised and not packed. An
/// imatrix file's weights are called as the module's. A failure, which a file
/// that knows none of the weights is too, has been diagnosed.
mlir::FailureOr<StatisticsFile> openStatistics(mlir::ModuleOp module,
                                               llvm::StringRef path);

/// The statistics of a weight, none if it has none. A failure, such as statistics
/// of another model, has been diagnosed at the weight.
mlir::FailureOr<std::optional<InputStatistics>>
findStatistics(const StatisticsFile &statistics, WeightOp weight,
               WeightFiles &files);

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_MODELSTATISTICS_H
