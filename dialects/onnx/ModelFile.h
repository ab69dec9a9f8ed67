//===- ModelFile.h - Parse an .onnx file without its tensors ----*- C++ -*-===//

#ifndef LQ_DIALECTS_ONNX_MODELFILE_H
#define LQ_DIALECTS_ONNX_MODELFILE_H

#include "onnx/onnx_pb.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>
#include <vector>

namespace lq::onnx {

/// The classes that protoc made of ONNX's messages.
namespace pb = ::onnx;

/// Where the raw_data of a tensor lies in the .onnx file, in bytes.
struct Payload {
  uint64_t offset;
  uint64_t length;
};

/// Parses the bytes of an .onnx file. The raw_data of every tensor in the
/// result is not the payload but its address, to be read with payloadOf(): so
/// parsing neither copies nor touches the weights.
llvm::Expected<std::unique_ptr<pb::ModelProto>>
parseModel(llvm::ArrayRef<char> file);

/// The address of the payload of a tensor of a model that parseModel() made;
/// the tensor must have raw_data.
Payload payloadOf(const pb::TensorProto &tensor);

/// Where a tensor's external data lies: a path as the model gives it, and bytes.
/// Without a length it is as long as the tensor needs.
struct ExternalData {
  llvm::StringRef location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

/// The external data of a tensor; an error if it is none that may be read.
llvm::Expected<ExternalData> externalDataOf(const pb::TensorProto &tensor);

/// The strings in field `number` of `message`, which may be newer than the
/// library that the classes come from.
std::vector<std::string> newerStrings(const google::protobuf::Message &message,
                                      int number);

/// The last of newerStrings(), or the empty string.
std::string newerString(const google::protobuf::Message &message, int number);

/// The messages of type T in a field that may be newer than the library.
template <typename T>
std::vector<T> newerMessages(const google::protobuf::Message &message,
                             int number) {
  std::vector<T> result;
  for (const std::string &bytes : newerStrings(message, number))
    result.emplace_back().ParseFromString(bytes);
  return result;
}

} // namespace lq::onnx

#endif // LQ_DIALECTS_ONNX_MODELFILE_H
