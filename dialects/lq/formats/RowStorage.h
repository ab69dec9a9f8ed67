//===- RowStorage.h - storage that follows from a description ---*- C++ -*-===//
//
// Checkpoints keep the codes, scales and zero points of a matrix as separate
// tensors, each its own way. In lq's archives such a weight has one storage,
// which any description gives: a row is
//
//     codes | numbers of scales | integers of scales
//           | numbers of offsets | integers of offsets
//
// (each where the format has it), numbers little endian, codes and integers as
// bitstreams along K, low bits first, each padded with zeros to a byte; codes of
// several numbers of bits are a bitstream a run. Rows follow each other without
// padding and are complete, factors that all rows share too, so that they can be
// written one by one and in any order.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_DIALECTS_LQ_FORMATS_ROWSTORAGE_H
#define LQ_DIALECTS_LQ_FORMATS_ROWSTORAGE_H

#include "dialects/lq/Format.h"

namespace lq {

/// Bytes of a row of `columns` weights.
int64_t getStoredRowBytes(const FormatDescription &format, int64_t columns);

/// Rows in storage to planes, already sized; and back.
void decodeStoredRows(const FormatDescription &format,
                      llvm::ArrayRef<char> storage, Planes &planes);
void encodeStoredRows(const FormatDescription &format, const Planes &planes,
                      llvm::MutableArrayRef<char> storage);

/// The `bits` bits at bit `position` of a little-endian bitstream.
inline unsigned loadBits(const char *stream, int64_t position, unsigned bits) {
  const char *byte = stream + position / 8;
  unsigned shift = static_cast<unsigned>(position % 8);
  unsigned value = static_cast<uint8_t>(*byte);
  if (shift + bits > 8)
    value |= static_cast<unsigned>(static_cast<uint8_t>(byte[1])) << 8;
  return value >> shift & ((1u << bits) - 1);
}

/// Sets bits that are still zero, at most 8 of them.
inline void storeBits(char *stream, int64_t position, unsigned bits,
                      unsigned value) {
  char *byte = stream + position / 8;
  unsigned shift = static_cast<unsigned>(position % 8);
  *byte = static_cast<char>(*byte | value << shift);
  if (shift + bits > 8)
    byte[1] = static_cast<char>(byte[1] | value >> (8 - shift));
}

} // namespace lq

#endif // LQ_DIALECTS_LQ_FORMATS_ROWSTORAGE_H
