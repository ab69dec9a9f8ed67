//===- Storage.h - how many bytes a weight has ------------------*- C++ -*-===//

#ifndef LQ_DIALECTS_LQ_STORAGE_H
#define LQ_DIALECTS_LQ_STORAGE_H

#include "dialects/lq/LqAttributes.h"
#include <optional>

namespace lq {

/// Bytes of a tensor as it is stored in a file: of its encoding, else of dense
/// little-endian elements. Elements narrower than a byte are packed, low bits
/// first, but for i1, which takes a byte. Nothing if the shape is dynamic, the
/// element type has no storage, or the size does not fit 63 bits.
std::optional<int64_t> computeStorageBytes(mlir::RankedTensorType type);

/// The format of an encoded weight, be it tiled or not; null without encoding.
FormatAttrInterface getFormat(mlir::RankedTensorType type);

/// Whether the weight lies in tiles.
bool isTiled(mlir::RankedTensorType type);

} // namespace lq

#endif // LQ_DIALECTS_LQ_STORAGE_H
