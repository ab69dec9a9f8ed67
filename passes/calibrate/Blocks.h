//===- Blocks.h - a model as a row of blocks --------------------*- C++ -*-===//
//
// Quantizers that look at activations go through a model layer by layer, so that
// memory is bounded by a layer and a run can stop between two. A block is a part
// of the model's graph as a module of its own: what comes before the first layer,
// each layer, and what comes after the last. One value, the residual stream,
// goes from block to block.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_CALIBRATE_BLOCKS_H
#define LQ_PASSES_CALIBRATE_BLOCKS_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringMap.h"
#include <string>
#include <vector>

namespace lq {

/// The name of the argument and of the result through which a block is joined to
/// its neighbours.
inline constexpr llvm::StringLiteral streamName = "stream";

/// A block of a model.
struct ModelBlock {
  /// "embedding", "layer 0", ..., "head"; "model" where nothing was cut.
  std::string name;
  /// -1 for what is no layer.
  int64_t layer = -1;
  /// A model of named tensors whose function @main takes the stream (but for the
  /// first block) and those of the model's inputs that it needs, by their names,
  /// and gives the stream (but for the last block) and those of the model's
  /// results that it computes, by theirs. Weights are the model's, by name.
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

struct BlockOptions {
  /// Dimensions that have one value in all calls, and the value.
  llvm::StringMap<int64_t> fixed;
  /// The most that `sequence` may be in a generative model; 0: as in the model.
  int64_t maxSequence = 0;
};

/// Cuts a model, raised and not packed, into blocks; it stays as it is. A layer
/// begins at the last value before an attention through which everything goes;
/// what does not depend on embeddings or products (masks, positions) is computed
/// in each block that needs it. Layers between which more than one value goes are
/// one; a model without attentions is one block.
///
/// A generative model is taken as called once on an empty cache, for the logits
/// of all tokens: its only dimension is `sequence`.
mlir::FailureOr<std::vector<ModelBlock>>
cutIntoBlocks(mlir::ModuleOp model, const BlockOptions &options = {});

/// An input of linears of a block, which a result of the block's function gives.
struct Tap {
  /// The weights [N, columns] that it is multiplied by, in order of use.
  std::vector<std::string> weights;
  int64_t columns;
  /// The name of the result.
  std::string result;
};

/// Adds a result to the block's function for each input of its linears. Linears
/// that read the same value share one.
mlir::FailureOr<std::vector<Tap>> addTaps(ModelBlock &block);

/// Leaves out the results of these names, and what only they need.
void dropResults(ModelBlock &block,
                 llvm::function_ref<bool(llvm::StringRef name)> isDropped);

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_BLOCKS_H
