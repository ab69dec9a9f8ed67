//===- TileReader.h - codes and numbers of a weight in tiles ----*- C++ -*-===//

#ifndef LQ_LOWERING_KERNELS_TILEREADER_H
#define LQ_LOWERING_KERNELS_TILEREADER_H

#include "dialects/lq/Tile.h"
#include "lowering/kernels/CodeBuilder.h"
#include <optional>

namespace lq {

/// A column block: its span in the run, and its number in the span.
struct ColumnBlock {
  Val span, block;
};

/// Rows of a row block: `count` from `first` on, which is a multiple of it.
struct TileRows {
  Val first;
  int64_t count;
};

/// Reads a run of columns of a row block of a weight with codes (Tile.h): numbers
/// in f32, and levels in units of the scales as bytes, level = byte - zero().
/// Column blocks are counted in the run.
///
/// A reader may *fold* the integers of two-level scales into the levels where
/// all their products fit a byte; the factors of the super-groups then are the
/// scales.
class TileReader {
public:
  /// `base`: the first byte of the row block in `weight`.
  TileReader(CodeBuilder &k, const TileRun &run, Val weight, Val base,
             bool fold = false);

  int zero() const { return levels.zero; }
  /// Bits of the bytes that loadCodes gives.
  unsigned byteBits() const { return levels.bits; }
  bool hasOffset() const { return run.format.offset.exists(); }
  /// Columns that share a scale, and an offset.
  int64_t scaleColumns() const;
  int64_t offsetColumns() const { return run.groupColumns(); }

  ColumnBlock blockAt(Val number) const {
    int64_t blocksInSpan = run.spanColumns / tileColumns;
    return {number / blocksInSpan, number % blocksInSpan};
  }

  /// Calls body(block, number of the block) for all column blocks, with values
  /// carried along.
  using BlockBody = llvm::function_ref<Vals(
      const ColumnBlock &block, Val number, llvm::ArrayRef<Val> carried)>;
  Vals forBlocks(llvm::ArrayRef<Val> initial, BlockBody body);

  /// The bytes of a column block: a vector of four columns a row for each step
  /// of four columns.
  Vals loadCodes(const ColumnBlock &block, const TileRows &rows);
  /// Asks for the memory `distance` bytes behind a column block's part of its
  /// span, numbers and codes.
  void prefetch(const ColumnBlock &block, int64_t distance);
  /// The byte of the weight where the span of a column block begins.
  Val spanStart(const ColumnBlock &block) {
    return base + block.span * run.spanBytes;
  }
  /// Scale and offset of the group that begins in or covers column `column` of
  /// a block, f32 for each row.
  Val loadScale(const ColumnBlock &block, Val column, const TileRows &rows);
  Val loadScale(const ColumnBlock &block, int64_t column,
                const TileRows &rows) {
    return loadScale(block, k.index(column), rows);
  }
  Val loadOffset(const ColumnBlock &block, Val column, const TileRows &rows);
  Val loadOffset(const ColumnBlock &block, int64_t column,
                 const TileRows &rows) {
    return loadOffset(block, k.index(column), rows);
  }

private:
  CodeBuilder &k;
  const TileRun &run;
  Val weight, base;
  /// Of codes as they are stored, and of the bytes that loadCodes gives.
  ByteLevels stored, levels;
  bool folds;

  Val loadScalar(Scalar type, Val offset, int64_t count);
  Val loadFactor(const GroupNumber &number, int64_t factors,
                 const ColumnBlock &block, Val column, const TileRows &rows);
  Val loadInteger(int64_t values, bool upper, const ColumnBlock &block,
                  Val column, const TileRows &rows);
  Val loadNumber(const GroupNumber &number, int64_t factors, int64_t values,
                 bool upper, const ColumnBlock &block, Val column,
                 const TileRows &rows);
  Val extractField(Val bytes, int64_t field, unsigned width, unsigned shift);
  void foldScales(Vals &codes, const ColumnBlock &block, const TileRows &rows);
};

/// The levels times the integers of the scales, of which all are bytes; none if
/// they are not, or the scales have no integers.
std::optional<ByteLevels> foldLevels(const FormatDescription &format);

} // namespace lq

#endif // LQ_LOWERING_KERNELS_TILEREADER_H
