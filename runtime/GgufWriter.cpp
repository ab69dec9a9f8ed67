//===- GgufWriter.cpp - writes GGUF files ---------------------------------===//

#include "runtime/AtomicFile.h"
#include "runtime/Gguf.h"

#include <bit>
#include <cassert>

using namespace lq;

template <typename T> static void append(std::string &out, T value) {
  out.append(reinterpret_cast<const char *>(&value), sizeof(T));
}

static void appendString(std::string &out, std::string_view text) {
  append<uint64_t>(out, text.size());
  out += text;
}

static uint64_t alignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

namespace {
/// Passes a tensor's bytes on to the file.
class TensorSink final : public GgufSink {
public:
  TensorSink(AtomicFile &file) : file(file) {}
  Error write(std::span<const uint8_t> bytes) override {
    return file.write(bytes);
  }

private:
  AtomicFile &file;
};
} // namespace

GgufWriter::GgufWriter(uint32_t alignment) : alignment(alignment) {
  assert(std::has_single_bit(alignment) && alignment >= 8);
  setMetadata("general.alignment", GgufValue(alignment));
}

void GgufWriter::setMetadata(const std::string &key, GgufValue value) {
  values.insert_or_assign(key, std::move(value));
}

void GgufWriter::addTensor(std::string name, uint32_t type,
                           std::vector<uint64_t> dims, uint64_t byteSize,
                           Producer producer) {
  tensors.push_back(
      {std::move(name), type, std::move(dims), byteSize, std::move(producer)});
}

void GgufWriter::addBytes(std::string name, std::span<const uint8_t> bytes) {
  addTensor(std::move(name), ggufByteTensor, {bytes.size()}, bytes.size(),
            [bytes](GgufSink &sink) { return sink.write(bytes); });
}

std::string GgufWriter::header() const {
  std::string out = "GGUF";
  append<uint32_t>(out, 3);
  append<uint64_t>(out, tensors.size());
  append<uint64_t>(out, values.size());
  for (const auto &[key, value] : values) {
    appendString(out, key);
    append(out, static_cast<uint32_t>(value.type()));
    out += value.bytes();
  }
  uint64_t offset = 0;
  for (const Tensor &tensor : tensors) {
    appendString(out, tensor.name);
    append(out, static_cast<uint32_t>(tensor.dims.size()));
    for (uint64_t dim : tensor.dims)
      append(out, dim);
    append(out, tensor.type);
    append(out, offset);
    offset = alignUp(offset + tensor.byteSize, alignment);
  }
  return out;
}

static Error pad(AtomicFile &file, uint64_t alignment) {
  uint64_t missing = alignUp(file.offset(), alignment) - file.offset();
  return file.write(std::string(missing, '\0'));
}

Error GgufWriter::finish(const std::string &path) {
  auto file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  if (Error error = file->write(header()))
    return error;
  for (const Tensor &tensor : tensors) {
    if (Error error = pad(*file, alignment))
      return error;
    uint64_t start = file->offset();
    TensorSink sink(*file);
    if (Error error = tensor.producer(sink))
      return error;
    if (uint64_t written = file->offset() - start; written != tensor.byteSize)
      return makeError(ErrorCode::InvalidArgument, path, ": tensor '",
                       tensor.name, "': expected ", tensor.byteSize,
                       " bytes to be produced, got ", written);
  }
  if (Error error = pad(*file, alignment))
    return error;
  return file->commit();
}
