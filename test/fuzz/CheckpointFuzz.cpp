//===- CheckpointFuzz.cpp - checkpoints whose tensors may say anything ----===//
//
// The containers have targets of their own; here the container is always well
// formed and what it says may contradict itself. An input is a text, a zero
// byte, and data. Each line of the text is
//
//     {...            the config.json beside a safetensors file
//     gguf            from now on this is a GGUF file
//     key = value     an entry of its metadata: an integer or a text
//     name type n n   a tensor; its bytes are the data, over and over
//
// Whatever they are, each weight is refused with a message, or every row of it
// can be read.
//
//===----------------------------------------------------------------------===//

#include "dialects/lq/Scalars.h"
#include "dialects/lq/Storage.h"
#include "passes/checkpoint/Checkpoint.h"
#include "runtime/Gguf.h"
#include "runtime/Safetensors.h"
#include "test/fuzz/CompilerHarness.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace lq;
using namespace lq::checkpoint;
using namespace mlir;
using fuzz::require;

namespace {

struct Tensor {
  std::string name, type;
  std::vector<uint64_t> shape;
  uint64_t bytes = 0;
};

struct Input {
  std::string config;
  bool isGguf = false;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<Tensor> tensors;
  StringRef data;
};

/// More data than this says nothing new.
constexpr uint64_t maxBytes = 1 << 20;

/// Bytes of a tensor; nothing if the container could not hold it. Zero sizes
/// hide sizes of any length.
std::optional<uint64_t> bytesOf(const Input &input, const Tensor &tensor) {
  if (input.isGguf) {
    auto number = ggufTypeNumber(tensor.type);
    uint64_t rows = 1;
    for (size_t i = 1; i < tensor.shape.size(); ++i)
      if (__builtin_mul_overflow(rows, tensor.shape[i], &rows))
        return std::nullopt;
    auto bytes = ggufTensorBytes(
        number.value_or(~0u), tensor.shape.empty() ? 1 : tensor.shape[0], rows);
    return bytes ? std::optional(*bytes) : std::nullopt;
  }
  auto bits = safetensorsBits(tensor.type);
  uint64_t total = bits.value_or(0);
  for (uint64_t size : tensor.shape)
    if (__builtin_mul_overflow(total, size, &total))
      return std::nullopt;
  return bits && total % 8 == 0 ? std::optional(total / 8) : std::nullopt;
}

/// Nothing if the text describes no file.
std::optional<Input> parse(StringRef bytes) {
  Input input;
  auto [text, data] = bytes.split('\0');
  input.data = data;
  uint64_t total = 0;
  for (StringRef line : llvm::split(text, '\n')) {
    if (line.starts_with("{")) {
      input.config = line.str();
    } else if (line == "gguf") {
      input.isGguf = true;
    } else if (auto [key, value] = line.split(" = "); !value.empty()) {
      input.metadata.emplace_back(key.str(), value.str());
    } else {
      SmallVector<StringRef> words;
      line.split(words, ' ', -1, /*KeepEmpty=*/false);
      if (words.size() < 2)
        continue;
      Tensor tensor{words[0].str(), words[1].str(), {}};
      for (StringRef word : ArrayRef(words).drop_front(2))
        if (uint64_t size; !word.getAsInteger(10, size))
          tensor.shape.push_back(size);
      auto size = bytesOf(input, tensor);
      if (!size || *size > maxBytes || (total += *size) > maxBytes)
        return std::nullopt;
      tensor.bytes = *size;
      input.tensors.push_back(std::move(tensor));
    }
  }
  return input;
}

void append(std::string &file, uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i)
    file.push_back(static_cast<char>(value >> (8 * i)));
}

void appendText(std::string &file, StringRef text) {
  append(file, text.size(), 8);
  file += text;
}

/// `bytes` bytes of the input's data, which begins anew for each tensor.
void appendData(std::string &file, StringRef data, uint64_t bytes) {
  for (uint64_t i = 0; i < bytes; ++i)
    file.push_back(data.empty() ? '\0' : data[i % data.size()]);
}

std::string safetensorsFile(const Input &input) {
  std::string header;
  uint64_t offset = 0;
  for (const Tensor &tensor : input.tensors) {
    header += header.empty() ? "{" : ",";
    header += llvm::formatv(
        "{0}:{{\"dtype\":{1},\"shape\":[{2}],\"data_offsets\":[{3},{4}]}",
        llvm::json::Value(llvm::json::fixUTF8(tensor.name)),
        llvm::json::Value(llvm::json::fixUTF8(tensor.type)),
        llvm::join(
            llvm::map_range(tensor.shape,
                            [](uint64_t size) { return std::to_string(size); }),
            ","),
        offset, offset + tensor.bytes);
    offset += tensor.bytes;
  }
  header += header.empty() ? "{}" : "}";
  std::string file;
  append(file, header.size(), 8);
  file += header;
  for (const Tensor &tensor : input.tensors)
    appendData(file, input.data, tensor.bytes);
  return file;
}

std::string ggufFile(const Input &input) {
  constexpr uint64_t alignment = 32;
  std::string file = "GGUF";
  append(file, 3, 4);
  append(file, input.tensors.size(), 8);
  append(file, input.metadata.size(), 8);
  for (const auto &[key, value] : input.metadata) {
    appendText(file, key);
    int64_t number;
    if (StringRef(value).getAsInteger(10, number)) {
      append(file, static_cast<uint32_t>(GgufType::String), 4);
      appendText(file, value);
    } else {
      append(file, static_cast<uint32_t>(GgufType::I64), 4);
      append(file, static_cast<uint64_t>(number), 8);
    }
  }
  uint64_t offset = 0;
  for (const Tensor &tensor : input.tensors) {
    appendText(file, tensor.name);
    append(file, tensor.shape.size(), 4);
    for (uint64_t size : tensor.shape)
      append(file, size, 8);
    append(file, *ggufTypeNumber(tensor.type), 4);
    append(file, offset, 8);
    offset += llvm::alignTo(tensor.bytes, alignment);
  }
  file.resize(llvm::alignTo(file.size(), alignment));
  for (const Tensor &tensor : input.tensors) {
    appendData(file, input.data, tensor.bytes);
    file.resize(llvm::alignTo(file.size(), alignment));
  }
  return file;
}

/// Writes the files of the checkpoint and returns its path.
std::string write(const Input &input) {
  if (input.isGguf)
    return fuzz::writeFile("model.gguf", ggufFile(input));
  if (input.config.empty())
    fuzz::removeFile("config.json");
  else
    fuzz::writeFile("config.json", input.config);
  fuzz::writeFile("model.safetensors", safetensorsFile(input));
  return fuzz::folder();
}

/// Reads all rows of a weight, in two parts, and what they stand for.
void read(Checkpoint &checkpoint, const Weight &weight) {
  require(weight.type.hasStaticShape(), "a weight has sizes");
  auto size = computeStorageBytes(weight.type);
  require(size.has_value(), "a weight has a size in bytes");
  std::vector<char> storage(*size);
  if (weight.offset < 0) {
    int64_t half = weight.rows() / 2, rowBytes = weight.rowBytes();
    // Vectors of their own, so that writing past one of them is seen.
    std::vector<char> first(half * rowBytes),
        second((weight.rows() - half) * rowBytes);
    weight.read(0, half, first);
    weight.read(half, weight.rows() - half, second);
    llvm::copy(first, storage.begin());
    llvm::copy(second, storage.begin() + half * rowBytes);
  } else {
    auto bytes = checkpoint.bytes(weight);
    require(fuzz::succeeds(bytes), "a weight in a file can be read");
    llvm::copy(*bytes, storage.begin());
  }
  FormatAttrInterface format = getFormat(weight.type);
  if (!format)
    return;
  Planes planes;
  planes.resize(format.getDescription(), weight.rows(),
                weight.type.getDimSize(1));
  format.decode(storage, planes);
  std::vector<float> values(weight.type.getNumElements());
  dequantize(format.getDescription(), planes, values);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto input = parse(StringRef(reinterpret_cast<const char *>(data), size));
  if (!input)
    return -1;
  MLIRContext &context = fuzz::context();
  fuzz::ErrorCounter counter(context);
  context.loadDialect<LqDialect>();
  auto checkpoint = Checkpoint::open(context, write(*input));
  if (!fuzz::succeeds(checkpoint))
    return 0;
  for (bool interleaved : {false, true}) {
    if (!fuzz::succeeds((*checkpoint)->expectRope(interleaved)))
      continue;
    for (const std::string &name : (*checkpoint)->names()) {
      require((*checkpoint)->contains(name), "a listed weight is contained");
      (void)(*checkpoint)->translate(name);
      auto weight = (*checkpoint)->get(name);
      if (fuzz::succeeds(weight))
        read(**checkpoint, *weight);
    }
  }
  return 0;
}
