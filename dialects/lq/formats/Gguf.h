//===- Gguf.h - the block formats of GGUF -----------------------*- C++ -*-===//
//
// A row is a sequence of blocks of equal size, and a block a sequence of parts:
// numbers, integers, and the bits of the codes. A format is thus a line of data
// (formats/GgufFormats.cpp), from which one codec is derived for all.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_DIALECTS_LQ_FORMATS_GGUF_H
#define LQ_DIALECTS_LQ_FORMATS_GGUF_H

#include "dialects/lq/Format.h"
#include <array>

namespace lq {

/// How the integers of a block's scales and offsets are packed: bytes to an
/// integer for each group and back. `offsets` is null where there are none; the
/// bytes to pack into are zero.
struct IntegerPacking {
  int64_t bytes;
  void (*unpack)(const uint8_t *bytes, uint8_t *scales, uint8_t *offsets);
  void (*pack)(const uint8_t *scales, const uint8_t *offsets, uint8_t *bytes);
};

/// A part of a block.
struct BlockPart {
  enum class Kind {
    /// There is no further part.
    None,
    /// The scale or its factor; the offset or its factor; that with the sign
    /// turned, where a format subtracts it.
    Scale,
    Offset,
    NegatedOffset,
    Integers,
    /// `width` bits of each code, from bit `shift` on. Columns are taken in runs
    /// of `run`: byte l of 8 / width successive runs holds their columns l, the
    /// first in the lowest bits.
    Codes,
  };
  Kind kind = Kind::None;
  unsigned width = 0, shift = 0;
  int64_t run = 0;
  /// Codes: bits that are inverted, 0x80 where codes are stored as int8.
  uint8_t flipped = 0;
  const IntegerPacking *packing = nullptr;
};

/// A format whose rows are sequences of blocks.
struct GgufFormat {
  llvm::StringLiteral name;
  FormatDescription description;
  /// Weights of a block.
  int64_t blockColumns;
  std::array<BlockPart, 6> parts;
  /// The format of a matrix whose columns make no whole blocks; empty: f16.
  llvm::StringLiteral fallback = "";

  int64_t blockBytes() const;
};

/// All of them.
llvm::ArrayRef<GgufFormat> ggufFormats();

} // namespace lq

#endif // LQ_DIALECTS_LQ_FORMATS_GGUF_H
