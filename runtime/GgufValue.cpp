//===- GgufValue.cpp - metadata values of GGUF files ----------------------===//

#include "runtime/Gguf.h"
#include "runtime/Sha256.h"

#include <cstring>
#include <limits>

using namespace lq;

template <typename T> static void appendScalar(std::string &out, T value) {
  out.append(reinterpret_cast<const char *>(&value), sizeof(T));
}

template <typename T> static T readScalar(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

/// Bytes of an array's element type and length, before its elements.
static constexpr size_t arrayHeaderSize = sizeof(uint32_t) + sizeof(uint64_t);

/// Calls `action` with a value of the C++ type of a scalar type; false for
/// strings and arrays.
template <typename Action> static bool visitScalar(GgufType type, Action act) {
  switch (type) {
  case GgufType::U8:
  case GgufType::Bool:
    act(uint8_t{});
    return true;
  case GgufType::I8:
    act(int8_t{});
    return true;
  case GgufType::U16:
    act(uint16_t{});
    return true;
  case GgufType::I16:
    act(int16_t{});
    return true;
  case GgufType::U32:
    act(uint32_t{});
    return true;
  case GgufType::I32:
    act(int32_t{});
    return true;
  case GgufType::F32:
    act(float{});
    return true;
  case GgufType::U64:
    act(uint64_t{});
    return true;
  case GgufType::I64:
    act(int64_t{});
    return true;
  case GgufType::F64:
    act(double{});
    return true;
  case GgufType::String:
  case GgufType::Array:
    return false;
  }
  return false;
}

template <typename Strings> static std::string encodeStrings(const Strings &s) {
  std::string out;
  for (std::string_view text : s) {
    appendScalar<uint64_t>(out, text.size());
    out += text;
  }
  return out;
}

GgufValue::GgufValue(std::string_view text)
    : GgufValue(GgufType::String,
                encodeStrings(std::vector<std::string_view>{text})) {}

GgufValue::GgufValue(const std::vector<std::string> &values)
    : GgufValue(GgufType::Array, arrayHeader(GgufType::String, values.size()) +
                                     encodeStrings(values)) {}

GgufValue::GgufValue(const std::vector<std::string_view> &values)
    : GgufValue(GgufType::Array, arrayHeader(GgufType::String, values.size()) +
                                     encodeStrings(values)) {}

std::string GgufValue::arrayHeader(GgufType element, uint64_t count) {
  std::string out;
  appendScalar(out, static_cast<uint32_t>(element));
  appendScalar(out, count);
  return out;
}

GgufType GgufValue::elementType() const {
  return kind == GgufType::Array
             ? static_cast<GgufType>(readScalar<uint32_t>(view))
             : kind;
}

uint64_t GgufValue::size() const {
  return kind == GgufType::Array
             ? readScalar<uint64_t>(view.substr(sizeof(uint32_t)))
             : 1;
}

static Error typeError(const char *wanted) {
  return makeError(ErrorCode::Corrupt, "expected ", wanted);
}

/// Reads integers of any type into int64_t; false if one does not fit.
template <typename T>
static bool decodeIntegers(std::string_view bytes, std::vector<int64_t> &out) {
  for (size_t i = 0; i + sizeof(T) <= bytes.size(); i += sizeof(T)) {
    T value = readScalar<T>(bytes.substr(i));
    if constexpr (std::is_same_v<T, uint64_t>)
      if (value > uint64_t(std::numeric_limits<int64_t>::max()))
        return false;
    out.push_back(static_cast<int64_t>(value));
  }
  return true;
}

static bool decodeIntegers(GgufType type, std::string_view bytes,
                           std::vector<int64_t> &out) {
  bool fits = false;
  visitScalar(type, [&](auto zero) {
    if constexpr (std::is_integral_v<decltype(zero)>)
      fits = decodeIntegers<decltype(zero)>(bytes, out);
  });
  return fits;
}

Expected<int64_t> GgufValue::asInteger() const {
  std::vector<int64_t> values;
  if (kind == GgufType::Array || !decodeIntegers(kind, view, values))
    return typeError("an integer");
  return values.front();
}

Expected<double> GgufValue::asFloat() const {
  double value = 0;
  bool isScalar = visitScalar(kind, [&](auto zero) {
    value = static_cast<double>(readScalar<decltype(zero)>(view));
  });
  if (!isScalar)
    return typeError("a number");
  return value;
}

Expected<bool> GgufValue::asBool() const {
  if (kind != GgufType::Bool)
    return typeError("a boolean");
  return view[0] != 0;
}

Expected<std::string_view> GgufValue::asString() const {
  if (kind != GgufType::String)
    return typeError("a string");
  return view.substr(sizeof(uint64_t));
}

Expected<std::vector<std::string_view>> GgufValue::asStrings() const {
  if (kind != GgufType::Array || elementType() != GgufType::String)
    return typeError("an array of strings");
  std::vector<std::string_view> values(size());
  std::string_view rest = view.substr(arrayHeaderSize);
  for (std::string_view &value : values) {
    auto length = static_cast<size_t>(readScalar<uint64_t>(rest));
    value = rest.substr(sizeof(uint64_t), length);
    rest.remove_prefix(sizeof(uint64_t) + length);
  }
  return values;
}

Expected<std::vector<int64_t>> GgufValue::asIntegers() const {
  std::vector<int64_t> values;
  if (kind != GgufType::Array ||
      !decodeIntegers(elementType(), view.substr(arrayHeaderSize), values))
    return typeError("an array of integers");
  return values;
}

Expected<std::vector<float>> GgufValue::asFloats() const {
  if (kind != GgufType::Array || elementType() != GgufType::F32)
    return typeError("an array of f32");
  std::vector<float> values(size());
  if (!values.empty())
    std::memcpy(values.data(), view.data() + arrayHeaderSize,
                values.size() * sizeof(float));
  return values;
}

std::string lq::hashTokenizerMetadata(const GgufReader::Metadata &metadata) {
  Sha256 hash;
  for (const auto &[key, value] : metadata) {
    if (!key.starts_with("tokenizer.") && !key.starts_with("lq.tokenizer."))
      continue;
    std::string head;
    appendScalar<uint64_t>(head, key.size());
    head += key;
    appendScalar(head, static_cast<uint32_t>(value.type()));
    hash.update(head);
    hash.update(value.bytes());
  }
  return hash.hex();
}
