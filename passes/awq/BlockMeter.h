//===- BlockMeter.h - what other weights do to a block's output -*- C++ -*-===//

#ifndef LQ_PASSES_AWQ_BLOCKMETER_H
#define LQ_PASSES_AWQ_BLOCKMETER_H

#include "passes/calibrate/Blocks.h"
#include "passes/calibrate/Executor.h"
#include "passes/calibrate/ModelInputs.h"

namespace lq {

/// Runs the blocks of a model over samples, one after another, each with the
/// inputs that it has in the model as it is. What enters and leaves one block is
/// in memory, and its weights.
class BlockMeter {
public:
  /// `model`: raised and not packed. A failure, like that of all that follows, has
  /// been diagnosed.
  static mlir::FailureOr<std::unique_ptr<BlockMeter>>
  create(mlir::ModuleOp model, std::vector<std::vector<int32_t>> samples,
         const ExecutorProvider &executors, llvm::StringRef workFolder);

  /// Goes on to the block with these weights. False where there is none with all of
  /// them after the current one, or it is the model's last: then the current block
  /// stays.
  mlir::FailureOr<bool> enter(llvm::ArrayRef<llvm::StringRef> weights);

  /// Lets the current block have other elements for a weight.
  mlir::LogicalResult setWeight(llvm::StringRef name,
                                llvm::ArrayRef<float> values);

  /// The squared difference of the block's outputs to what they are in the model,
  /// as a part of what the block adds to the stream that enters it, squared.
  mlir::FailureOr<double> measure();

private:
  explicit BlockMeter(mlir::ModuleOp model) : model(model) {}

  mlir::LogicalResult fail(llvm::Error error);
  mlir::LogicalResult load(size_t block);
  mlir::FailureOr<llvm::ArrayRef<float>> run(size_t sample);

  mlir::ModuleOp model;
  std::vector<std::vector<int32_t>> samples;
  std::optional<ModelInputs> inputs;
  std::vector<ModelBlock> blocks;
  std::unique_ptr<Executor> executor;

  size_t current = 0;
  std::unique_ptr<Executable> executable;
  /// By sample: what enters and what leaves the current block.
  std::vector<std::vector<float>> incoming, outgoing;
  std::vector<int64_t> incomingShape, outgoingShape;
};

} // namespace lq

#endif // LQ_PASSES_AWQ_BLOCKMETER_H
