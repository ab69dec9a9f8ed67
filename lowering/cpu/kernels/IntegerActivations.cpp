//===- IntegerActivations.cpp - int8 activations as products read ---------===//

#include "lowering/cpu/kernels/IntegerActivations.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

/// Columns of a sum of codes that the kernel's inputs have.
static constexpr int64_t halfColumns = tileColumns / 2;

ActivationNeeds::ActivationNeeds(const TileReader &tiles, const IntegerDot &dot,
                                 int64_t mostColumns)
    : zero(tiles.zero() + dot.zeroShift()),
      sumColumns(std::min(tiles.scaleColumns(), tileColumns)),
      offsetColumns(tiles.hasOffset()
                        ? std::min(tiles.offsetColumns(), mostColumns)
                        : 0) {}

IntegerActivations::IntegerActivations(KernelBuilder &k, const FormatRun &run,
                                       int64_t count,
                                       const ActivationNeeds &needs,
                                       const IntegerDot &dot, Val base)
    : k(k), firstBlock(run.firstColumn / tileColumns),
      blocks(run.columns / tileColumns), count(count), needs(needs), dot(dot),
      base(base), scales(count * run.columns),
      corrections(scales + blocks * count * 4),
      totals(corrections +
             (needs.zero ? run.columns / needs.sumColumns * count * 4 : 0)) {}

int64_t IntegerActivations::countBytes(const FormatRun &run, int64_t count) {
  // A scale, and numbers of each group of a column block.
  int64_t groups = run.groupColumns() < tileColumns ? 2 : 1;
  int64_t words = 1 + groups * (run.format.offset.exists() ? 2 : 1);
  return llvm::alignTo(
      count * (run.columns + run.columns / tileColumns * words * 4), 64);
}

Val IntegerActivations::word(int64_t array, Val index, int64_t i, Type type) {
  return k
      .loadBytes(k.scratch(), base + index * (count * 4) + (array + i * 4),
                 k.vector(1, type))
      .lane(0);
}
void IntegerActivations::setWord(int64_t array, Val index, int64_t i,
                                 Val value) {
  k.storeBytes(value, k.scratch(),
               base + index * (count * 4) + (array + i * 4));
}

Val IntegerActivations::codes(int64_t i, Val block, Val step) {
  return k.loadBytes(k.scratch(),
                     base + block * (count * tileColumns) +
                         step * (4 * dot.rows()) + i * tileColumns,
                     k.vector(dot.rows() * dot.steps() * 4, k.i8()));
}
Val IntegerActivations::scale(int64_t i, Val block) {
  return word(scales, block, i, k.f32());
}
Val IntegerActivations::correction(int64_t i, Val block, int64_t column) {
  if (needs.zero == 0)
    return Val();
  return word(corrections, block * sumsPerBlock() + column / needs.sumColumns,
              i, k.i32());
}
Val IntegerActivations::total(int64_t i, Val group) {
  return word(totals, group, i, k.f32());
}

void IntegerActivations::pack(Val first, Val last) {
  Vals rows;
  for (int64_t i = 0; i < count; ++i)
    rows.push_back(i == 0 ? first : (first + i).min(last));
  k.forLoop(k.index(0), k.index(blocks), 1, [&](Val block) {
    for (auto [i, row] : llvm::enumerate(rows)) {
      packCodes(i, row, block);
      setWord(scales, block, i,
              k.load(k.argument(1), {row, block + firstBlock}));
      for (int64_t column = 0; needs.zero && column < tileColumns;
           column += needs.sumColumns)
        setWord(corrections, block * sumsPerBlock() + column / needs.sumColumns,
                i, addUp(row, block, column, needs.sumColumns) * -needs.zero);
      if (needs.offsetColumns == 0 || needs.offsetColumns > tileColumns)
        continue;
      for (int64_t column = 0; column < tileColumns;
           column += needs.offsetColumns)
        setWord(totals,
                block * (tileColumns / needs.offsetColumns) +
                    column / needs.offsetColumns,
                i, addTotal(row, block, column, needs.offsetColumns));
    }
  });
  if (needs.offsetColumns > tileColumns)
    for (auto [i, row] : llvm::enumerate(rows))
      packWideTotals(i, row);
}

/// Copies the codes of a column block of a row, in pieces that a product takes.
void IntegerActivations::packCodes(int64_t i, Val row, Val block) {
  int64_t together = dot.rows();
  int64_t piece = together == 1 ? tileColumns : dot.steps() * 4;
  Val first = base + block * (count * tileColumns) +
              (i / together * together * tileColumns + i % together * piece);
  for (int64_t column = 0; column < tileColumns; column += piece)
    k.storeBytes(k.load(k.argument(0),
                        {row, (block + firstBlock) * tileColumns + column},
                        piece),
                 k.scratch(), first + column * together);
}

/// The sum of the codes of some columns of a block: of half of it, or all.
Val IntegerActivations::addUp(Val row, Val block, int64_t column,
                              int64_t columns) {
  auto half = [&](int64_t number) {
    return k.load(k.argument(2), {row, (block + firstBlock) * 2 + number});
  };
  return columns == halfColumns ? half(column / halfColumns)
                                : half(0) + half(1);
}

/// The sum of the activations of some columns of a block.
Val IntegerActivations::addTotal(Val row, Val block, int64_t column,
                                 int64_t columns) {
  return addUp(row, block, column, columns).convert(k.f32()) *
         k.load(k.argument(1), {row, block + firstBlock});
}

/// Sums over more than a column block; the last may have fewer.
void IntegerActivations::packWideTotals(int64_t i, Val row) {
  int64_t blocksPerGroup = needs.offsetColumns / tileColumns;
  int64_t groups = llvm::divideCeil(blocks, blocksPerGroup);
  k.forLoop(k.index(0), k.index(groups), 1, [&](Val group) {
    Val first = group * blocksPerGroup;
    Vals sum = k.forLoop(
        first, (first + blocksPerGroup).min(k.index(blocks)), 1,
        {k.constant(k.f32(), 0)}, [&](Val block, ArrayRef<Val> before) -> Vals {
          return {before[0] + addTotal(row, block, 0, tileColumns)};
        });
    setWord(totals, group, i, sum[0]);
  });
}
