//===- Tile.h - how packed weights lie in memory ----------------*- C++ -*-===//
//
// The layout of a weight in an artifact for CPUs, derived from its format's
// description. Rows are taken in blocks of `tileRows`, so that one vector lane
// works on one row and activations are broadcast; columns in blocks of
// `tileColumns`, a group of activations. A row block is, for each run of columns
// that are alike (mostly one), a sequence of spans, the columns after which the
// layout repeats; then padding to 64 bytes. A span is its numbers, then its
// codes:
//
// * factors of scales:   [super-groups][tileRows] numbers
// * factors of offsets:  [super-groups][tileRows] numbers
// * scales:              [groups][tileRows] numbers, or integers as bytes
// * offsets:             [groups][tileRows] likewise; integers of scales and
//                        offsets of 4 bits each share a byte, scales low
// * shared factors:      [super-groups] numbers, where all rows have the same,
//                        in place of factors of scales
// * codes:               [column blocks][slices]
//
// (each where the format has it). The bits of a code are cut into slices of a
// power of two of bits, low ones first: 5 = 4 + 1, 6 = 4 + 2, 3 = 2 + 1. A
// slice of w bits is [w][tileRows][4] bytes, of which byte j of vector v holds
// the columns 4 (8 v / w + f) + j in its bits [f w, f w + w). A format without
// codes is [columns][tileRows] elements.
//
// A kernel thus reads one stream: with the scales apart from the codes, as a
// second stream, decoding was measured at half the memory's speed.
//
// The rows that fill up the last block are zero. One layout serves every CPU
// level: a 512-bit vector holds a step of 16 rows, two 256-bit vectors hold it
// as halves of 8 rows, four 128-bit vectors as quarters.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_DIALECTS_LQ_TILE_H
#define LQ_DIALECTS_LQ_TILE_H

#include "dialects/lq/Format.h"
#include <string>

namespace lq {

/// Rows that are interleaved in a row block.
constexpr int64_t tileRows = 16;
/// Columns of a column block: of a group of activations too.
constexpr int64_t tileColumns = 32;
/// Alignment of a row block, and of the codes of a span, in bytes.
constexpr int64_t tileAlignment = 64;

/// The layout of a run of columns in a row block: a span, and where its parts
/// begin. Offsets and sizes in bytes.
struct TileRun : FormatRun {
  explicit TileRun(const FormatRun &run) : FormatRun(run) {}

  int64_t start = 0; // in the row block
  int64_t spanColumns = 0;
  int64_t spanBytes = 0;
  int64_t scaleFactors = 0, offsetFactors = 0;
  int64_t scales = 0, offsets = 0;
  int64_t codes = 0;
  /// The integers of scales and offsets share a byte.
  bool sharedIntegers = false;
  /// The codes of a column block.
  int64_t codeBytes = 0;

  /// Of the run: whole spans, and the columns and bytes of a last, partial one.
  int64_t spans() const { return columns / spanColumns; }
  int64_t restColumns() const { return columns % spanColumns; }
  int64_t totalBytes() const {
    return spans() * spanBytes +
           (restColumns() ? codes + restColumns() / tileColumns * codeBytes
                          : 0);
  }
};

/// Offsets and sizes in bytes of the tiles of a matrix [rows, columns].
struct TileLayout {
  int64_t rowBlocks = 0; // ceil(rows / tileRows)
  int64_t rowBlockBytes = 0;

  /// Without codes: the elements of a column of a row block.
  int64_t columnBytes = 0;
  /// With codes; none if there are no columns.
  llvm::SmallVector<TileRun, 1> runs;

  int64_t totalBytes() const { return rowBlocks * rowBlockBytes; }
};

/// The layout of a matrix whose tiles can hold `columns`.
TileLayout getTileLayout(const FormatDescription &format, int64_t rows,
                         int64_t columns);

/// Why no tiles can hold a matrix of this format; empty if they can. A kernel
/// exists for all that can be held.
std::string checkTiles(const FormatDescription &format, int64_t columns);

/// Widths of the slices of a code, low bits first.
llvm::SmallVector<unsigned> getSlices(unsigned bits);

/// How kernels turn codes of a run into levels: as bytes, which integer
/// products take,
///     level = (byte - zero) * unit.
struct ByteLevels {
  /// The byte of each code; empty if the code is the byte.
  llvm::SmallVector<uint8_t> table;
  int zero = 0;
  float unit = 1;
  /// Bytes are below 2^bits.
  unsigned bits = 8;
};
/// Exact if the levels are integers that span 255 at most, or halves or quarters
/// that do; else within half a unit, and the unit is 1/192 of their span at most.
ByteLevels getByteLevels(const FormatDescription &format);

/// Writes rows [firstRow, firstRow + planes.rows) of a matrix into its tiles;
/// firstRow is a multiple of tileRows. `tiles` is the whole matrix's.
void packTiles(const FormatDescription &format, const Planes &planes,
               int64_t firstRow, llvm::MutableArrayRef<char> tiles);

} // namespace lq

#endif // LQ_DIALECTS_LQ_TILE_H
