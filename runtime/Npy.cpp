//===- Npy.cpp - NumPy's .npy files ---------------------------------------===//
//
// The format: numpy.org/doc/stable/reference/generated/numpy.lib.format.html
//
//===----------------------------------------------------------------------===//

#include "runtime/Npy.h"
#include "runtime/AtomicFile.h"

#include <charconv>
#include <cstring>
#include <optional>

using namespace lq;

static constexpr std::string_view magic = "\x93NUMPY";
static constexpr size_t maxRank = 32;

namespace {
struct Descriptor {
  std::string_view text;
  ElementType type;
};

/// Reads the header's Python dictionary, of which NumPy writes only this form:
/// {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
class HeaderParser {
public:
  HeaderParser(std::string_view text) : rest(text) {}
  bool parse();

  std::string_view descriptor;
  std::optional<bool> fortranOrder;
  std::optional<std::vector<int64_t>> shape;

private:
  void skipSpace() {
    size_t start = rest.find_first_not_of(" \t\n");
    rest.remove_prefix(start == std::string_view::npos ? rest.size() : start);
  }
  bool take(std::string_view token);
  std::optional<std::string_view> quoted();
  bool parseField();
  bool parseShape();

  std::string_view rest;
};
} // namespace

static constexpr Descriptor descriptors[] = {
    {"<f4", ElementType::F32}, {"<f8", ElementType::F64},
    {"<f2", ElementType::F16}, {"|b1", ElementType::Bool},
    {"|i1", ElementType::I8},  {"|u1", ElementType::U8},
    {"<i2", ElementType::I16}, {"<u2", ElementType::U16},
    {"<i4", ElementType::I32}, {"<u4", ElementType::U32},
    {"<i8", ElementType::I64}, {"<u8", ElementType::U64}};

bool HeaderParser::take(std::string_view token) {
  skipSpace();
  if (!rest.starts_with(token))
    return false;
  rest.remove_prefix(token.size());
  return true;
}

std::optional<std::string_view> HeaderParser::quoted() {
  skipSpace();
  if (rest.empty() || (rest[0] != '\'' && rest[0] != '"'))
    return std::nullopt;
  size_t end = rest.find(rest[0], 1);
  if (end == std::string_view::npos)
    return std::nullopt;
  std::string_view text = rest.substr(1, end - 1);
  rest.remove_prefix(end + 1);
  return text;
}

bool HeaderParser::parseShape() {
  if (!take("("))
    return false;
  shape.emplace();
  while (!take(")")) {
    skipSpace();
    int64_t dim;
    auto [end, failure] =
        std::from_chars(rest.data(), rest.data() + rest.size(), dim);
    if (failure != std::errc() || dim < 0 || shape->size() == maxRank)
      return false;
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    shape->push_back(dim);
    if (!take(",") && !rest.starts_with(")"))
      return false;
  }
  return true;
}

bool HeaderParser::parseField() {
  auto key = quoted();
  if (!key || !take(":"))
    return false;
  if (*key == "shape")
    return parseShape();
  if (*key == "fortran_order") {
    fortranOrder = take("True");
    return *fortranOrder || take("False");
  }
  if (*key != "descr")
    return false;
  skipSpace();
  if (rest.starts_with("[")) {
    // A record type; reported as an unsupported type by its first characters.
    descriptor = rest.substr(0, 1);
    return false;
  }
  auto text = quoted();
  descriptor = text.value_or("");
  return text.has_value();
}

bool HeaderParser::parse() {
  if (!take("{"))
    return false;
  while (!take("}")) {
    if (!parseField())
      return false;
    if (!take(",") && !(skipSpace(), rest.starts_with("}")))
      return false;
  }
  return !descriptor.empty() && fortranOrder && shape;
}

/// The header's text and the offset of the elements; an empty text if the file
/// is none of NumPy's.
static std::string_view headerText(std::span<const uint8_t> bytes,
                                   uint64_t &dataOffset) {
  if (bytes.size() < 10 ||
      std::memcmp(bytes.data(), magic.data(), magic.size()) != 0)
    return {};
  uint8_t version = bytes[6];
  uint64_t length = bytes[8] | uint64_t(bytes[9]) << 8;
  uint64_t start = 10;
  if (version == 2 || version == 3) {
    if (bytes.size() < 12)
      return {};
    length |= uint64_t(bytes[10]) << 16 | uint64_t(bytes[11]) << 24;
    start = 12;
  } else if (version != 1) {
    return {};
  }
  if (length > bytes.size() - start)
    return {};
  dataOffset = start + length;
  return {reinterpret_cast<const char *>(bytes.data()) + start,
          static_cast<size_t>(length)};
}

static std::optional<ElementType> typeOf(std::string_view descriptor) {
  for (const Descriptor &known : descriptors)
    if (known.text == descriptor)
      return known.type;
  return std::nullopt;
}

Expected<NpyArray> lq::readNpy(const std::string &path) {
  auto file = MappedFile::open(path);
  if (!file)
    return file.takeError();
  std::span<const uint8_t> bytes = (*file)->bytes();
  uint64_t dataOffset = 0;
  HeaderParser header(headerText(bytes, dataOffset));
  bool parsed = header.parse();
  std::optional<ElementType> type = typeOf(header.descriptor);
  if (!header.descriptor.empty() && !type)
    return makeError(ErrorCode::Unsupported, path, ": element type '",
                     header.descriptor,
                     "' is not supported; expected little-endian f16, f32, "
                     "f64, bool or integers");
  if (!parsed)
    return makeError(ErrorCode::Corrupt, path, ": not a .npy file");
  if (*header.fortranOrder)
    return makeError(ErrorCode::Unsupported, path,
                     ": the array is in Fortran order; save it by "
                     "numpy.ascontiguousarray");
  uint64_t size = elementBytes(*type);
  for (int64_t dim : *header.shape)
    if (__builtin_mul_overflow(size, static_cast<uint64_t>(dim), &size))
      return makeError(ErrorCode::Corrupt, path, ": the size overflows");
  if (size != bytes.size() - dataOffset)
    return makeError(ErrorCode::Corrupt, path, ": expected ", size,
                     " bytes of elements, got ", bytes.size() - dataOffset);
  return NpyArray{*type, std::move(*header.shape), bytes.subspan(dataOffset),
                  std::move(*file)};
}

std::string lq::npyHeader(ElementType type, std::span<const int64_t> shape) {
  std::string_view descriptor = "<u2";
  for (const Descriptor &known : descriptors)
    if (known.type == type)
      descriptor = known.text;
  std::string text = "{'descr': '" + std::string(descriptor) +
                     "', 'fortran_order': False, 'shape': (";
  for (int64_t dim : shape)
    text += std::to_string(dim) + ",";
  text += "), }";
  size_t total = (magic.size() + 4 + text.size() + 1 + 63) / 64 * 64;
  text.resize(total - magic.size() - 4 - 1, ' ');
  text += '\n';
  std::string out(magic);
  out += {1, 0, static_cast<char>(text.size() & 255),
          static_cast<char>(text.size() >> 8)};
  return out + text;
}

Error lq::writeNpy(const std::string &path, ElementType type,
                   std::span<const int64_t> shape,
                   std::span<const uint8_t> bytes) {
  auto file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  if (Error error = file->write(npyHeader(type, shape)))
    return error;
  if (Error error = file->write(bytes))
    return error;
  return file->commit();
}
