//===- TileReader.h - codes and numbers of a weight in tiles ----*- C++ -*-===//

#ifndef LQ_LOWERING_CPU_KERNELS_TILEREADER_H
#define LQ_LOWERING_CPU_KERNELS_TILEREADER_H

#include "dialects/lq/Tile.h"
#include "lowering/cpu/kernels/KernelBuilder.h"

namespace lq::cpu {

/// A column block: its span in the run, and its number in the span.
struct ColumnBlock {
  Val span, block;
};

/// Rows of a row block: `count` from `first` on.
struct TileRows {
  Val first;
  int64_t count;
};

/// Reads a run of columns of a row block of a weight with codes (Tile.h): numbers
/// in f32, and levels in units of the scales as one or two digits, bytes, of an
/// integer:
///     level = byte - zero()  or  256 * high byte + low byte - zero().
class TileReader {
public:
  /// `base`: the first byte of the row block in `weight`.
  TileReader(KernelBuilder &k, const TileRun &run, Val weight, Val base);

  int zero() const { return levels.zero; }
  /// Digits of a level; digit 0 is the low one.
  int64_t digits() const { return levels.low.empty() ? 1 : 2; }
  /// Bits of the bytes that loadCodes gives.
  unsigned byteBits() const {
    return levels.table.empty() ? run.format.bits : 8;
  }
  bool hasOffset() const { return run.format.offset.exists(); }
  /// Groups that begin in a column block: 1, or 2 of half a block.
  int64_t groupsPerBlock() const;
  /// Steps of four columns that a load gives at least.
  int64_t stepsPerLoad() const;

  /// Calls body(block, number of the block in the row) for all column blocks of
  /// the run, with values carried along.
  using BlockBody = llvm::function_ref<Vals(
      const ColumnBlock &block, Val number, llvm::ArrayRef<Val> carried)>;
  Vals forBlocks(llvm::ArrayRef<Val> initial, BlockBody body);

  /// A digit of the levels of four columns a row, for each of the steps
  /// [firstStep, firstStep + steps); firstStep may be an index that varies, a multiple of stepsPerLoad().
  /// Bytes `prefetch` ahead of what is read are asked for, unless it is 0.
  Vals loadCodes(const ColumnBlock &block, int64_t digit, Val firstStep,
                 int64_t steps, const TileRows &rows, int64_t prefetch = 0);
  /// Scale and offset of group `group` < groupsPerBlock(), f32 for each row.
  Val loadScale(const ColumnBlock &block, int64_t group, const TileRows &rows);
  Val loadOffset(const ColumnBlock &block, int64_t group, const TileRows &rows);

private:
  KernelBuilder &k;
  const TileRun &run;
  Val weight, base;
  ByteLevels levels;

  Val spanStart(const ColumnBlock &block) {
    return base + block.span * run.spanBytes;
  }
  Val loadScalar(Scalar type, Val offset, int64_t count);
  Val loadInteger(Val offset, bool upper, int64_t count);
  Val loadFactor(const GroupNumber &number, int64_t factors,
                 const ColumnBlock &block, int64_t group, const TileRows &rows);
  Val loadNumber(const GroupNumber &number, int64_t factors, int64_t values,
                 bool upper, const ColumnBlock &block, int64_t group,
                 const TileRows &rows);
  Val extractField(Val bytes, int64_t field, unsigned width, unsigned shift);
};

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_TILEREADER_H
