//===- Gguf.cpp - storage of GGUF's block formats -------------------------===//

#include "dialects/lq/formats/Gguf.h"
#include "dialects/lq/LqAttributes.h"
#include "dialects/lq/Scalars.h"

using namespace mlir;
using namespace lq;

void LqDialect::registerGgufFormats() {
  for (const GgufFormat &format : ggufFormats())
    registerFormat(GgufFormatAttr::get(getContext(), &format));
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

static int64_t partBytes(const GgufFormat &format, const BlockPart &part) {
  switch (part.kind) {
  case BlockPart::Kind::None:
    return 0;
  case BlockPart::Kind::Scale:
    return byteWidth(format.description.scale.type);
  case BlockPart::Kind::Offset:
  case BlockPart::Kind::NegatedOffset:
    return byteWidth(format.description.offset.type);
  case BlockPart::Kind::Integers:
    return part.packing->bytes;
  case BlockPart::Kind::Codes:
    return format.blockColumns * part.width / 8;
  }
  llvm_unreachable("not a part of a block");
}

int64_t GgufFormat::blockBytes() const {
  int64_t bytes = 0;
  for (const BlockPart &part : parts)
    bytes += partBytes(*this, part);
  return bytes;
}

namespace {

/// The planes of one block: where its codes, numbers and integers lie.
template <typename Byte, typename Number> struct BlockPlanes {
  Byte *codes;    // [blockColumns]
  Number *scale;  // one
  Byte *scales;   // integers, [blockColumns / group]
  Number *offset; // one
  Byte *offsets;  // integers
};

} // namespace

/// Calls body(byte of the part, first of `run` codes, lowest bit in the byte)
/// for each run of codes that a part holds.
static void
forEachRun(const GgufFormat &format, const BlockPart &part,
           llvm::function_ref<void(int64_t, int64_t, unsigned)> body) {
  int64_t fields = 8 / part.width;
  for (int64_t run = 0; run < format.blockColumns / part.run; ++run)
    body(run / fields * part.run, run * part.run,
         static_cast<unsigned>(run % fields) * part.width);
}

static void decodeCodes(const GgufFormat &format, const BlockPart &part,
                        const uint8_t *bytes, uint8_t *codes) {
  unsigned mask = (1u << part.width) - 1, shift = part.shift;
  forEachRun(format, part, [&](int64_t byte, int64_t first, unsigned bit) {
    for (int64_t i = 0; i < part.run; ++i)
      codes[first + i] = static_cast<uint8_t>(
          codes[first + i] |
          (((bytes[byte + i] >> bit & mask) ^ part.flipped) << shift));
  });
}

static void encodeCodes(const GgufFormat &format, const BlockPart &part,
                        const uint8_t *codes, uint8_t *bytes) {
  unsigned mask = (1u << part.width) - 1, shift = part.shift;
  forEachRun(format, part, [&](int64_t byte, int64_t first, unsigned bit) {
    for (int64_t i = 0; i < part.run; ++i)
      bytes[byte + i] = static_cast<uint8_t>(
          bytes[byte + i] |
          (((codes[first + i] >> shift & mask) ^ part.flipped) << bit));
  });
}

static void decodeBlock(const GgufFormat &format, const char *block,
                        const BlockPlanes<uint8_t, float> &planes) {
  const FormatDescription &description = format.description;
  std::memset(planes.codes, 0, format.blockColumns);
  for (const BlockPart &part : format.parts) {
    const auto *bytes = reinterpret_cast<const uint8_t *>(block);
    if (part.kind == BlockPart::Kind::Scale)
      *planes.scale = loadScalar(description.scale.type, block);
    else if (part.kind == BlockPart::Kind::Offset)
      *planes.offset = loadScalar(description.offset.type, block);
    else if (part.kind == BlockPart::Kind::NegatedOffset)
      *planes.offset = -loadScalar(description.offset.type, block);
    else if (part.kind == BlockPart::Kind::Integers)
      part.packing->unpack(bytes, planes.scales, planes.offsets);
    else if (part.kind == BlockPart::Kind::Codes)
      decodeCodes(format, part, bytes, planes.codes);
    block += partBytes(format, part);
  }
}

static void encodeBlock(const GgufFormat &format,
                        const BlockPlanes<const uint8_t, const float> &planes,
                        char *block) {
  const FormatDescription &description = format.description;
  std::memset(block, 0, format.blockBytes());
  for (const BlockPart &part : format.parts) {
    auto *bytes = reinterpret_cast<uint8_t *>(block);
    if (part.kind == BlockPart::Kind::Scale)
      storeScalar(description.scale.type, *planes.scale, block);
    else if (part.kind == BlockPart::Kind::Offset)
      storeScalar(description.offset.type, *planes.offset, block);
    else if (part.kind == BlockPart::Kind::NegatedOffset)
      storeScalar(description.offset.type, -*planes.offset, block);
    else if (part.kind == BlockPart::Kind::Integers)
      part.packing->pack(planes.scales, planes.offsets, bytes);
    else if (part.kind == BlockPart::Kind::Codes)
      encodeCodes(format, part, planes.codes, bytes);
    block += partBytes(format, part);
  }
}

/// The planes of block `block` of `blocks`: each plane is a sequence of equal
/// parts, one a block.
template <typename Byte, typename Number, typename AnyPlanes>
static BlockPlanes<Byte, Number> planesOf(AnyPlanes &planes, int64_t block,
                                          int64_t blocks) {
  auto part = [&](auto &plane) {
    size_t size = plane.size() / blocks;
    return size ? plane.data() + block * size : nullptr;
  };
  return {part(planes.codes), part(planes.scale.numbers),
          part(planes.scale.integers), part(planes.offset.numbers),
          part(planes.offset.integers)};
}

void GgufFormatAttr::decode(ArrayRef<char> storage, Planes &planes) const {
  const GgufFormat &format = *getFormat();
  int64_t blocks = planes.rows * planes.columns / format.blockColumns;
  int64_t bytes = format.blockBytes();
  for (int64_t block = 0; block < blocks; ++block)
    decodeBlock(format, storage.data() + block * bytes,
                planesOf<uint8_t, float>(planes, block, blocks));
}

void GgufFormatAttr::encode(const Planes &planes,
                            MutableArrayRef<char> storage) const {
  const GgufFormat &format = *getFormat();
  int64_t blocks = planes.rows * planes.columns / format.blockColumns;
  int64_t bytes = format.blockBytes();
  for (int64_t block = 0; block < blocks; ++block)
    encodeBlock(format,
                planesOf<const uint8_t, const float>(planes, block, blocks),
                storage.data() + block * bytes);
}

//===----------------------------------------------------------------------===//
// The attribute
//===----------------------------------------------------------------------===//

Attribute GgufFormatAttr::parse(AsmParser &parser, Type) {
  auto names = llvm::map_to_vector(
      ggufFormats(),
      [](const GgufFormat &each) -> StringRef { return each.name; });
  FailureOr<size_t> found = parseName(parser, "GGUF format", names);
  if (failed(found))
    return {};
  return get(parser.getContext(), &ggufFormats()[*found]);
}

void GgufFormatAttr::print(AsmPrinter &printer) const {
  printer << '<' << getFormat()->name << '>';
}

FormatDescription GgufFormatAttr::getDescription() const {
  return getFormat()->description;
}

StringRef GgufFormatAttr::getFormatName() const { return getFormat()->name; }

std::string GgufFormatAttr::checkColumns(int64_t columns) const {
  if (columns % getFormat()->blockColumns == 0)
    return {};
  return "columns must be a multiple of the block of " +
         std::to_string(getFormat()->blockColumns);
}

/// What llama.cpp's quantizer gives a matrix that the format does not fit.
FormatAttrInterface GgufFormatAttr::getFallback() const {
  for (const GgufFormat &format : ggufFormats())
    if (format.name == getFormat()->fallback)
      return get(getContext(), &format);
  return FloatFormatAttr::get(getContext(), Scalar::F16);
}

int64_t GgufFormatAttr::getRowBytes(int64_t columns) const {
  return columns / getFormat()->blockColumns * getFormat()->blockBytes();
}

LogicalResult GgufFormatAttr::verifyEncoding(
    ArrayRef<int64_t> shape, Type elementType,
    llvm::function_ref<InFlightDiagnostic()> emitError) const {
  return verifyFormatEncoding(*this, shape, elementType, emitError);
}
