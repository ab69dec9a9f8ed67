//===- LinearIntegers.cpp - products of codes and int8 activations --------===//
//
// For each group g of columns, with x = xs * xq in groups of tileColumns,
//
//   y += xs (scale(n, g) (sum byte xq - zero sum xq) + offset(n, g) sum xq)
//
// The lanes of a vector are rows of W. In a group the integer sum starts at
// -zero * sum xq, so that the zero point costs nothing; conversions and fused
// multiply-adds bring it to f32.
//
//===----------------------------------------------------------------------===//

#include "lowering/cpu/kernels/IntegerDot.h"
#include "lowering/cpu/kernels/Linear.h"
#include "lowering/cpu/kernels/TileReader.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

/// Sums of codes that the activations have for each column block.
static constexpr int64_t sumsPerBlock = 2;

namespace {

/// The activations of a row group in the columns of a run: read from the kernel's
/// inputs, or from their copy in scratch, which has for each column block
///     codes [count][tileColumns] i8, scales [count] f32,
///     corrections [count][groups] i32, sums [count][groups] f32 (written
///     where the format has need of them),
/// with the codes of rows that a product takes together interleaved.
class IntegerActivations {
public:
  IntegerActivations(LinearKernel &kernel, const TileRun &run,
                     const RowGroup &rows, const TileReader &tiles,
                     const IntegerDot &dot)
      : k(kernel.k), rows(rows), dot(dot),
        firstBlock(run.firstColumn / tileColumns),
        blocks(run.columns / tileColumns),
        blockBytes(rows.count * getPackedBlockBytes(run)),
        packed(findPacked(kernel, run)),
        zero(tiles.zero() + dot.zeroShift() * (tiles.digits() == 2 ? 257 : 1)),
        groups(tiles.groupsPerBlock()), hasOffset(tiles.hasOffset()) {}

  /// Codes of columns from 4 step of a block on, for the rows from `i` on and
  /// the steps that a product takes.
  Val codes(int64_t i, Val block, Val step) {
    if (rows.packed)
      return k.loadBytes(k.scratch(),
                         blockOffset(block) + step * (4 * dot.rows()) +
                             i * tileColumns,
                         k.vector(dot.rows() * dot.steps() * 4, k.i8()));
    auto load = [&](int64_t row) {
      return k.load(k.argument(0),
                    {rows.first + row, block * tileColumns + step * 4},
                    dot.steps() * 4);
    };
    Val codes = load(i);
    for (int64_t row = 1; row < dot.rows(); ++row)
      codes = codes.append(load(i + row));
    return codes;
  }

  Val scale(int64_t i, Val block) {
    if (!rows.packed)
      return k.load(k.argument(1), {rows.first + i, block});
    return loadWord(wordOffset(block, i), k.f32());
  }

  /// What the bytes' zero point subtracts: -zero * sum; null if nothing.
  Val correction(int64_t i, Val block, int64_t group) {
    if (zero == 0)
      return Val();
    if (!rows.packed)
      return addUp(rows.first + i, block, group) * -zero;
    return loadWord(wordOffset(block, rows.count + i * groups + group),
                    k.i32());
  }

  /// The sum of the codes of a group, as f32.
  Val sum(int64_t i, Val block, int64_t group) {
    if (!rows.packed)
      return addUp(rows.first + i, block, group).convert(k.f32());
    return loadWord(
        wordOffset(block, rows.count * (1 + groups) + i * groups + group),
        k.f32());
  }

  /// Writes the copy.
  void pack() {
    k.forLoop(k.index(firstBlock), k.index(firstBlock + blocks), 1,
              [&](Val block) {
                for (int64_t i = 0; i < rows.count; ++i) {
                  Val row = rows.first + i;
                  packCodes(i, block);
                  storeWord(k.load(k.argument(1), {row, block}), block, i);
                  for (int64_t group = 0; group < groups; ++group) {
                    Val sum = addUp(row, block, group);
                    int64_t cell = i * groups + group;
                    if (zero != 0)
                      storeWord(sum * -zero, block, rows.count + cell);
                    if (hasOffset)
                      storeWord(sum.convert(k.f32()), block,
                                rows.count * (1 + groups) + cell);
                  }
                }
              });
  }

private:
  KernelBuilder &k;
  RowGroup rows;
  const IntegerDot &dot;
  int64_t firstBlock, blocks, blockBytes;
  /// Where the copy of the run begins; null without one.
  Val packed;
  int zero;
  int64_t groups;
  bool hasOffset;

  /// Copies the codes of a column block of a row, in pieces that a product
  /// takes.
  void packCodes(int64_t i, Val block) {
    int64_t together = dot.rows();
    int64_t piece = together == 1 ? tileColumns : dot.steps() * 4;
    Val first = blockOffset(block) +
                (i / together * together * tileColumns + i % together * piece);
    for (int64_t column = 0; column < tileColumns; column += piece)
      k.storeBytes(k.load(k.argument(0),
                          {rows.first + i, block * tileColumns + column},
                          piece),
                   k.scratch(), first + column * together);
  }

  /// The sum of the codes of a group, from the sums of half blocks.
  Val addUp(Val row, Val block, int64_t group) {
    Val first = block * sumsPerBlock;
    if (groups == sumsPerBlock)
      return k.load(k.argument(2), {row, first + group});
    return k.load(k.argument(2), {row, first}) +
           k.load(k.argument(2), {row, first + 1});
  }

  /// The copies of runs follow each other.
  Val findPacked(LinearKernel &kernel, const TileRun &run) {
    if (!rows.packed)
      return Val();
    int64_t before = 0;
    for (const TileRun &each : kernel.layout.runs)
      if (each.firstColumn < run.firstColumn)
        before += each.columns / tileColumns * getPackedBlockBytes(each);
    return rows.packed + before * rows.count;
  }
  Val blockOffset(Val block) {
    return packed + (block - firstBlock) * blockBytes;
  }
  Val wordOffset(Val block, int64_t word) {
    return blockOffset(block) + (rows.count * tileColumns + word * 4);
  }
  Val loadWord(Val offset, Type type) {
    return k.loadBytes(k.scratch(), offset, k.vector(1, type)).lane(0);
  }
  void storeWord(Val value, Val block, int64_t word) {
    k.storeBytes(value, k.scratch(), wordOffset(block, word));
  }
};

/// The product of a run of columns of one row block with a few activation rows.
class IntegerProduct {
public:
  IntegerProduct(LinearKernel &kernel, const TileRun &run, Val base,
                 const RowGroup &rows)
      : k(kernel.k), tiles(k, run, kernel.weight, base),
        dot(IntegerDot::create(k, tiles.byteBits(), rows.count)),
        activations(kernel, run, rows, tiles, *dot), count(rows.count),
        parts(kernel.parts()), groups(tiles.groupsPerBlock()) {}

  /// Adds the run to the sums [count][parts].
  Vals emit(ArrayRef<Val> sums) {
    return tiles.forBlocks(
        sums, [&](const ColumnBlock &block, Val number, ArrayRef<Val> before) {
          loadNumbers(block);
          return keepsCodes() ? addRowByRow(block, number, before)
                              : addStepByStep(block, number, before);
        });
  }

  void packActivations() { activations.pack(); }

private:
  KernelBuilder &k;
  TileReader tiles;
  std::unique_ptr<IntegerDot> dot;
  IntegerActivations activations;
  int64_t count, parts, groups;
  /// Of the block at hand: [groups][parts].
  Vals scales, offsets;

  /// Up to so many rows memory is the bound and prefetching pays.
  static constexpr int64_t rowsOfDecode = 4;

  /// Bytes to ask for ahead, as measured: where a group is few instructions,
  /// out-of-order execution does most; else it does not reach far enough.
  int64_t prefetchDistance() const {
    if (count > rowsOfDecode)
      return 0;
    return parts == 1 && count <= 2 ? 512 : 4096;
  }

  /// Whether registers hold the codes of a block while row follows row, or
  /// there is but one row.
  bool keepsCodes() const {
    return k.level().registerBytes() >= 4 * tileRows * tileColumns ||
           (count == 1 && k.level().registers >= 32);
  }

  int64_t stepsPerGroup() const { return tileColumns / 4 / groups; }

  TileRows rowsOfPart(int64_t part) {
    return {k.index(part * k.lanes()), k.lanes()};
  }

  void loadNumbers(const ColumnBlock &block) {
    scales.clear();
    offsets.clear();
    for (int64_t group = 0; group < groups; ++group)
      for (int64_t part = 0; part < parts; ++part) {
        scales.push_back(tiles.loadScale(block, group, rowsOfPart(part)));
        if (tiles.hasOffset())
          offsets.push_back(tiles.loadOffset(block, group, rowsOfPart(part)));
      }
  }

  /// A digit of the codes of a block from `step` on: [steps][parts], with steps
  /// that a product takes together as one.
  SmallVector<IntegerDot::Codes>
  loadCodes(const ColumnBlock &block, int64_t digit, Val step, int64_t steps) {
    int64_t together = dot->steps();
    SmallVector<IntegerDot::Codes> codes(steps / together * parts);
    for (int64_t part = 0; part < parts; ++part) {
      // Both halves of a row block lie in the same cache line.
      Vals bytes = tiles.loadCodes(block, digit, step, steps, rowsOfPart(part),
                                   part + digit == 0 ? prefetchDistance() : 0);
      for (int64_t s = 0; s < steps; s += together)
        codes[s / together * parts + part] =
            dot->prepare(ArrayRef(bytes).slice(s, together));
    }
    return codes;
  }

  /// The integer sum of a digit of row i before the first column of a group.
  Val startSum(int64_t i, Val number, int64_t group, int64_t digit) {
    Type type = k.vector(k.lanes(), k.i32());
    Val correction =
        digit == 0 ? activations.correction(i, number, group) : Val();
    return correction ? correction.broadcast(type) : k.zeros(type);
  }

  /// Adds the sums of a higher digit to those of a lower one.
  static void addDigits(MutableArrayRef<Val> low, ArrayRef<Val> high) {
    for (auto [sum, digit] : llvm::zip_equal(low, high))
      sum = sum + (digit << 8);
  }

  /// Adds a group's integer sum to what the block adds up to, in units of the
  /// activations' scale; `before` is null for the first group.
  Val addGroup(Val before, Val sum, int64_t i, Val number, int64_t group,
               int64_t part) {
    int64_t cell = group * parts + part;
    Val value = sum.convert(k.f32());
    value = before ? value.fma(scales[cell], before) : value * scales[cell];
    if (!tiles.hasOffset())
      return value;
    return activations.sum(i, number, group)
        .broadcast(k.floats())
        .fma(offsets[cell], value);
  }

  Val addBlock(Val value, int64_t i, Val number, Val before) {
    Val scale = activations.scale(i, number).broadcast(k.floats());
    return value.fma(scale, before);
  }

  /// With many registers the codes of a block stay while row follows row.
  Vals addRowByRow(const ColumnBlock &block, Val number, ArrayRef<Val> before) {
    SmallVector<SmallVector<IntegerDot::Codes>> codes;
    for (int64_t digit = 0; digit < tiles.digits(); ++digit)
      codes.push_back(loadCodes(block, digit, k.index(0), tileColumns / 4));
    Vals result(before);
    for (int64_t i = 0; i < count; i += dot->rows())
      for (int64_t part = 0; part < parts; ++part) {
        Vals values(dot->rows());
        for (int64_t group = 0; group < groups; ++group) {
          Vals sums = addSteps(codes[0], 0, i, number, group, part);
          if (tiles.digits() == 2)
            addDigits(sums, addSteps(codes[1], 1, i, number, group, part));
          for (int64_t row = 0; row < dot->rows(); ++row)
            values[row] =
                addGroup(values[row], sums[row], i + row, number, group, part);
        }
        for (int64_t row = 0; row < dot->rows(); ++row) {
          Val &sum = result[(i + row) * parts + part];
          sum = addBlock(values[row], i + row, number, sum);
        }
      }
    return result;
  }

  /// The integer sums of the rows that go together from `i` on, over a group
  /// and a part. A second sum for a single row hides the latency of the dot
  /// product; several rows hide each other's.
  Vals addSteps(ArrayRef<IntegerDot::Codes> codes, int64_t digit, int64_t i,
                Val number, int64_t group, int64_t part) {
    int64_t rows = dot->rows(), together = dot->steps();
    Vals sums, second(rows, k.zeros(k.vector(k.lanes(), k.i32())));
    for (int64_t row = 0; row < rows; ++row)
      sums.push_back(startSum(i + row, number, group, digit));
    dot->enter(sums);
    Vals partials(rows, dot->zeroPartial());
    int64_t first = group * stepsPerGroup(), last = first + stepsPerGroup();
    for (int64_t s = first; s < last; s += together) {
      Vals x = dot->spread(activations.codes(i, number, k.index(s)));
      bool isSecond = count == 1 && s / together % 2;
      dot->add(codes[s / together * parts + part], x, isSecond ? second : sums,
               partials);
      if ((s + together - first) % dot->stepsPerFlush() == 0 ||
          s + together == last)
        flush(sums, partials);
    }
    if (count == 1)
      sums[0] = sums[0] + second[0];
    dot->leave(sums);
    return sums;
  }

  /// Adds partial sums of some rows, and makes them 0.
  void flush(MutableArrayRef<Val> sums, MutableArrayRef<Val> partials) {
    if (!dot->hasPartial())
      return;
    dot->flush(sums, partials);
    llvm::fill(partials, dot->zeroPartial());
  }

  /// Where step by step integer sums of row i have that of a part: those of
  /// rows that go together stand side by side.
  int64_t cellOf(int64_t i, int64_t part) const {
    int64_t rows = dot->rows();
    return (i / rows * parts + part) * rows + i % rows;
  }

  /// With few registers a step's codes serve all rows at once.
  Vals addStepByStep(const ColumnBlock &block, Val number,
                     ArrayRef<Val> before) {
    Vals values(count * parts);
    for (int64_t group = 0; group < groups; ++group) {
      Vals sums = addGroupSteps(block, 0, number, group);
      if (tiles.digits() == 2)
        addDigits(sums, addGroupSteps(block, 1, number, group));
      for (int64_t i = 0; i < count; ++i)
        for (int64_t part = 0; part < parts; ++part) {
          Val &value = values[i * parts + part];
          value =
              addGroup(value, sums[cellOf(i, part)], i, number, group, part);
        }
    }
    for (int64_t cell = 0; cell < count * parts; ++cell)
      values[cell] = addBlock(values[cell], cell / parts, number, before[cell]);
    return values;
  }

  /// The integer sums of a digit of a group, in the order of cellOf.
  Vals addGroupSteps(const ColumnBlock &block, int64_t digit, Val number,
                     int64_t group) {
    int64_t rows = dot->rows();
    Vals sums;
    for (int64_t i = 0; i < count; i += rows)
      for (int64_t part = 0; part < parts; ++part) {
        for (int64_t row = 0; row < rows; ++row)
          sums.push_back(startSum(i + row, number, group, digit));
        dot->enter(MutableArrayRef(sums).take_back(rows));
      }
    int64_t first = group * stepsPerGroup(), last = first + stepsPerGroup();
    int64_t load =
        std::max(std::min(tiles.stepsPerLoad(), stepsPerGroup()), dot->steps());
    // As many steps as may pass before partial sums must be flushed.
    int64_t chunk = load;
    while (first + 2 * chunk <= last && 2 * chunk <= dot->stepsPerFlush())
      chunk *= 2;
    for (int64_t step = first; step < last; step += chunk)
      sums = addChunk({block, digit, number, first, load}, step, chunk, sums);
    for (int64_t cell = 0; cell < count * parts; cell += rows)
      dot->leave(MutableArrayRef(sums).slice(cell, rows));
    return sums;
  }

  /// Where steps are read: a digit of a column block; its number in the row; the
  /// group's first step; how many steps are loaded at once.
  struct StepSource {
    ColumnBlock block;
    int64_t digit;
    Val number;
    int64_t groupFirst, load;
  };

  /// Adds steps [first, first + steps). The loop stays a loop: unrolled, the
  /// scheduler fills the registers with codes of many steps and spills them.
  Vals addChunk(const StepSource &source, int64_t first, int64_t steps,
                ArrayRef<Val> before) {
    // Partial sums live through the chunk, or through a few steps of a load.
    bool carriesPartials =
        dot->hasPartial() && source.load <= dot->stepsPerFlush();
    Vals sums(before);
    auto add = [&](Val step, ArrayRef<Val> carried) {
      Vals next(carried);
      if (carriesPartials)
        addCodes(loadSteps(source, step), source.number, step, sums, next);
      else
        addFlushing(source, step, next);
      return next;
    };
    Vals initial =
        carriesPartials ? Vals(count * parts, dot->zeroPartial()) : sums;
    Vals carried = steps == source.load
                       ? add(k.index(first), initial)
                       : k.rolledLoop(k.index(first), k.index(first + steps),
                                      source.load, initial, add);
    if (!carriesPartials)
      return carried;
    flushAll(sums, carried);
    return sums;
  }

  void flushAll(Vals &sums, Vals &partials) {
    int64_t rows = dot->rows();
    for (int64_t cell = 0; cell < count * parts; cell += rows)
      flush(MutableArrayRef(sums).slice(cell, rows),
            MutableArrayRef(partials).slice(cell, rows));
  }

  /// Adds the steps of a load and leaves no partial sums.
  void addFlushing(const StepSource &source, Val step, Vals &sums) {
    int64_t piece = std::min(source.load, dot->stepsPerFlush());
    int64_t pieceCodes = piece / dot->steps() * parts;
    SmallVector<IntegerDot::Codes> codes = loadSteps(source, step);
    for (int64_t s = 0; s < source.load; s += piece) {
      Vals partials(count * parts, dot->zeroPartial());
      addCodes(ArrayRef(codes).slice(s / piece * pieceCodes, pieceCodes),
               source.number, step + s, sums, partials);
      flushAll(sums, partials);
    }
  }

  /// The codes [load][parts] from `step` on.
  SmallVector<IntegerDot::Codes> loadSteps(const StepSource &source, Val step) {
    if (source.load >= tiles.stepsPerLoad())
      return loadCodes(source.block, source.digit, step, source.load);
    // A slice of few bits holds more steps than the group, which is all here.
    SmallVector<IntegerDot::Codes> codes =
        loadCodes(source.block, source.digit, k.index(0),
                  source.groupFirst + source.load);
    codes.erase(codes.begin(),
                codes.begin() + source.groupFirst / dot->steps() * parts);
    return codes;
  }

  /// Adds steps of all rows, the first of them `step`.
  void addCodes(ArrayRef<IntegerDot::Codes> codes, Val number, Val step,
                Vals &sums, Vals &partials) {
    int64_t rows = dot->rows();
    for (int64_t s = 0; s < int64_t(codes.size()) / parts; ++s)
      for (int64_t i = 0; i < count; i += rows) {
        Vals x =
            dot->spread(activations.codes(i, number, step + s * dot->steps()));
        for (int64_t part = 0; part < parts; ++part) {
          int64_t cell = cellOf(i, part);
          dot->add(codes[s * parts + part], x,
                   MutableArrayRef(sums).slice(cell, rows),
                   MutableArrayRef(partials).slice(cell, rows));
        }
      }
  }
};

} // namespace

Vals lq::cpu::emitIntegerProduct(LinearKernel &kernel, Val base,
                                 const RowGroup &rows) {
  KernelBuilder &k = kernel.k;
  Vals sums(rows.count * kernel.parts(), k.zeros(k.floats()));
  for (const TileRun &run : kernel.layout.runs)
    sums = IntegerProduct(kernel, run, base, rows).emit(sums);
  return sums;
}

void lq::cpu::packIntegers(LinearKernel &kernel, const RowGroup &rows) {
  for (const TileRun &run : kernel.layout.runs)
    IntegerProduct(kernel, run, kernel.k.index(0), rows).packActivations();
}
