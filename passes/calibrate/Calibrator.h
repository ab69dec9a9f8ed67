//===- Calibrator.h - runs a model over samples -----------------*- C++ -*-===//

#ifndef LQ_PASSES_CALIBRATE_CALIBRATOR_H
#define LQ_PASSES_CALIBRATE_CALIBRATOR_H

#include "dialects/common/WeightFile.h"
#include "passes/calibrate/Blocks.h"
#include "passes/calibrate/Executor.h"
#include "passes/calibrate/InputSums.h"
#include "passes/calibrate/ModelInputs.h"
#include "passes/calibrate/PositionedFile.h"
#include "passes/calibrate/SequentialGptq.h"
#include "passes/calibrate/WorkState.h"
#include "passes/quantize/Progress.h"

namespace lq {

/// Runs a model over samples of text, block by block: every sample goes through a
/// block before the next block is compiled. So one block's weights, one sample's
/// activations and the sums of one block's inputs are in memory.
class Calibrator {
public:
  struct Options {
    /// The file of statistics to write, and a folder for unfinished work.
    std::string output, work;
    /// Whether to sum up products x x^T.
    bool hasProducts = true;
    /// What the samples are, for people.
    std::string text;
    /// What weights become; empty: they stay as they are. With it inputs are those
    /// that linears have when all weights before them are quantized, in the same
    /// block as well.
    std::string format;
  };

  Calibrator(mlir::ModuleOp model, const Options &options,
             const ExecutorProvider &executors, ProgressCallback progress)
      : model(model), options(options), executors(executors),
        callback(std::move(progress)) {}

  /// Calibrates on samples, all of the same length. Failures have been diagnosed;
  /// the work that was finished stays for the next run.
  mlir::LogicalResult run(llvm::ArrayRef<std::vector<int32_t>> samples);

private:
  mlir::LogicalResult prepare();
  mlir::LogicalResult describeInputs();
  mlir::LogicalResult openWork();
  mlir::LogicalResult runBlock(size_t block, Executor &executor,
                               StatisticsWriter &writer);
  mlir::LogicalResult runQuantized(size_t block, Executor &executor,
                                   StatisticsWriter &writer);
  mlir::FailureOr<std::unique_ptr<Executable>>
  loadPart(size_t block, llvm::StringRef result, Executor &executor,
           const llvm::StringMap<std::vector<float>> &quantized);
  mlir::LogicalResult openIncoming(size_t block);
  mlir::LogicalResult finishBlock(size_t block);
  mlir::LogicalResult runSamples(size_t block, Executable &executable,
                                 size_t firstTap, std::vector<InputSums> &sums);
  mlir::LogicalResult runSample(size_t block, size_t sample,
                                Executable &executable, size_t firstTap,
                                std::vector<InputSums> &sums);
  mlir::LogicalResult keepStream(size_t block, size_t sample,
                                 const TensorView &stream);
  mlir::LogicalResult checkFinite(size_t block, size_t sample, size_t tap,
                                  const TensorView &x);
  mlir::LogicalResult writeSums(size_t block, size_t firstTap,
                                std::vector<InputSums> &sums,
                                StatisticsWriter &writer);
  mlir::LogicalResult fail(llvm::Error error);
  std::string streamFile(size_t block) const {
    return work->file("stream." + llvm::Twine(block));
  }
  int64_t costOf(size_t block) const;
  /// How many times a sample goes through a block.
  int64_t runsOf(size_t block) const {
    return gptq ? static_cast<int64_t>(taps[block].size()) +
                      (block + 1 < blocks.size())
                : 1;
  }

  mlir::ModuleOp model;
  const Options &options;
  const ExecutorProvider &executors;
  ProgressCallback callback;

  llvm::ArrayRef<std::vector<int32_t>> samples;
  std::optional<ModelInputs> inputs;
  std::vector<ModelBlock> blocks;
  /// By block: the inputs of its linears, the first of them among the header's.
  std::vector<std::vector<Tap>> taps;
  std::vector<size_t> firstInput;
  StatisticsHeader header;
  std::optional<SequentialGptq> gptq;
  std::optional<WorkState> work;
  std::optional<Progress> progress;
  /// The stream that enters and the one that leaves the block that runs: a tensor
  /// of the same size for each sample.
  std::optional<PositionedFile> incoming, outgoing;
  std::vector<float> stream;
  std::vector<int64_t> incomingShape, outgoingShape;
};

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_CALIBRATOR_H
