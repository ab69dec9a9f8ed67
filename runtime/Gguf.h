//===- Gguf.h - reader and writer of the GGUF container ---------*- C++ -*-===//
//
// GGUF version 3 (little endian): a header, metadata key/value pairs, tensor
// infos, then the aligned bytes of each tensor. An lq artifact is such a file,
// and so are the model files of llama.cpp. The description is ggml's
// docs/gguf.md.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_RUNTIME_GGUF_H
#define LQ_RUNTIME_GGUF_H

#include "runtime/Error.h"
#include "runtime/MappedFile.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

namespace lq {

/// Types of metadata values, by their numbers in the file.
enum class GgufType : uint32_t {
  U8 = 0,
  I8 = 1,
  U16 = 2,
  I16 = 3,
  U32 = 4,
  I32 = 5,
  F32 = 6,
  Bool = 7,
  String = 8,
  Array = 9,
  U64 = 10,
  I64 = 11,
  F64 = 12,
};

/// The GGUF type of a C++ scalar.
template <typename T> constexpr GgufType ggufTypeOf() {
  if constexpr (std::is_same_v<T, bool>)
    return GgufType::Bool;
  else if constexpr (std::is_same_v<T, float>)
    return GgufType::F32;
  else if constexpr (std::is_same_v<T, double>)
    return GgufType::F64;
  else {
    static_assert(std::is_integral_v<T>, "not a GGUF scalar");
    constexpr bool isSigned = std::is_signed_v<T>;
    switch (sizeof(T)) {
    case 1:
      return isSigned ? GgufType::I8 : GgufType::U8;
    case 2:
      return isSigned ? GgufType::I16 : GgufType::U16;
    case 4:
      return isSigned ? GgufType::I32 : GgufType::U32;
    default:
      return isSigned ? GgufType::I64 : GgufType::U64;
    }
  }
}

/// A metadata value: its type and its bytes as they stand in the file. A value
/// of a reader points into the reader's mapping and lives as long as that; one
/// made here owns its bytes.
class GgufValue {
public:
  /// A scalar of the file type that matches the C++ type.
  template <typename T>
    requires std::is_arithmetic_v<T>
  explicit GgufValue(T value) : GgufValue(ggufTypeOf<T>(), encode(&value, 1)) {}
  explicit GgufValue(std::string_view text);
  explicit GgufValue(const std::string &text)
      : GgufValue(std::string_view(text)) {}
  explicit GgufValue(const char *text) : GgufValue(std::string_view(text)) {}
  /// An array of scalars.
  template <typename T>
    requires std::is_arithmetic_v<T>
  explicit GgufValue(const std::vector<T> &values)
      : GgufValue(GgufType::Array, arrayHeader(ggufTypeOf<T>(), values.size()) +
                                       encodeVector(values)) {}
  /// Arrays of strings.
  explicit GgufValue(const std::vector<std::string> &values);
  explicit GgufValue(const std::vector<std::string_view> &values);

  GgufType type() const { return kind; }
  /// Of an array: the type of its elements and their number.
  GgufType elementType() const;
  uint64_t size() const;
  /// The value without its type number, as in the file.
  std::string_view bytes() const { return view; }

  /// Any integer (or boolean) type, if the value fits.
  Expected<int64_t> asInteger() const;
  Expected<double> asFloat() const;
  Expected<bool> asBool() const;
  /// Points into the value's bytes.
  Expected<std::string_view> asString() const;
  /// Arrays; strings point into the value's bytes.
  Expected<std::vector<std::string_view>> asStrings() const;
  Expected<std::vector<int64_t>> asIntegers() const;
  Expected<std::vector<float>> asFloats() const;

private:
  friend class GgufParser;
  /// Not owned; `bytes` must be well-formed for the type.
  GgufValue(GgufType type, std::string_view bytes) : kind(type), view(bytes) {}
  GgufValue(GgufType type, std::string &&bytes)
      : kind(type),
        owner(std::make_shared<const std::string>(std::move(bytes))),
        view(*owner) {}

  static std::string arrayHeader(GgufType element, uint64_t count);
  template <typename T> static std::string encode(const T *data, size_t n) {
    return std::string(reinterpret_cast<const char *>(data), n * sizeof(T));
  }
  template <typename T>
  static std::string encodeVector(const std::vector<T> &values) {
    if constexpr (std::is_same_v<T, bool>)
      return std::string(values.begin(), values.end());
    else
      return encode(values.data(), values.size());
  }

  GgufType kind;
  std::shared_ptr<const std::string> owner;
  std::string_view view;
};

/// Type number of a tensor of plain bytes (ggml's I8), with dims [byte count].
inline constexpr uint32_t ggufByteTensor = 24;

/// A tensor of a GGUF file.
struct GgufTensor {
  std::string name;
  /// ggml's number of the element type.
  uint32_t type;
  /// Sizes with the fastest changing dimension first, as in the file.
  std::vector<uint64_t> dims;
  /// The tensor's bytes; point into the reader's mapping.
  std::span<const uint8_t> bytes;
  /// Offset of `bytes` in the file.
  uint64_t fileOffset;
};

/// Bytes of a tensor of `elements` elements of ggml's type number `type`, whose
/// rows have `rowElements`; fails for unknown types and broken blocks.
Expected<uint64_t> ggufTensorBytes(uint32_t type, uint64_t rowElements,
                                   uint64_t rows);

/// ggml's name of a tensor type, in lower case: "f32", "q4_0"; empty for unknown
/// numbers. And the number of a name; nothing for unknown names.
std::string_view ggufTypeName(uint32_t type);
std::optional<uint32_t> ggufTypeNumber(std::string_view name);

/// A GGUF file, parsed and checked: every value is well-formed and every tensor
/// lies inside the file. Immutable, so threads may share it.
class GgufReader {
public:
  using Metadata = std::map<std::string, GgufValue, std::less<>>;

  GgufReader(GgufReader &&) = default;
  GgufReader &operator=(GgufReader &&) = default;

  /// Maps and parses a file. The error names the file.
  static Expected<GgufReader> open(const std::string &path);
  /// Parses an already mapped file.
  static Expected<GgufReader> parse(std::shared_ptr<const MappedFile> file);

  const std::string &path() const { return file->path(); }
  const MappedFile &mapping() const { return *file; }
  const Metadata &metadata() const { return values; }
  /// Null if there is no such key or tensor.
  const GgufValue *find(std::string_view key) const;
  const GgufTensor *findTensor(std::string_view name) const;
  /// In file order.
  const std::vector<GgufTensor> &tensors() const { return tensorList; }
  uint64_t alignment() const { return dataAlignment; }

private:
  friend class GgufParser;
  GgufReader() = default;

  std::shared_ptr<const MappedFile> file;
  Metadata values;
  std::vector<GgufTensor> tensorList;
  std::unordered_map<std::string_view, size_t> tensorIndex;
  uint64_t dataAlignment = 32;
};

/// Takes the bytes of a tensor while a file is written.
class GgufSink {
public:
  virtual ~GgufSink() = default;
  /// Appends bytes. After a failure the producer should return that error.
  virtual Error write(std::span<const uint8_t> bytes) = 0;
  Error write(std::string_view bytes) {
    return write(
        {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
  }
};

/// Collects metadata and tensors, then writes the file in one go. Tensors are
/// produced one after another while writing, so that none needs to be in
/// memory as a whole.
class GgufWriter {
public:
  /// Writes exactly `byteSize` bytes to the sink.
  using Producer = std::function<Error(GgufSink &)>;

  /// `alignment` (a power of two, at least 8) is that of each tensor's bytes;
  /// it is written as `general.alignment`.
  explicit GgufWriter(uint32_t alignment = 32);

  /// Sets or replaces a metadata value.
  void setMetadata(const std::string &key, GgufValue value);
  const GgufReader::Metadata &metadata() const { return values; }

  /// Adds a tensor: `dims` with the fastest changing dimension first. The
  /// producer is called once, in `finish`, in the order of addition.
  void addTensor(std::string name, uint32_t type, std::vector<uint64_t> dims,
                 uint64_t byteSize, Producer producer);
  /// Adds a tensor of plain bytes (`ggufByteTensor`) that must stay valid until
  /// `finish` returns.
  void addBytes(std::string name, std::span<const uint8_t> bytes);

  /// Writes to a temporary file beside `path`, flushes it to disk and renames
  /// it. On failure nothing is left, and an existing file stays as it was.
  Error finish(const std::string &path);

private:
  struct Tensor {
    std::string name;
    uint32_t type;
    std::vector<uint64_t> dims;
    uint64_t byteSize;
    Producer producer;
  };

  std::string header() const;

  uint32_t alignment;
  GgufReader::Metadata values;
  std::vector<Tensor> tensors;
};

/// SHA-256 (lower-case hex) over the tokenizer's part of the metadata: for each
/// key that starts with "tokenizer." or "lq.tokenizer.", in byte order of the
/// keys: the key's length (u64, little endian), the key, the value's type (u32)
/// and the value's bytes. The artifact's writer stores it, the loader checks
/// it.
std::string hashTokenizerMetadata(const GgufReader::Metadata &metadata);

} // namespace lq

#endif // LQ_RUNTIME_GGUF_H
