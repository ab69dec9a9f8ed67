//===- Storage.cpp - how many bytes a weight has --------------------------===//

#include "dialects/lq/Storage.h"
#include "dialects/lq/Tile.h"

#include "llvm/Support/CheckedArithmetic.h"

using namespace mlir;
using namespace lq;

/// Bits that an element takes in a file; 0 if it cannot be stored.
static int64_t storedBits(Type type) {
  if (type.isInteger(1))
    return 8;
  if (auto complex = dyn_cast<ComplexType>(type))
    return 2 * storedBits(complex.getElementType());
  return type.isIntOrFloat() ? type.getIntOrFloatBitWidth() : 0;
}

/// Bytes of a dense tensor.
static std::optional<int64_t> denseBytes(RankedTensorType type) {
  int64_t bits = storedBits(type.getElementType());
  if (bits == 0)
    return std::nullopt;
  std::optional<int64_t> total = bits;
  for (int64_t size : type.getShape()) {
    total = llvm::checkedMul(*total, size);
    if (!total)
      return std::nullopt;
  }
  return llvm::divideCeil(static_cast<uint64_t>(*total), 8);
}

/// Whether sizes derived from the elements, at most 8 bytes each with their
/// share of padding, fit 63 bits.
static bool isSizeBounded(RankedTensorType type) {
  std::optional<int64_t> total = int64_t(8) * tileAlignment;
  for (int64_t size : type.getShape()) {
    total = llvm::checkedMul(*total, std::max<int64_t>(size, 1));
    if (!total)
      return false;
  }
  return llvm::checkedMul(*total, tileRows).has_value();
}

std::optional<int64_t> lq::computeStorageBytes(RankedTensorType type) {
  if (!type.hasStaticShape())
    return std::nullopt;
  if (!type.getEncoding())
    return denseBytes(type);
  FormatAttrInterface format = getFormat(type);
  if (!format || !isSizeBounded(type))
    return std::nullopt;
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  if (isTiled(type))
    return getTileLayout(format.getDescription(), rows, columns).totalBytes();
  return rows * format.getRowBytes(columns);
}

FormatAttrInterface lq::getFormat(RankedTensorType type) {
  if (auto tiled = dyn_cast_if_present<TiledAttr>(type.getEncoding()))
    return tiled.getFormat();
  return dyn_cast_if_present<FormatAttrInterface>(type.getEncoding());
}

bool lq::isTiled(RankedTensorType type) {
  return isa_and_present<TiledAttr>(type.getEncoding());
}
