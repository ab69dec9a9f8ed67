//===- SequentialGptq.h - weights as GPTQ will leave them -------*- C++ -*-===//

#ifndef LQ_PASSES_CALIBRATE_SEQUENTIALGPTQ_H
#define LQ_PASSES_CALIBRATE_SEQUENTIALGPTQ_H

#include "dialects/common/WeightFile.h"
#include "passes/calibrate/Statistics.h"
#include "passes/quantize/Gptq.h"
#include "passes/quantize/WeightChoice.h"
#include "llvm/ADT/StringMap.h"

namespace lq {

/// What lq-gptq makes of a model's weights, one after another, while the model is
/// calibrated: what comes after a weight then sees the inputs that it will have in
/// the quantized model.
class SequentialGptq {
public:
  /// `format`: the name of a format or mix, or the file of a recipe. A failure has
  /// been diagnosed.
  static mlir::FailureOr<SequentialGptq> create(mlir::ModuleOp module,
                                                llvm::StringRef format);

  /// The values [N, K] of a weight after it was quantized by these sums; empty if
  /// it stays as it is. A failure has been diagnosed.
  mlir::FailureOr<std::vector<float>> quantize(llvm::StringRef weight,
                                               const InputStatistics &input);

private:
  SequentialGptq() = default;
  mlir::LogicalResult prepare(const EncodingJob &job,
                              const InputStatistics &input);

  std::unique_ptr<WeightFiles> files;
  std::vector<EncodingJob> jobs;
  llvm::StringMap<size_t> jobOf;
  /// Of the last weight, its input and its format: q, k and v share all three.
  std::optional<Gptq> gptq;
  std::string preparedInput;
  FormatAttrInterface preparedFormat;
};

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_SEQUENTIALGPTQ_H
