//===- ModelCopy.h - write an ONNX model with other weights -----*- C++ -*-===//

#ifndef LQ_DIALECTS_ONNX_MODELCOPY_H
#define LQ_DIALECTS_ONNX_MODELCOPY_H

#include "dialects/common/WeightFile.h"
#include "dialects/onnx/ModelFile.h"
#include "runtime/AtomicFile.h"
#include "llvm/ADT/StringSet.h"
#include <functional>
#include <map>

namespace lq::onnx {

/// An ONNX model to be changed and written to another folder, as model.onnx and
/// model.onnx.data. All that is not changed stays as it is, fields that are newer
/// than the library included.
class ModelCopy {
public:
  /// Gives the bytes of a tensor, in ONNX's raw form.
  using Produce = std::function<llvm::Expected<std::vector<char>>()>;

  /// Reads the .onnx file `file`.
  static llvm::Expected<std::unique_ptr<ModelCopy>> open(llvm::StringRef file);

  pb::GraphProto &graph() { return *model.mutable_graph(); }
  /// Declares that nodes of `domain` are used; version 1 if none was declared.
  void useDomain(llvm::StringRef domain);
  /// `base`, with a suffix if a value or node of the graph has it already.
  std::string uniqueName(llvm::StringRef base);

  /// Adds an initializer, of elements that ONNX gives the number `dataType`.
  void addTensor(llvm::StringRef name, int dataType,
                 llvm::ArrayRef<int64_t> shape, Produce produce);
  /// Gives an initializer other elements of its type.
  void setData(pb::TensorProto &tensor, Produce produce);

  /// Puts `nodes` in the place of the graph's, and leaves out nodes and
  /// initializers that were read before and no longer are, with what is said
  /// about their values.
  void replaceNodes(std::vector<pb::NodeProto> nodes);

  /// Writes the model into `folder`, with the data of large tensors in a file
  /// beside it, tensor by tensor.
  llvm::Error write(llvm::StringRef folder);

private:
  llvm::Error place(pb::TensorProto &tensor);
  llvm::Error placeExternal(pb::TensorProto &tensor);
  llvm::Error append(pb::TensorProto &tensor, llvm::ArrayRef<char> bytes);

  std::unique_ptr<WeightFiles> files;
  pb::ModelProto model;
  llvm::StringSet<> names;
  /// New bytes of initializers, by name.
  llvm::StringMap<Produce> produced;
  std::optional<AtomicFile> data;
};

} // namespace lq::onnx

#endif // LQ_DIALECTS_ONNX_MODELCOPY_H
