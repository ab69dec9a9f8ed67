//===- IntegerActivations.h - int8 activations as products read -*- C++ -*-===//

#ifndef LQ_LOWERING_CPU_KERNELS_INTEGERACTIVATIONS_H
#define LQ_LOWERING_CPU_KERNELS_INTEGERACTIVATIONS_H

#include "lowering/cpu/kernels/IntegerDot.h"
#include "lowering/kernels/TileReader.h"

namespace lq::cpu {

/// What a product wants to know of its activations beside their codes.
struct ActivationNeeds {
  /// What the bytes of the weight are above their levels.
  int zero;
  /// Columns of an integer sum, tileColumns or half of them.
  int64_t sumColumns;
  /// Columns that share an offset; 0 if there are no offsets.
  int64_t offsetColumns;

  /// For the bytes that `tiles` gives, with scales and offsets that hold for
  /// `mostColumns` at most.
  ActivationNeeds(const TileReader &tiles, const IntegerDot &dot,
                  int64_t mostColumns);
};

/// A run of K columns of `count` rows of quantized activations (LinearSpec),
/// copied to scratch:
///
///     codes        [K / tileColumns][count][tileColumns] i8, of rows that a
///                  product takes together interleaved
///     scales       [K / tileColumns][count] f32
///     corrections  [K / sumColumns][count] i32: -zero times the sum of the
///                  codes, where a zero point is not 0
///     totals       [K / offsetColumns][count] f32: sums of activations
class IntegerActivations {
public:
  IntegerActivations(KernelBuilder &k, const FormatRun &run, int64_t count,
                     const ActivationNeeds &needs, const IntegerDot &dot,
                     Val base);

  /// Bytes that they take in scratch at most, a multiple of 64.
  static int64_t countBytes(const FormatRun &run, int64_t count);

  /// Writes the copy of rows from `first` on; row `last` again in place of
  /// those behind it.
  void pack(Val first, Val last);

  /// Codes of columns from 4 step of a block of the run on, for the rows from
  /// `i` on and the steps that a product takes.
  Val codes(int64_t i, Val block, Val step);
  Val scale(int64_t i, Val block);
  /// Of the sum that begins at `column` of a block; null if nothing.
  Val correction(int64_t i, Val block, int64_t column);
  /// Of the group `group` of offsets.
  Val total(int64_t i, Val group);

private:
  KernelBuilder &k;
  int64_t firstBlock, blocks, count;
  ActivationNeeds needs;
  const IntegerDot &dot;
  Val base;
  int64_t scales, corrections, totals;

  int64_t sumsPerBlock() const { return tileColumns / needs.sumColumns; }
  Val word(int64_t array, Val index, int64_t i, mlir::Type type);
  void setWord(int64_t array, Val index, int64_t i, Val value);
  void packCodes(int64_t i, Val row, Val block);
  Val addUp(Val row, Val block, int64_t column, int64_t columns);
  Val addTotal(Val row, Val block, int64_t column, int64_t columns);
  void packWideTotals(int64_t i, Val row);
};

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_INTEGERACTIVATIONS_H
