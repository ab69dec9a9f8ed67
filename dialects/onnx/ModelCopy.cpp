//===- ModelCopy.cpp - write an ONNX model with other weights -------------===//

#include "dialects/onnx/ModelCopy.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"
#include <limits>

using namespace llvm;
using namespace lq;
using namespace lq::onnx;

static constexpr StringLiteral kModelName = "model.onnx";
static constexpr StringLiteral kDataName = "model.onnx.data";
/// Tensors with more bytes go to the file of data.
static constexpr size_t kInlineBytes = 1024;
/// Large tensors begin at a page, so that they can be mapped.
static constexpr size_t kPage = 4096, kLine = 64, kMapped = 1 << 20;

static llvm::Error fail(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

static llvm::Error convert(lq::Error error) { return fail(error.message()); }

namespace {

/// Calls `visit` for every name that the nodes of a graph read, inner graphs
/// included. A name of an inner graph's own counts too: at worst something
/// outside it is kept.
template <typename Visit>
void forEachRead(const pb::NodeProto &node, Visit visit);

template <typename Visit>
void forEachRead(const pb::GraphProto &graph, Visit visit) {
  for (const pb::NodeProto &node : graph.node())
    forEachRead(node, visit);
  for (const pb::ValueInfoProto &output : graph.output())
    visit(output.name());
}

template <typename Visit>
void forEachRead(const pb::NodeProto &node, Visit visit) {
  for (const std::string &input : node.input())
    visit(input);
  for (const pb::AttributeProto &attribute : node.attribute()) {
    if (attribute.has_g())
      forEachRead(attribute.g(), visit);
    for (const pb::GraphProto &graph : attribute.graphs())
      forEachRead(graph, visit);
  }
}

/// Calls `visit` for every tensor of nodes, those of inner graphs included.
template <typename Visit>
llvm::Error forEachTensor(pb::GraphProto &graph, Visit visit);

template <typename Nodes, typename Visit>
llvm::Error forEachNodeTensor(Nodes &nodes, Visit visit) {
  for (pb::NodeProto &node : nodes)
    for (pb::AttributeProto &attribute : *node.mutable_attribute()) {
      if (attribute.has_t())
        if (llvm::Error error = visit(*attribute.mutable_t()))
          return error;
      for (pb::TensorProto &tensor : *attribute.mutable_tensors())
        if (llvm::Error error = visit(tensor))
          return error;
      if (attribute.has_g())
        if (llvm::Error error = forEachTensor(*attribute.mutable_g(), visit))
          return error;
      for (pb::GraphProto &graph : *attribute.mutable_graphs())
        if (llvm::Error error = forEachTensor(graph, visit))
          return error;
    }
  return llvm::Error::success();
}

template <typename Visit>
llvm::Error forEachTensor(pb::GraphProto &graph, Visit visit) {
  for (pb::TensorProto &tensor : *graph.mutable_initializer())
    if (llvm::Error error = visit(tensor))
      return error;
  for (pb::SparseTensorProto &sparse : *graph.mutable_sparse_initializer())
    for (pb::TensorProto *part :
         {sparse.mutable_values(), sparse.mutable_indices()})
      if (llvm::Error error = visit(*part))
        return error;
  return forEachNodeTensor(*graph.mutable_node(), visit);
}

/// Erases the elements of a repeated field that `isUnwanted`.
template <typename Field, typename Predicate>
void eraseIf(Field &field, Predicate isUnwanted) {
  int kept = 0;
  for (int i = 0, count = field.size(); i < count; ++i)
    if (!isUnwanted(field.Get(i)))
      field.SwapElements(kept++, i);
  field.DeleteSubrange(kept, field.size() - kept);
}

} // namespace

llvm::Expected<std::unique_ptr<ModelCopy>> ModelCopy::open(StringRef file) {
  // As for the import: the user may name the model through links.
  SmallString<256> canonical;
  if (std::error_code error = sys::fs::real_path(file, canonical))
    return fail("cannot open " + quoted(file) + ": " + error.message());
  auto result = std::make_unique<ModelCopy>();
  auto files = WeightFiles::open(sys::path::parent_path(canonical));
  if (!files)
    return files.takeError();
  StringRef name = sys::path::filename(canonical);
  auto size = (*files)->size(name);
  if (!size)
    return size.takeError();
  auto bytes = (*files)->read(name, 0, *size);
  if (!bytes)
    return bytes.takeError();
  if (bytes->size() > std::numeric_limits<int32_t>::max() ||
      !result->model.ParseFromArray(bytes->data(),
                                    static_cast<int>(bytes->size())))
    return fail(quoted(file) + " cannot be parsed as an ONNX model");
  result->files = std::move(*files);
  for (const pb::NodeProto &node : result->graph().node()) {
    result->names.insert(node.name());
    for (const std::string &output : node.output())
      result->names.insert(output);
  }
  for (const pb::ValueInfoProto &input : result->graph().input())
    result->names.insert(input.name());
  for (const pb::TensorProto &tensor : result->graph().initializer())
    result->names.insert(tensor.name());
  return std::move(result);
}

void ModelCopy::useDomain(StringRef domain) {
  for (const pb::OperatorSetIdProto &opset : model.opset_import())
    if (domain == opset.domain())
      return;
  pb::OperatorSetIdProto &opset = *model.add_opset_import();
  opset.set_domain(domain.str());
  opset.set_version(1);
}

std::string ModelCopy::uniqueName(StringRef base) {
  std::string name = base.str();
  for (int suffix = 1; !names.insert(name).second; ++suffix)
    name = (base + "_" + Twine(suffix)).str();
  return name;
}

void ModelCopy::addTensor(StringRef name, int dataType, ArrayRef<int64_t> shape,
                          Produce produce) {
  pb::TensorProto &tensor = *graph().add_initializer();
  tensor.set_name(name.str());
  tensor.set_data_type(dataType);
  for (int64_t extent : shape)
    tensor.add_dims(extent);
  produced[name] = std::move(produce);
}

void ModelCopy::setData(pb::TensorProto &tensor, Produce produce) {
  produced[tensor.name()] = std::move(produce);
}

void ModelCopy::replaceNodes(std::vector<pb::NodeProto> nodes) {
  auto countReads = [&] {
    StringMap<int> reads;
    forEachRead(graph(), [&](StringRef name) { ++reads[name]; });
    return reads;
  };
  StringMap<int> before = countReads();
  graph().clear_node();
  for (pb::NodeProto &node : nodes)
    *graph().add_node() = std::move(node);
  StringMap<int> reads = countReads();
  StringSet<> gone;
  auto isDead = [&](StringRef name) {
    return before.lookup(name) > 0 && reads.lookup(name) == 0;
  };
  // Readers stand after what they read.
  std::vector<bool> dead(graph().node_size());
  for (int i = graph().node_size() - 1; i >= 0; --i) {
    const pb::NodeProto &node = graph().node(i);
    dead[i] = any_of(node.output(), isDead) &&
              none_of(node.output(), [&](const std::string &output) {
                return reads.lookup(output) > 0;
              });
    if (!dead[i])
      continue;
    forEachRead(node, [&](StringRef name) { --reads[name]; });
    for (const std::string &output : node.output())
      gone.insert(output);
  }
  int index = 0;
  eraseIf(*graph().mutable_node(),
          [&](const pb::NodeProto &) { return dead[index++]; });
  eraseIf(*graph().mutable_initializer(), [&](const pb::TensorProto &tensor) {
    return isDead(tensor.name()) && gone.insert(tensor.name()).second;
  });
  auto isGone = [&](const pb::ValueInfoProto &info) {
    return gone.contains(info.name());
  };
  eraseIf(*graph().mutable_value_info(), isGone);
  eraseIf(*graph().mutable_input(), isGone);
}

llvm::Error ModelCopy::append(pb::TensorProto &tensor, ArrayRef<char> bytes) {
  size_t alignment = bytes.size() >= kMapped ? kPage : kLine;
  size_t padding = offsetToAlignment(data->offset(), Align(alignment));
  if (lq::Error error = data->write(std::string(padding, '\0')))
    return convert(std::move(error));
  uint64_t offset = data->offset();
  if (lq::Error error =
          data->write(std::string_view(bytes.data(), bytes.size())))
    return convert(std::move(error));
  tensor.set_data_location(pb::TensorProto::EXTERNAL);
  tensor.clear_raw_data();
  tensor.clear_external_data();
  auto add = [&](StringRef key, std::string value) {
    pb::StringStringEntryProto &entry = *tensor.add_external_data();
    entry.set_key(key.str());
    entry.set_value(std::move(value));
  };
  add("location", kDataName.str());
  add("offset", std::to_string(offset));
  add("length", std::to_string(bytes.size()));
  return llvm::Error::success();
}

/// Copies the external data of a tensor.
llvm::Error ModelCopy::placeExternal(pb::TensorProto &tensor) {
  if (tensor.data_location() != pb::TensorProto::EXTERNAL)
    return llvm::Error::success();
  auto from = externalDataOf(tensor);
  if (!from)
    return from.takeError();
  std::optional<uint64_t> length = from->length;
  if (!length) {
    auto size = files->size(from->location);
    if (!size)
      return size.takeError();
    length = *size - std::min(*size, from->offset);
  }
  auto bytes = files->read(from->location, from->offset, *length);
  return bytes ? append(tensor, *bytes) : bytes.takeError();
}

/// Writes an initializer's data where it belongs.
llvm::Error ModelCopy::place(pb::TensorProto &tensor) {
  auto found = produced.find(tensor.name());
  if (found == produced.end()) {
    if (tensor.data_location() == pb::TensorProto::EXTERNAL)
      return placeExternal(tensor);
    if (tensor.raw_data().size() <= kInlineBytes)
      return llvm::Error::success();
    std::string bytes;
    bytes.swap(*tensor.mutable_raw_data());
    return append(tensor, ArrayRef(bytes.data(), bytes.size()));
  }
  auto bytes = found->second();
  if (!bytes)
    return bytes.takeError();
  tensor.clear_float_data();
  tensor.clear_double_data();
  tensor.clear_int32_data();
  if (bytes->size() > kInlineBytes)
    return append(tensor, *bytes);
  tensor.clear_external_data();
  tensor.clear_data_location();
  tensor.set_raw_data(bytes->data(), bytes->size());
  return llvm::Error::success();
}

llvm::Error ModelCopy::write(StringRef folder) {
  auto file = AtomicFile::create((folder + "/" + kDataName).str());
  if (!file)
    return fail(file.error().message());
  data.emplace(std::move(*file));
  llvm::SmallPtrSet<pb::TensorProto *, 0> placed;
  for (pb::TensorProto &tensor : *graph().mutable_initializer()) {
    placed.insert(&tensor);
    if (llvm::Error error = place(tensor))
      return error;
  }
  auto placeInner = [&](pb::TensorProto &tensor) {
    return placed.contains(&tensor) ? llvm::Error::success()
                                    : placeExternal(tensor);
  };
  if (llvm::Error error = forEachTensor(graph(), placeInner))
    return error;
  for (pb::FunctionProto &function : *model.mutable_functions())
    if (llvm::Error error =
            forEachNodeTensor(*function.mutable_node(), placeInner))
      return error;
  if (data->offset() > 0)
    if (lq::Error error = data->commit())
      return convert(std::move(error));
  data.reset();
  if (model.ByteSizeLong() > std::numeric_limits<int32_t>::max())
    return fail("the graph without its initializers has more than 2 GiB, at "
                "which a protobuf ends");
  if (lq::Error error = writeFileAtomically((folder + "/" + kModelName).str(),
                                            model.SerializeAsString()))
    return convert(std::move(error));
  return llvm::Error::success();
}
