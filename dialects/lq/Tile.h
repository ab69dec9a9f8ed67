//===- Tile.h - how packed weights lie in memory ----------------*- C++ -*-===//
//
// The layout of a weight in an artifact for CPUs, derived from its format's
// description. Rows are taken in blocks of `tileRows`, so that one vector lane
// works on one row and activations are broadcast. A row block is its groups of
// columns one after the other, then padding to 64 bytes; a group is
//
// * codes, 8 bits:  [group / 4][tileRows][4]
//                   byte j of step s is column 4 s + j
// * codes, 4 bits:  [group / 8][tileRows][4]
//                   of byte j of step s the low nibble is column 8 s + j,
//                   the high one 8 s + 4 + j
// * then scales:    [tileRows] in the format's scale type
// * no codes:       [tileRows] elements (a group is a column)
//
// A kernel thus reads one stream: with the scales apart from the codes, as a
// second stream, decoding was measured at half the memory's speed.
//
// The rows that fill up the last block are zero. One layout serves every x86-64
// level: a 512-bit vector holds a step of 16 rows, two 256-bit vectors hold it
// as two halves of 8 rows.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_DIALECTS_LQ_TILE_H
#define LQ_DIALECTS_LQ_TILE_H

#include "dialects/lq/Format.h"

namespace lq {

/// Rows that are interleaved in a row block.
constexpr int64_t tileRows = 16;
/// Alignment of a row block, in bytes.
constexpr int64_t tileAlignment = 64;

/// Offsets and sizes in bytes of the tiles of a matrix [rows, columns].
struct TileLayout {
  int64_t rowBlocks;      // ceil(rows / tileRows)
  int64_t groupCodeBytes; // codes (or elements) of a group of a row block
  int64_t groupBytes;     // those and the scales
  int64_t rowBlockBytes;  // both, padded to tileAlignment

  int64_t totalBytes() const { return rowBlocks * rowBlockBytes; }
};

/// The layout of a matrix whose format allows `columns`.
TileLayout getTileLayout(const FormatDescription &format, int64_t rows,
                         int64_t columns);

/// Whether tiles can hold codes of this format; a kernel exists for all that
/// can.
bool canTile(const FormatDescription &format);

/// Writes rows [firstRow, firstRow + planes.rows) of a matrix into its tiles;
/// firstRow is a multiple of tileRows. `tiles` is the whole matrix's.
void packTiles(const FormatDescription &format, const Planes &planes,
               int64_t firstRow, llvm::MutableArrayRef<char> tiles);

} // namespace lq

#endif // LQ_DIALECTS_LQ_TILE_H
