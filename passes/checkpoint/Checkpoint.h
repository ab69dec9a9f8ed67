//===- Checkpoint.h - weights as other software stores them -----*- C++ -*-===//
//
// A checkpoint is a folder of safetensors files with a config.json, as Hugging
// Face's libraries write them, or a GGUF file. It gives weights by the names of
// the modules they belong to, "model.layers.0.self_attn.q_proj.weight", in one
// of lq's formats: by address where the file holds the bytes of the format,
// else row by row, converted without loss.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_CHECKPOINT_CHECKPOINT_H
#define LQ_PASSES_CHECKPOINT_CHECKPOINT_H

#include "dialects/common/WeightFile.h"
#include "dialects/lq/LqOps.h"
#include <functional>
#include <memory>
#include <optional>

namespace lq::checkpoint {

/// A weight of a checkpoint.
struct Weight {
  /// Shape and element type, and the encoding of a matrix that has codes.
  mlir::RankedTensorType type;
  /// What holds the weight, for messages: a path, and the tensors' name.
  std::string file, name;
  /// Where the storage of `type` lies in `file`; -1 if it must be converted.
  int64_t offset = -1;
  /// The bytes at `offset` are those of the transpose.
  bool transposed = false;
  /// Column j is the model's column order[j]; empty if they are the same.
  std::vector<int32_t> order;
  /// The last rows, fewer than `rowPadding`, may be none of the model's.
  int64_t rowPadding = 1;
  /// Writes the storage of rows [first, first + rows) of a weight that must be
  /// converted; of a weight that is no matrix, each element is a row. Called
  /// from several threads.
  std::function<void(int64_t first, int64_t rows,
                     llvm::MutableArrayRef<char> storage)>
      read;

  int64_t rows() const { return type.getRank() == 0 ? 1 : type.getDimSize(0); }
  /// Bytes of a row in storage.
  int64_t rowBytes() const;
};

class Checkpoint {
public:
  /// Opens a folder of safetensors files, or a GGUF file.
  static llvm::Expected<std::unique_ptr<Checkpoint>>
  open(mlir::MLIRContext &context, llvm::StringRef path);
  virtual ~Checkpoint() = default;

  /// The name by which the checkpoint has a weight that Hugging Face's
  /// libraries call `name`; empty if it cannot have such a weight.
  virtual std::string translate(llvm::StringRef name) const = 0;
  /// Whether there is a weight of the checkpoint's own name `name`.
  virtual bool contains(llvm::StringRef name) const = 0;
  /// The weight called `name`, which the checkpoint contains. An error names
  /// the tensor that contradicts another or the configuration.
  virtual llvm::Expected<Weight> get(llvm::StringRef name) = 0;
  /// The bytes of a weight that has an offset, valid as long as the checkpoint.
  llvm::Expected<llvm::ArrayRef<char>> bytes(const Weight &weight);
  /// Names of all weights, without those that no model needs.
  virtual std::vector<std::string> names() const = 0;

  /// Says which rows of a head the model's rotary embeddings take as pairs:
  /// neighbours (`interleaved`) or those of its two halves. From then on get()
  /// gives the rows of queries and keys in that order.
  virtual llvm::Error expectRope(bool interleaved) {
    return llvm::Error::success();
  }

  /// The folder that the files lie in, absolute.
  llvm::StringRef folder() const { return files->folder(); }

protected:
  explicit Checkpoint(std::unique_ptr<WeightFiles> files)
      : files(std::move(files)) {}

  std::unique_ptr<WeightFiles> files;
};

/// The readers that open() chooses from.
llvm::Expected<std::unique_ptr<Checkpoint>>
openSafetensors(mlir::MLIRContext &context, llvm::StringRef folder);
llvm::Expected<std::unique_ptr<Checkpoint>> openGguf(mlir::MLIRContext &context,
                                                     llvm::StringRef path);

} // namespace lq::checkpoint

#endif // LQ_PASSES_CHECKPOINT_CHECKPOINT_H
