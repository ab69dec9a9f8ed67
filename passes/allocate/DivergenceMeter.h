//===- DivergenceMeter.h - what a changed weight does -----------*- C++ -*-===//

#ifndef LQ_PASSES_ALLOCATE_DIVERGENCEMETER_H
#define LQ_PASSES_ALLOCATE_DIVERGENCEMETER_H

#include "dialects/common/WeightFile.h"
#include "passes/calibrate/Blocks.h"
#include "passes/calibrate/Executor.h"
#include "passes/calibrate/ModelInputs.h"
#include "passes/calibrate/PositionedFile.h"
#include "passes/calibrate/WorkState.h"
#include "passes/quantize/Progress.h"

namespace lq {

/// Other elements for a weight.
struct WeightChange {
  std::string weight;
  /// What tells this change from others of the weight, for the key of the work.
  std::string what;
  /// Makes the elements [N, K] that it has instead; a failure has been diagnosed.
  std::function<mlir::FailureOr<std::vector<float>>()> makeValues;
};

/// Measures how far changes of single weights drive a model's output from what it
/// was.
///
/// The streams of all changes go through the model together, block after block, so
/// that each block is compiled and read once and memory does not grow with the
/// model; they wait in files between blocks. A change begins at the first block
/// that has its weight.
class DivergenceMeter {
public:
  struct Options {
    /// A folder for unfinished work. It stays if a run is interrupted, and the
    /// next one with the same changes and samples goes on there.
    std::string work;
    ProgressCallback progress;
  };

  /// `model`: raised, not packed, with logits; it stays as it is.
  DivergenceMeter(mlir::ModuleOp model, const ExecutorProvider &executors,
                  const Options &options)
      : model(model), executors(executors), options(options) {}

  /// For each change the mean over all tokens of the samples, which have one length,
  /// of KL(p || q) in nats: p the distribution of the next token by the model, q
  /// that by the changed model. Failures have been diagnosed.
  mlir::FailureOr<std::vector<double>>
  measure(llvm::ArrayRef<std::vector<int32_t>> samples,
          llvm::ArrayRef<WeightChange> changes);

private:
  mlir::LogicalResult prepare();
  mlir::LogicalResult runBlock(size_t block, Executor &executor);
  mlir::LogicalResult runLast(Executor &executor);
  mlir::LogicalResult runVariant(size_t block, Executable &executable,
                                 size_t variant);
  mlir::FailureOr<llvm::ArrayRef<TensorView>> runSample(size_t block,
                                                        Executable &executable,
                                                        size_t variant,
                                                        size_t sample);
  mlir::FailureOr<llvm::ArrayRef<float>>
  runLogits(Executable &executable, size_t variant, size_t sample);
  mlir::LogicalResult setChange(size_t block, Executable &executable,
                                size_t variant, bool isChanged);
  bool isIn(size_t variant, size_t block) const;
  size_t countVariants(size_t block) const;
  int64_t costOf(size_t block) const;
  std::string streamFile(size_t block) const {
    return work->file("stream." + llvm::Twine(block));
  }
  /// Where a stream of so many elements lies in its file.
  uint64_t placeOf(size_t variant, size_t sample, size_t size) const {
    return (variant * samples.size() + sample) * size * sizeof(float);
  }
  mlir::FailureOr<std::string> keyOf();
  mlir::LogicalResult fail(llvm::Error error);

  mlir::ModuleOp model;
  const ExecutorProvider &executors;
  Options options;

  llvm::ArrayRef<std::vector<int32_t>> samples;
  /// Variant 0 is the model itself, variant i + 1 has changes[i].
  llvm::ArrayRef<WeightChange> changes;
  std::unique_ptr<WeightFiles> files;
  std::optional<ModelInputs> inputs;
  std::vector<ModelBlock> blocks;
  /// By variant: the first block that it differs in, 0 for the model itself.
  std::vector<size_t> firstBlocks;
  std::optional<WorkState> work;
  std::optional<Progress> progress;
  std::optional<PositionedFile> incoming, outgoing;
  std::vector<float> stream;
  std::vector<int64_t> incomingShape, outgoingShape;
  std::vector<double> divergences;
};

/// Sum over rows of KL(softmax(a) || softmax(b)) in nats; `a` and `b` are [rows,
/// columns]. On all processors, with a result that does not depend on how many
/// there are.
double sumDivergence(mlir::MLIRContext *context, llvm::ArrayRef<float> a,
                     llvm::ArrayRef<float> b, int64_t columns);

} // namespace lq

#endif // LQ_PASSES_ALLOCATE_DIVERGENCEMETER_H
