//===- NodeCase.cpp - One ONNX node test on disk --------------------------===//

#include "NodeCase.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace lq::test {

static constexpr std::pair<const char *, ElementKind> kNames[] = {
    {"bool", ElementKind::Bool}, {"i8", ElementKind::I8},
    {"i16", ElementKind::I16},   {"i32", ElementKind::I32},
    {"i64", ElementKind::I64},   {"u8", ElementKind::U8},
    {"u16", ElementKind::U16},   {"u32", ElementKind::U32},
    {"u64", ElementKind::U64},   {"f16", ElementKind::F16},
    {"bf16", ElementKind::BF16}, {"f32", ElementKind::F32},
    {"f64", ElementKind::F64}};

ElementKind kindNamed(StringRef name) {
  for (auto [text, kind] : kNames)
    if (name == text)
      return kind;
  return ElementKind::Other;
}

StringRef nameOf(ElementKind kind) {
  for (auto [text, candidate] : kNames)
    if (kind == candidate)
      return text;
  return "other";
}

static Expected<std::unique_ptr<MemoryBuffer>> readFile(const Twine &path) {
  auto buffer = MemoryBuffer::getFile(path);
  if (!buffer)
    return createStringError(buffer.getError(), "cannot read " + path);
  return std::move(*buffer);
}

Expected<std::vector<HostTensor>> readInputs(const std::string &folder) {
  auto text = readFile(folder + "/case.json");
  if (!text)
    return text.takeError();
  Expected<json::Value> parsed = json::parse((*text)->getBuffer());
  if (!parsed)
    return parsed.takeError();
  std::vector<HostTensor> inputs;
  for (const json::Value &entry : *parsed->getAsArray()) {
    const json::Object &object = *entry.getAsObject();
    SmallVector<int64_t> shape;
    for (const json::Value &dim : *object.getArray("shape"))
      shape.push_back(*dim.getAsInteger());
    auto bytes = readFile(folder + "/in" + Twine(inputs.size()) + ".bin");
    if (!bytes)
      return bytes.takeError();
    StringRef data = (*bytes)->getBuffer();
    auto tensor =
        HostTensor::fromBytes(kindNamed(*object.getString("type")), shape,
                              ArrayRef<char>(data.begin(), data.end()));
    if (!tensor)
      return createStringError("input of a type that is not supported");
    inputs.push_back(std::move(*tensor));
  }
  return inputs;
}

Error writeOutputs(const std::string &folder, StringRef prefix,
                   ArrayRef<HostTensor> outputs) {
  json::Array list;
  for (auto [index, tensor] : enumerate(outputs)) {
    json::Object entry;
    entry["type"] = nameOf(tensor.kind);
    entry["shape"] = json::Array(tensor.shape);
    entry["data"] = tensor.hasData;
    list.push_back(std::move(entry));
    if (!tensor.hasData)
      continue;
    std::error_code error;
    raw_fd_ostream file((folder + "/" + prefix + Twine(index) + ".bin").str(),
                        error);
    if (error)
      return createStringError(error, "cannot write the outputs");
    std::vector<char> bytes = tensor.toBytes();
    file.write(bytes.data(), bytes.size());
  }
  std::error_code error;
  raw_fd_ostream file((folder + "/" + prefix + ".json").str(), error);
  if (error)
    return createStringError(error, "cannot write the outputs");
  file << json::Value(std::move(list));
  return Error::success();
}

} // namespace lq::test
