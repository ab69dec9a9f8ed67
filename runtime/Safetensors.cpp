//===- Safetensors.cpp - reads and writes safetensors files ---------------===//

#include "runtime/Safetensors.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

using namespace lq;
using Json = nlohmann::json;

/// The reference implementation reads no larger header either.
static constexpr uint64_t maxHeaderBytes = 100'000'000;

namespace {
struct ElementBits {
  std::string_view name;
  unsigned bits;
};
} // namespace

static constexpr ElementBits elementBitsTable[] = {
    {"BOOL", 8}, {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},
    {"U16", 16}, {"F16", 16},    {"BF16", 16},   {"I32", 32},    {"U32", 32},
    {"F32", 32}, {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}};

std::optional<unsigned> lq::safetensorsBits(std::string_view name) {
  for (const ElementBits &element : elementBitsTable)
    if (element.name == name)
      return element.bits;
  return std::nullopt;
}

/// Bytes of a tensor; nothing if they are no whole number or do not fit. Neither
/// may the sizes beside one of zero be so large: each is a signed number later.
static std::optional<uint64_t> tensorBytes(std::span<const uint64_t> shape,
                                           unsigned bits) {
  uint64_t total = bits;
  for (uint64_t size : shape)
    if (__builtin_mul_overflow(total, std::max<uint64_t>(size, 1), &total) ||
        total > INT64_MAX)
      return std::nullopt;
  if (std::ranges::find(shape, 0u) != shape.end())
    return 0;
  if (total % 8)
    return std::nullopt;
  return total / 8;
}

namespace lq {
/// Reads the header of a file.
class SafetensorsParser {
public:
  SafetensorsParser(SafetensorsReader &reader, std::span<const uint8_t> file,
                    const std::string &path)
      : reader(reader), file(file), path(path) {}
  Error parse();

private:
  template <typename... Parts> Error corrupt(const Parts &...parts) const {
    return makeError(ErrorCode::Corrupt, path, ": ", parts...);
  }
  Error findHeader(std::string_view &text);
  Error parseJson(std::string_view text, Json &header);
  Error addMetadata(const Json &texts);
  Error addTensor(const std::string &name, const Json &fields);
  Error checkPlaces() const;

  SafetensorsReader &reader;
  std::span<const uint8_t> file;
  const std::string &path;
  /// Where the tensors' bytes begin.
  uint64_t dataStart = 0;
};
} // namespace lq

Error SafetensorsParser::findHeader(std::string_view &text) {
  uint64_t length = 0;
  if (file.size() < sizeof(length))
    return corrupt("not a safetensors file: it has ", file.size(),
                   " bytes, fewer than the length of a header takes");
  std::memcpy(&length, file.data(), sizeof(length));
  if (length > maxHeaderBytes || length > file.size() - sizeof(length))
    return corrupt("not a safetensors file, or truncated: a header of ", length,
                   " bytes is promised in a file of ", file.size());
  dataStart = sizeof(length) + length;
  text = {reinterpret_cast<const char *>(file.data()) + sizeof(length),
          static_cast<size_t>(length)};
  if (!text.starts_with('{'))
    return corrupt("not a safetensors file: the header does not begin with "
                   "'{'");
  return Error::success();
}

Error SafetensorsParser::parseJson(std::string_view text, Json &header) {
  // Names in the object at each depth; the library itself keeps the last of
  // two values of a name.
  std::vector<std::set<std::string, std::less<>>> names;
  std::string twice;
  bool tooDeep = false;
  auto watch = [&](int depth, Json::parse_event_t event, Json &parsed) {
    // {name: {field: [number]}} is as deep as it gets.
    tooDeep |= depth > 3;
    if (tooDeep)
      return false;
    if (event == Json::parse_event_t::object_start)
      names.emplace_back();
    else if (event == Json::parse_event_t::object_end)
      names.pop_back();
    else if (event == Json::parse_event_t::key && twice.empty() &&
             !names.back().insert(parsed.get_ref<const std::string &>()).second)
      twice = parsed.get_ref<const std::string &>();
    return true;
  };
  header = Json::parse(text, watch, /*allow_exceptions=*/false);
  if (header.is_discarded() || tooDeep || !header.is_object())
    return corrupt("the header is not the JSON of a safetensors file");
  if (!twice.empty())
    return corrupt(quoteName(twice), " stands in the header twice");
  return Error::success();
}

Error SafetensorsParser::addMetadata(const Json &texts) {
  if (!texts.is_object())
    return corrupt("'__metadata__' is not an object");
  for (const auto &[key, value] : texts.items()) {
    if (!value.is_string())
      return corrupt("metadata value ", quoteName(key), " is not a text");
    reader.values.emplace(key, value.get<std::string>());
  }
  return Error::success();
}

/// Non-negative integers, exactly `count` of them unless it is -1.
static std::optional<std::vector<uint64_t>>
readNumbers(const Json &fields, const char *name, int count) {
  auto found = fields.find(name);
  if (found == fields.end() || !found->is_array() ||
      (count >= 0 && found->size() != static_cast<size_t>(count)))
    return std::nullopt;
  std::vector<uint64_t> numbers;
  for (const Json &number : *found) {
    if (!number.is_number_unsigned())
      return std::nullopt;
    numbers.push_back(number.get<uint64_t>());
  }
  return numbers;
}

Error SafetensorsParser::addTensor(const std::string &name,
                                   const Json &fields) {
  std::string what = "tensor " + quoteName(name);
  SafetensorsTensor tensor;
  tensor.name = name;
  auto type = fields.find("dtype");
  if (!fields.is_object() || type == fields.end() || !type->is_string())
    return corrupt(what, " has no element type (dtype)");
  tensor.type = type->get<std::string>();
  std::optional<unsigned> bits = safetensorsBits(tensor.type);
  if (!bits)
    return makeError(ErrorCode::Unsupported, path, ": ", what,
                     " has the unknown element type ", quoteName(tensor.type));
  auto shape = readNumbers(fields, "shape", -1);
  auto place = readNumbers(fields, "data_offsets", 2);
  if (!shape || !place)
    return corrupt(what, ": 'shape' or 'data_offsets' is missing or is no list "
                         "of integers");
  tensor.shape = std::move(*shape);
  uint64_t begin = (*place)[0], end = (*place)[1];
  if (begin > end || end > file.size() - dataStart)
    return corrupt(what, " (bytes ", begin, " to ", end,
                   ") reaches past the end of the file; it is truncated or "
                   "damaged");
  std::optional<uint64_t> size = tensorBytes(tensor.shape, *bits);
  if (!size || *size != end - begin)
    return corrupt(what, " has ", end - begin,
                   " bytes, which its shape and "
                   "element type ",
                   tensor.type, " do not take");
  tensor.fileOffset = dataStart + begin;
  tensor.bytes = file.subspan(tensor.fileOffset, end - begin);
  reader.tensorList.push_back(std::move(tensor));
  return Error::success();
}

/// No two tensors share a byte, and no byte is without a tensor.
Error SafetensorsParser::checkPlaces() const {
  std::vector<const SafetensorsTensor *> order;
  for (const SafetensorsTensor &tensor : reader.tensorList)
    order.push_back(&tensor);
  std::ranges::sort(order, {}, [](const SafetensorsTensor *tensor) {
    return std::pair(tensor->fileOffset, tensor->bytes.size());
  });
  uint64_t end = dataStart;
  const SafetensorsTensor *last = nullptr;
  for (const SafetensorsTensor *tensor : order) {
    if (tensor->fileOffset < end)
      return corrupt("tensor ", quoteName(tensor->name), " overlaps tensor ",
                     quoteName(last->name));
    if (tensor->fileOffset > end)
      return corrupt("there are bytes of no tensor before tensor ",
                     quoteName(tensor->name));
    end += tensor->bytes.size();
    last = tensor;
  }
  if (end != file.size())
    return corrupt("there are bytes of no tensor at the end of the file");
  return Error::success();
}

Error SafetensorsParser::parse() {
  std::string_view text;
  Json header;
  if (Error error = findHeader(text))
    return error;
  if (Error error = parseJson(text, header))
    return error;
  for (const auto &[name, fields] : header.items())
    if (Error error = name == "__metadata__" ? addMetadata(fields)
                                             : addTensor(name, fields))
      return error;
  return checkPlaces();
}

Expected<SafetensorsReader>
SafetensorsReader::parse(std::span<const uint8_t> file,
                         const std::string &path) {
  SafetensorsReader reader;
  if (Error error = SafetensorsParser(reader, file, path).parse())
    return error;
  return reader;
}

const SafetensorsTensor *
SafetensorsReader::findTensor(std::string_view name) const {
  auto found =
      std::ranges::lower_bound(tensorList, name, {}, &SafetensorsTensor::name);
  return found != tensorList.end() && found->name == name ? &*found : nullptr;
}

//===----------------------------------------------------------------------===//
// Writer
//===----------------------------------------------------------------------===//

void SafetensorsWriter::setMetadata(const std::string &key, std::string text) {
  values.insert_or_assign(key, std::move(text));
}

void SafetensorsWriter::addTensor(std::string name, std::string type,
                                  std::vector<uint64_t> shape,
                                  Producer producer) {
  std::optional<unsigned> bits = safetensorsBits(type);
  assert(bits && "unknown element type");
  std::optional<uint64_t> bytes = tensorBytes(shape, *bits);
  assert(bytes && "a tensor must have whole bytes");
  tensors.push_back({std::move(name), std::move(type), std::move(shape), *bytes,
                     std::move(producer)});
}

std::string lq::layOutSafetensors(const SafetensorsReader::Metadata &metadata,
                                  std::span<SafetensorsTensor> tensors) {
  Json header = Json::object();
  if (!metadata.empty())
    header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (SafetensorsTensor &tensor : tensors) {
    auto bits = safetensorsBits(tensor.type);
    uint64_t end = offset + *tensorBytes(tensor.shape, *bits);
    header[tensor.name] = {{"dtype", tensor.type},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, end}}};
    tensor.fileOffset = std::exchange(offset, end);
  }
  std::string text =
      header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  uint64_t length = text.size();
  text.insert(0, reinterpret_cast<const char *>(&length), sizeof(length));
  for (SafetensorsTensor &tensor : tensors)
    tensor.fileOffset += text.size();
  return text;
}

Error SafetensorsWriter::finish(const std::string &path) {
  std::vector<Tensor> ordered;
  for (unsigned bits : {64, 32, 16, 8, 6, 4})
    for (Tensor &tensor : tensors)
      if (safetensorsBits(tensor.type) == bits)
        ordered.push_back(std::move(tensor));
  tensors = std::move(ordered);
  auto file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  std::vector<SafetensorsTensor> places;
  for (const Tensor &tensor : tensors)
    places.push_back({tensor.name, tensor.type, tensor.shape, {}, 0});
  if (Error error = file->write(layOutSafetensors(values, places)))
    return error;
  for (const Tensor &tensor : tensors) {
    uint64_t start = file->offset();
    if (Error error = tensor.producer(*file))
      return error;
    if (uint64_t written = file->offset() - start; written != tensor.byteSize)
      return makeError(ErrorCode::InvalidArgument, path, ": tensor ",
                       quoteName(tensor.name), ": expected ", tensor.byteSize,
                       " bytes to be produced, got ", written);
  }
  return file->commit();
}
