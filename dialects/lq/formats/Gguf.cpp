//===- Gguf.cpp - the block formats of GGUF -------------------------------===//
//
// The layouts are those of ggml (ggml-common.h); d is a block's scale.
//
//===----------------------------------------------------------------------===//

#include "dialects/lq/LqAttributes.h"
#include "dialects/lq/Scalars.h"

using namespace mlir;
using namespace lq;

/// Elements of the blocks below.
static constexpr int64_t blockSize = 32;
/// Bytes of an f16 scale at the start of a block.
static constexpr int64_t scaleBytes = 2;

//===----------------------------------------------------------------------===//
// q8_0: d f16, then 32 int8
//===----------------------------------------------------------------------===//

static void decodeQ8(const char *block, uint8_t *codes, float &scale) {
  scale = loadScalar(Scalar::F16, block);
  // int8 to the unsigned code of level 0 at 128.
  for (int64_t i = 0; i < blockSize; ++i)
    codes[i] = static_cast<uint8_t>(block[scaleBytes + i]) ^ 0x80;
}

static void encodeQ8(const uint8_t *codes, float scale, char *block) {
  storeScalar(Scalar::F16, scale, block);
  for (int64_t i = 0; i < blockSize; ++i)
    block[scaleBytes + i] = static_cast<char>(codes[i] ^ 0x80);
}

//===----------------------------------------------------------------------===//
// q4_0: d f16, then 16 bytes; byte j holds codes j (low) and j + 16 (high)
//===----------------------------------------------------------------------===//

static void decodeQ4(const char *block, uint8_t *codes, float &scale) {
  scale = loadScalar(Scalar::F16, block);
  for (int64_t j = 0; j < blockSize / 2; ++j) {
    uint8_t byte = static_cast<uint8_t>(block[scaleBytes + j]);
    codes[j] = byte & 0xf;
    codes[j + blockSize / 2] = byte >> 4;
  }
}

static void encodeQ4(const uint8_t *codes, float scale, char *block) {
  storeScalar(Scalar::F16, scale, block);
  for (int64_t j = 0; j < blockSize / 2; ++j)
    block[scaleBytes + j] =
        static_cast<char>(codes[j] | codes[j + blockSize / 2] << 4);
}

//===----------------------------------------------------------------------===//
// The formats
//===----------------------------------------------------------------------===//

static constexpr GgufFormat ggufFormats[] = {
    {"q8_0",
     {.level = LevelKind::Integer,
      .bits = 8,
      .zero = 128,
      .group = blockSize,
      .scale = Scalar::F16,
      .scaleRule = ScaleRule::AbsoluteMaximum,
      .rounding = Rounding::HalfAway},
     /*blockBytes=*/34,
     decodeQ8,
     encodeQ8},
    {"q4_0",
     {.level = LevelKind::Integer,
      .bits = 4,
      .zero = 8,
      .group = blockSize,
      .scale = Scalar::F16,
      .scaleRule = ScaleRule::SignedMaximum,
      .rounding = Rounding::HalfUp},
     /*blockBytes=*/18,
     decodeQ4,
     encodeQ4},
};

void LqDialect::registerGgufFormats() {
  for (const GgufFormat &format : ggufFormats)
    registerFormat(GgufFormatAttr::get(getContext(), &format));
}

//===----------------------------------------------------------------------===//
// The attribute
//===----------------------------------------------------------------------===//

Attribute GgufFormatAttr::parse(AsmParser &parser, Type) {
  StringRef name;
  if (parser.parseLess())
    return {};
  SMLoc location = parser.getCurrentLocation();
  if (parser.parseKeyword(&name))
    return {};
  const GgufFormat *format = llvm::find_if(
      ggufFormats, [&](const GgufFormat &each) { return each.name == name; });
  if (format == std::end(ggufFormats)) {
    auto error = parser.emitError(location)
                 << "unknown GGUF format '" << name << "', expected one of ";
    llvm::interleaveComma(ggufFormats, error,
                          [&](const GgufFormat &each) { error << each.name; });
    return {};
  }
  if (parser.parseGreater())
    return {};
  return get(parser.getContext(), format);
}

void GgufFormatAttr::print(AsmPrinter &printer) const {
  printer << '<' << getFormat()->name << '>';
}

FormatDescription GgufFormatAttr::getDescription() const {
  return getFormat()->description;
}

StringRef GgufFormatAttr::getFormatName() const { return getFormat()->name; }

std::string GgufFormatAttr::checkColumns(int64_t columns) const {
  if (columns % getFormat()->description.group == 0)
    return {};
  return "columns must be a multiple of the group " +
         std::to_string(getFormat()->description.group);
}

/// What llama.cpp's quantizer gives a matrix that no block format fits.
FormatAttrInterface GgufFormatAttr::getFallback() const {
  return FloatFormatAttr::get(getContext(), Scalar::F16);
}

int64_t GgufFormatAttr::getRowBytes(int64_t columns) const {
  return columns / getFormat()->description.group * getFormat()->blockBytes;
}

void GgufFormatAttr::decode(ArrayRef<char> storage, Planes &planes) const {
  const GgufFormat &format = *getFormat();
  for (size_t block = 0; block < planes.scales.size(); ++block)
    format.decodeBlock(storage.data() + block * format.blockBytes,
                       planes.codes.data() + block * format.description.group,
                       planes.scales[block]);
}

void GgufFormatAttr::encode(const Planes &planes,
                            MutableArrayRef<char> storage) const {
  const GgufFormat &format = *getFormat();
  for (size_t block = 0; block < planes.scales.size(); ++block)
    format.encodeBlock(planes.codes.data() + block * format.description.group,
                       planes.scales[block],
                       storage.data() + block * format.blockBytes);
}

LogicalResult GgufFormatAttr::verifyEncoding(
    ArrayRef<int64_t> shape, Type elementType,
    llvm::function_ref<InFlightDiagnostic()> emitError) const {
  return verifyFormatEncoding(*this, shape, elementType, emitError);
}
