//===- GgufReader.cpp - reads GGUF files ----------------------------------===//

#include "runtime/Gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>

using namespace lq;

static_assert(std::endian::native == std::endian::little,
              "GGUF values are used as they lie in the file");

static constexpr uint64_t maxKeyLength = 65535;
static constexpr uint64_t maxDims = 8;
/// Of a tensor: more have no number of bits that is a signed number.
static constexpr uint64_t maxElements = uint64_t(1) << 56;
static constexpr int maxArrayNesting = 4;

namespace {
/// Elements and bytes of one block of a tensor type.
struct BlockSize {
  uint16_t elements;
  uint16_t bytes;
};
} // namespace

/// By ggml's type number; {0, 0} where there is none.
static constexpr BlockSize blockSizes[] = {
    {1, 4},     {1, 2},     {32, 18},   {32, 20},   {0, 0},    {0, 0},
    {32, 22},   {32, 24},   {32, 34},   {32, 36},   {256, 84}, {256, 110},
    {256, 144}, {256, 176}, {256, 210}, {256, 292}, {256, 66}, {256, 74},
    {256, 98},  {256, 50},  {32, 18},   {256, 110}, {256, 82}, {256, 136},
    {1, 1},     {1, 2},     {1, 4},     {1, 8},     {1, 8},    {256, 56},
    {1, 2},     {0, 0},     {0, 0},     {0, 0},     {256, 54}, {256, 66},
    {0, 0},     {0, 0},     {0, 0},     {32, 17},   {64, 36},  {128, 18}};

Expected<uint64_t> lq::ggufTensorBytes(uint32_t type, uint64_t rowElements,
                                       uint64_t rows) {
  if (type >= std::size(blockSizes) || !blockSizes[type].elements)
    return makeError(ErrorCode::Unsupported, "tensor type ", type,
                     " is unknown");
  BlockSize block = blockSizes[type];
  if (rowElements % block.elements)
    return makeError(ErrorCode::Corrupt, "rows of ", rowElements,
                     " elements do not divide into blocks of ", block.elements);
  uint64_t bytes;
  if (__builtin_mul_overflow(rowElements / block.elements, block.bytes,
                             &bytes) ||
      __builtin_mul_overflow(bytes, rows, &bytes))
    return makeError(ErrorCode::Corrupt, "the size overflows");
  return bytes;
}

/// By number; empty where there is none, or none that lq could read.
static constexpr std::string_view typeNames[] = {
    "f32",   "f16",   "q4_0",    "q4_1",   "",        "",      "q5_0",
    "q5_1",  "q8_0",  "q8_1",    "q2_k",   "q3_k",    "q4_k",  "q5_k",
    "q6_k",  "q8_k",  "iq2_xxs", "iq2_xs", "iq3_xxs", "iq1_s", "iq4_nl",
    "iq3_s", "iq2_s", "iq4_xs",  "i8",     "i16",     "i32",   "i64",
    "f64",   "iq1_m", "bf16",    "",       "",        "",      "tq1_0",
    "tq2_0", "",      "",        "",       "mxfp4",   "nvfp4"};

std::string_view lq::ggufTypeName(uint32_t type) {
  return type < std::size(typeNames) ? typeNames[type] : std::string_view();
}

std::optional<uint32_t> lq::ggufTypeNumber(std::string_view name) {
  for (uint32_t type = 0; type < std::size(typeNames); ++type)
    if (!name.empty() && typeNames[type] == name)
      return type;
  return std::nullopt;
}

/// Bytes of a scalar type; 0 for strings, arrays and unknown types.
static uint64_t scalarSize(GgufType type) {
  switch (type) {
  case GgufType::U8:
  case GgufType::I8:
  case GgufType::Bool:
    return 1;
  case GgufType::U16:
  case GgufType::I16:
    return 2;
  case GgufType::U32:
  case GgufType::I32:
  case GgufType::F32:
    return 4;
  case GgufType::U64:
  case GgufType::I64:
  case GgufType::F64:
    return 8;
  case GgufType::String:
  case GgufType::Array:
    return 0;
  }
  return 0;
}

namespace lq {
/// One pass over the header of a file. Nothing is read without a check that
/// the file has it.
class GgufParser {
public:
  GgufParser(GgufReader &reader) : reader(reader), data(reader.file->bytes()) {}
  Error parse();

private:
  uint64_t remaining() const { return data.size() - position; }
  template <typename... Parts> Error corrupt(const Parts &...parts) const {
    return makeError(ErrorCode::Corrupt, reader.path(), ": ", parts...);
  }
  Error truncated(const std::string &what) const {
    return corrupt("the file ends inside ", what, " (byte ", position, " of ",
                   data.size(), "); it is truncated or damaged");
  }

  template <typename T> Error scalar(T &out, const std::string &what);
  Error string(std::string_view &out, const std::string &what);
  Error skipValue(GgufType type, const std::string &what, int nesting);
  Error skipArray(const std::string &what, int nesting);
  Error header(uint64_t &tensorCount, uint64_t &valueCount);
  Error keyValue();
  Error alignment();
  Error tensorInfo(GgufTensor &tensor, uint64_t &offset);
  Error placeTensor(GgufTensor &tensor, uint64_t dataStart, uint64_t offset);
  Error parseTensors(uint64_t count);
  Error checkOverlaps() const;

  GgufReader &reader;
  std::span<const uint8_t> data;
  uint64_t position = 0;
};
} // namespace lq

template <typename T>
Error GgufParser::scalar(T &out, const std::string &what) {
  if (remaining() < sizeof(T))
    return truncated(what);
  std::memcpy(&out, data.data() + position, sizeof(T));
  position += sizeof(T);
  return Error::success();
}

Error GgufParser::string(std::string_view &out, const std::string &what) {
  uint64_t length;
  if (Error error = scalar(length, what))
    return error;
  if (length > remaining())
    return truncated(what);
  out = {reinterpret_cast<const char *>(data.data()) + position,
         static_cast<size_t>(length)};
  position += length;
  return Error::success();
}

Error GgufParser::skipArray(const std::string &what, int nesting) {
  uint32_t element;
  uint64_t count;
  if (Error error = scalar(element, what))
    return error;
  if (Error error = scalar(count, what))
    return error;
  auto type = static_cast<GgufType>(element);
  if (uint64_t size = scalarSize(type)) {
    if (count > remaining() / size)
      return truncated(what);
    position += count * size;
    return Error::success();
  }
  // A string or an array takes at least eight bytes, so the loop ends with the
  // file.
  for (uint64_t i = 0; i < count; ++i)
    if (Error error = skipValue(type, what, nesting + 1))
      return error;
  return Error::success();
}

Error GgufParser::skipValue(GgufType type, const std::string &what,
                            int nesting) {
  if (type == GgufType::String) {
    std::string_view text;
    return string(text, what);
  }
  if (type == GgufType::Array) {
    if (nesting >= maxArrayNesting)
      return corrupt("arrays are nested too deeply in ", what);
    return skipArray(what, nesting);
  }
  uint64_t size = scalarSize(type);
  if (!size)
    return corrupt("unknown type ", static_cast<uint32_t>(type), " of ", what);
  if (size > remaining())
    return truncated(what);
  position += size;
  return Error::success();
}

Error GgufParser::header(uint64_t &tensorCount, uint64_t &valueCount) {
  if (data.size() < 4 || std::memcmp(data.data(), "GGUF", 4) != 0)
    return corrupt("not a GGUF file, which an artifact is: it does not begin "
                   "with 'GGUF'");
  position = 4;
  uint32_t version;
  if (Error error = scalar(version, "the header"))
    return error;
  if (version != 2 && version != 3)
    return makeError(ErrorCode::Unsupported, reader.path(), ": GGUF version ",
                     version, " is not supported; expected 3 (little endian)");
  if (Error error = scalar(tensorCount, "the header"))
    return error;
  if (Error error = scalar(valueCount, "the header"))
    return error;
  // The least that one of them takes, so that the counts cannot make us
  // allocate more than the file is large.
  if (tensorCount > remaining() / 24 || valueCount > remaining() / 13)
    return corrupt("the header promises ", tensorCount, " tensors and ",
                   valueCount, " metadata values, more than a file of ",
                   data.size(), " bytes can hold");
  return Error::success();
}

Error GgufParser::keyValue() {
  std::string_view key;
  if (Error error = string(key, "a metadata key"))
    return error;
  if (key.size() > maxKeyLength)
    return corrupt("a metadata key of ", key.size(), " bytes is too long");
  std::string what = "metadata value " + quoteName(key);
  uint32_t type;
  if (Error error = scalar(type, what))
    return error;
  uint64_t start = position;
  if (Error error = skipValue(static_cast<GgufType>(type), what, 0))
    return error;
  std::string_view bytes(reinterpret_cast<const char *>(data.data()) + start,
                         static_cast<size_t>(position - start));
  GgufValue value(static_cast<GgufType>(type), bytes);
  if (!reader.values.emplace(std::string(key), value).second)
    return corrupt(what, " stands there twice");
  return Error::success();
}

Error GgufParser::alignment() {
  const GgufValue *value = reader.find("general.alignment");
  if (!value)
    return Error::success();
  auto integer = value->asInteger();
  if (!integer || *integer < 1 || *integer > (1 << 30) ||
      !std::has_single_bit(static_cast<uint64_t>(*integer)))
    return corrupt("general.alignment is not a power of two");
  reader.dataAlignment = static_cast<uint64_t>(*integer);
  return Error::success();
}

Error GgufParser::tensorInfo(GgufTensor &tensor, uint64_t &offset) {
  std::string_view name;
  if (Error error = string(name, "a tensor's name"))
    return error;
  if (name.size() > maxKeyLength)
    return corrupt("a tensor's name of ", name.size(), " bytes is too long");
  tensor.name = name;
  std::string what = "the description of tensor " + quoteName(name);
  uint32_t rank;
  if (Error error = scalar(rank, what))
    return error;
  if (rank > maxDims)
    return corrupt(what, " has ", rank, " dimensions, more than ", maxDims);
  tensor.dims.resize(rank);
  for (uint64_t &dim : tensor.dims)
    if (Error error = scalar(dim, what))
      return error;
  if (Error error = scalar(tensor.type, what))
    return error;
  return scalar(offset, what);
}

Error GgufParser::placeTensor(GgufTensor &tensor, uint64_t dataStart,
                              uint64_t offset) {
  uint64_t rows = 1, largest = 1;
  for (size_t i = 0; i < tensor.dims.size(); ++i) {
    // Sizes beside one of zero must be sizes too.
    if (__builtin_mul_overflow(largest, std::max<uint64_t>(tensor.dims[i], 1),
                               &largest) ||
        largest > maxElements)
      return corrupt("the size of tensor ", quoteName(tensor.name),
                     " overflows");
    rows *= i == 0 ? 1 : tensor.dims[i];
  }
  auto size = ggufTensorBytes(tensor.type,
                              tensor.dims.empty() ? 1 : tensor.dims[0], rows);
  if (!size)
    return makeError(size.error().code(), reader.path(), ": tensor ",
                     quoteName(tensor.name), ": ", size.error().message());
  if (offset % reader.dataAlignment)
    return corrupt("tensor ", quoteName(tensor.name), " is not aligned to ",
                   reader.dataAlignment, " bytes");
  if (dataStart > data.size() || offset > data.size() - dataStart ||
      *size > data.size() - dataStart - offset)
    return corrupt("tensor ", quoteName(tensor.name), " (", *size,
                   " bytes) reaches past the end of the file; it is truncated "
                   "or damaged");
  tensor.fileOffset = dataStart + offset;
  tensor.bytes = data.subspan(tensor.fileOffset, *size);
  return Error::success();
}

Error GgufParser::parseTensors(uint64_t count) {
  reader.tensorList.resize(count);
  std::vector<uint64_t> offsets(count);
  for (uint64_t i = 0; i < count; ++i)
    if (Error error = tensorInfo(reader.tensorList[i], offsets[i]))
      return error;
  uint64_t dataStart = (position + reader.dataAlignment - 1) /
                       reader.dataAlignment * reader.dataAlignment;
  for (uint64_t i = 0; i < count; ++i) {
    GgufTensor &tensor = reader.tensorList[i];
    if (Error error = placeTensor(tensor, dataStart, offsets[i]))
      return error;
    if (!reader.tensorIndex.emplace(tensor.name, i).second)
      return corrupt("tensor ", quoteName(tensor.name), " stands there twice");
  }
  return checkOverlaps();
}

/// No two tensors share a byte.
Error GgufParser::checkOverlaps() const {
  std::vector<const GgufTensor *> order;
  for (const GgufTensor &tensor : reader.tensorList)
    if (!tensor.bytes.empty())
      order.push_back(&tensor);
  std::ranges::sort(order, {}, &GgufTensor::fileOffset);
  for (size_t i = 1; i < order.size(); ++i)
    if (order[i]->fileOffset <
        order[i - 1]->fileOffset + order[i - 1]->bytes.size())
      return corrupt("tensor ", quoteName(order[i]->name), " overlaps tensor ",
                     quoteName(order[i - 1]->name));
  return Error::success();
}

Error GgufParser::parse() {
  uint64_t tensorCount, valueCount;
  if (Error error = header(tensorCount, valueCount))
    return error;
  for (uint64_t i = 0; i < valueCount; ++i)
    if (Error error = keyValue())
      return error;
  if (Error error = alignment())
    return error;
  return parseTensors(tensorCount);
}

Expected<GgufReader> GgufReader::open(const std::string &path) {
  auto file = MappedFile::open(path);
  if (!file)
    return file.takeError();
  return parse(std::move(*file));
}

Expected<GgufReader> GgufReader::parse(std::shared_ptr<const MappedFile> file) {
  GgufReader reader;
  reader.file = std::move(file);
  if (Error error = GgufParser(reader).parse())
    return error;
  return reader;
}

const GgufValue *GgufReader::find(std::string_view key) const {
  auto found = values.find(key);
  return found == values.end() ? nullptr : &found->second;
}

const GgufTensor *GgufReader::findTensor(std::string_view name) const {
  auto found = tensorIndex.find(name);
  return found == tensorIndex.end() ? nullptr : &tensorList[found->second];
}
