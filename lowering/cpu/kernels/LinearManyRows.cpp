//===- LinearManyRows.cpp - products that unpack codes once ---------------===//
//
// With many rows of activations arithmetic is the bound. The rows are taken in
// panels that fit the second-level cache, and copied to scratch in groups that
// go together. Of the row blocks of W, a stretch of columns is unpacked into
// scratch, of a size that the first-level cache holds while all rows of the
// panel pass it (where bits change along K, run after run):
//
//     codes    [column blocks][steps][parts] vectors of bytes, prepared for
//              the dot product
//     scales   [groups of scales][parts] vectors of f32
//     offsets  [groups of offsets][parts]
//
// So all formats are multiplied by the same loops. Sums wait in scratch between
// stretches, [row groups][rows][parts].
//
//===----------------------------------------------------------------------===//

#include "lowering/cpu/kernels/IntegerProduct.h"
#include "lowering/cpu/kernels/Linear.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

/// Rows of activations that go together. With two vectors of rows of W they have
/// 8 sums as integers, 8 as numbers and, where a scale holds for more than a
/// column block, 8 without it: 24 of 32 registers.
static constexpr int64_t groupRows = 4;

/// Activations that a panel may take, of a second-level cache of 1 MB or more.
static constexpr int64_t panelBytes = 736 << 10;

/// Columns of a stretch at most: 16 KB of codes of 32 rows.
static constexpr int64_t mostColumns = 512;

/// Row blocks that are multiplied together: two vectors of rows at least use
/// the activations that are in a register.
static int64_t countBlocks(const CpuLevel &level) {
  return llvm::divideCeil(2 * level.lanes(), tileRows);
}

/// Columns of a stretch: whole groups, or a part of one group.
static int64_t getStretchColumns(const FormatRun &run) {
  int64_t unit =
      std::max({tileColumns, run.format.group, run.format.superGroup});
  if (unit <= mostColumns)
    return mostColumns / unit * unit;
  int64_t columns = mostColumns;
  while (unit % columns != 0)
    columns -= tileColumns;
  return columns;
}

namespace {

/// Vectors that the prepared codes of a step take for a part.
static int64_t countCodeVectors(const FormatRun &run, const CpuLevel &level) {
  return IntegerDot::countVectors(level, getByteLevels(run.format).bits);
}

/// Where things lie in scratch.
struct ManyRowsScratch {
  int64_t groupBytes = 0; // activations of a row group, run after run
  int64_t groups;         // row groups of a panel
  int64_t numberBytes;    // a number for each row of W
  int64_t sumBytes;       // of a row group
  int64_t codes, scales, offsets, sums, end;

  ManyRowsScratch(const LinearSpec &spec, const CpuLevel &level) {
    int64_t rows = countBlocks(level) * tileRows;
    int64_t mostCodes = 0, mostGroups = 0;
    for (const FormatRun &run : spec.format.splitColumns(spec.inputs)) {
      int64_t columns = getStretchColumns(run);
      groupBytes += IntegerActivations::countBytes(run, groupRows);
      mostCodes =
          std::max(mostCodes, columns * rows * countCodeVectors(run, level));
      mostGroups = std::max(mostGroups, 2 * columns / tileColumns);
    }
    groups =
        std::max<int64_t>(1, panelBytes / std::max<int64_t>(1, groupBytes));
    groups =
        std::min<int64_t>(groups, llvm::divideCeil(mostRows(spec), groupRows));
    numberBytes = rows * 4;
    sumBytes = groupRows * numberBytes;
    codes = groups * groupBytes;
    scales = codes + mostCodes;
    offsets = scales + mostGroups * numberBytes;
    sums =
        offsets + (spec.format.offset.exists() ? mostGroups * numberBytes : 0);
    end = sums + groups * sumBytes;
  }
};

/// Column blocks [first, first + count).
struct Stretch {
  Val first, count;
};

/// Where the sums of a row group wait.
struct GroupSums {
  KernelBuilder &k;
  const ManyRowsScratch &scratch;
  Val group;

  Vals load(int64_t cells) {
    Vals sums;
    for (int64_t cell = 0; cell < cells; ++cell)
      sums.push_back(k.loadBytes(k.scratch(), place(cell), k.floats()));
    return sums;
  }
  void store(ArrayRef<Val> sums) {
    for (auto [cell, sum] : llvm::enumerate(sums))
      k.storeBytes(sum, k.scratch(), place(cell));
  }

private:
  Val place(int64_t cell) {
    return group * scratch.sumBytes + (scratch.sums + cell * k.lanes() * 4);
  }
};

/// The products of a run of columns.
class ManyRows {
public:
  /// `packed`: where its activations begin in those of a row group; `next`: the
  /// byte of the row blocks where the kernel reads on behind the run.
  ManyRows(LinearKernel &kernel, const ManyRowsScratch &scratch,
           const TileRun &run, int64_t packed, int64_t next)
      : kernel(kernel), k(kernel.k), scratch(scratch), run(run), packed(packed),
        next(next), codeVectors(countCodeVectors(run, k.level())),
        blocksTogether(countBlocks(k.level())),
        parts(blocksTogether * kernel.parts()),
        stretchColumns(getStretchColumns(run)), any(readerOf(k.index(0))),
        dot(IntegerDot::create(k, any.byteBits(), groupRows)),
        needs(any, *dot, stretchColumns),
        scaleColumns(std::min(any.scaleColumns(), stretchColumns)) {}

  /// Copies the activations of a row group.
  void packActivations(Val group, Val first, Val last) {
    activationsOf(group).pack(first, last);
  }

  /// Adds the run to the sums of all row groups; `first` is their first row.
  void multiplyAll(Val block, Val groups, Val first) {
    forStretches([&](const Stretch &stretch) {
      unpack(block, stretch);
      k.forLoop(k.index(0), groups, 1, [&](Val group) {
        prefetchNext(block, stretch, group, groups);
        prefetchOutputs(block, first + group * groupRows);
        multiply(group, stretch);
      });
    });
  }

private:
  LinearKernel &kernel;
  KernelBuilder &k;
  const ManyRowsScratch &scratch;
  const TileRun &run;
  int64_t packed, next, codeVectors;
  int64_t blocksTogether, parts, stretchColumns;
  TileReader any;
  std::unique_ptr<IntegerDot> dot;
  ActivationNeeds needs;
  int64_t scaleColumns;

  TileReader readerOf(Val base) {
    // Bytes of more bits cost only those products more that add in pairs.
    bool fold = !k.level().products.dot.empty();
    return TileReader(k, run, kernel.weight, base, fold);
  }

  IntegerActivations activationsOf(Val group) {
    return IntegerActivations(k, run, groupRows, needs, *dot,
                              group * scratch.groupBytes + packed);
  }

  void forStretches(llvm::function_ref<void(const Stretch &)> body) {
    Val blocks = k.index(run.columns / tileColumns);
    int64_t most = stretchColumns / tileColumns;
    k.forLoop(k.index(0), blocks, most, [&](Val first) {
      body({first, (blocks - first).min(k.index(most))});
    });
  }

  //===--------------------------------------------------------------------===//
  // Unpacking
  //===--------------------------------------------------------------------===//

  int64_t registerBytes() const { return k.level().vectorBits / 8; }

  /// The place of the codes of a product's steps in a column block.
  Val codePlace(Val block, Val step, int64_t part, int64_t vector) {
    int64_t stepBytes = parts * codeVectors * registerBytes();
    int64_t number = part * dot->steps() * codeVectors + vector;
    return (block * (tileColumns / 4) + step) * stepBytes +
           (scratch.codes + number * registerBytes());
  }

  void unpack(Val block, const Stretch &stretch) {
    for (int64_t i = 0; i < blocksTogether; ++i) {
      // The last row block may stand alone; what takes its partner's place is
      // not stored.
      Val own = block + i;
      if (i > 0)
        own = own.min(k.index(kernel.layout.rowBlocks - 1));
      TileReader tiles = readerOf(own * kernel.layout.rowBlockBytes);
      for (int64_t j = 0; j < kernel.parts(); ++j) {
        TileRows rows{k.index(j * k.lanes()), k.lanes()};
        int64_t part = i * kernel.parts() + j;
        unpackCodes(tiles, rows, part, stretch);
        unpackNumbers(stretch, scratch.scales, scaleColumns, part,
                      [&](const ColumnBlock &at, int64_t column) {
                        return tiles.loadScale(at, column, rows);
                      });
        if (tiles.hasOffset())
          unpackNumbers(stretch, scratch.offsets, needs.offsetColumns, part,
                        [&](const ColumnBlock &at, int64_t column) {
                          return tiles.loadOffset(at, column, rows);
                        });
      }
    }
  }

  void unpackCodes(TileReader &tiles, const TileRows &rows, int64_t part,
                   const Stretch &stretch) {
    k.forLoop(k.index(0), stretch.count, 1, [&](Val block) {
      ColumnBlock at = tiles.blockAt(stretch.first + block);
      Vals bytes = tiles.loadCodes(at, rows);
      for (int64_t step = 0; step < tileColumns / 4; step += dot->steps()) {
        IntegerDot::Codes codes =
            dot->prepare(ArrayRef(bytes).slice(step, dot->steps()));
        for (auto [vector, code] : llvm::enumerate(codes))
          k.storeBytes(code, k.scratch(),
                       codePlace(block, k.index(step), part, vector));
      }
    });
  }

  /// Numbers of groups of `columns` columns.
  void
  unpackNumbers(const Stretch &stretch, int64_t place, int64_t columns,
                int64_t part,
                llvm::function_ref<Val(const ColumnBlock &, int64_t)> load) {
    int64_t blocks = std::max<int64_t>(1, columns / tileColumns);
    int64_t perBlock = std::max<int64_t>(1, tileColumns / columns);
    k.forLoop(k.index(0), stretch.count, blocks, [&](Val block) {
      ColumnBlock at = any.blockAt(stretch.first + block);
      for (int64_t i = 0; i < perBlock; ++i)
        k.storeBytes(load(at, i * columns), k.scratch(),
                     numberPlace(place, block / blocks * perBlock + i, part));
    });
  }

  Val numberPlace(int64_t place, Val group, int64_t part) {
    return group * scratch.numberBytes + (place + part * registerBytes());
  }

  Val loadNumber(int64_t place, Val group, int64_t part) {
    return k.loadBytes(k.scratch(), numberPlace(place, group, part),
                       k.floats());
  }
  Vals loadNumbers(int64_t place, Val group) {
    Vals numbers;
    for (int64_t part = 0; part < parts; ++part)
      numbers.push_back(loadNumber(place, group, part));
    return numbers;
  }

  //===--------------------------------------------------------------------===//
  // Prefetching: what is needed next comes while a row group is multiplied
  //===--------------------------------------------------------------------===//

  /// Asks for a row group's share of the tiles of the next stretch.
  void prefetchNext(Val block, const Stretch &stretch, Val group, Val groups) {
    constexpr int64_t line = 64;
    Val following = stretch.first + stretchColumns / tileColumns;
    Val isLast = k.index(run.columns / tileColumns - 1) < following;
    Val own = any.spanStart(any.blockAt(following));
    Val first = k.index(next).where(isLast, own);
    int64_t lines =
        llvm::divideCeil(std::min(stretchColumns, run.columns) * run.spanBytes,
                         run.spanColumns * line);
    for (int64_t i = 0; i < blocksTogether; ++i) {
      Val base = first + (block + i) * kernel.layout.rowBlockBytes;
      k.forLoop(group * lines / groups, (group + 1) * lines / groups, 1,
                [&](Val number) {
                  k.prefetch(kernel.weight, {base + number * line});
                });
    }
  }

  /// Asks for where the sums of a row group will be stored.
  void prefetchOutputs(Val block, Val row) {
    for (int64_t i = 0; i < groupRows; ++i)
      for (int64_t j = 0; j < blocksTogether; ++j)
        k.prefetch(kernel.out, {row + i, (block + j) * tileRows});
  }

  //===--------------------------------------------------------------------===//
  // Products
  //===--------------------------------------------------------------------===//

  /// The sums before a stretch: none before the first.
  Vals startSums(GroupSums &place, const Stretch &stretch) {
    int64_t cells = groupRows * parts;
    if (run.firstColumn > 0)
      return place.load(cells);
    return k.ifElse(
        stretch.first == 0, [&] { return Vals(cells, k.zeros(k.floats())); },
        [&] { return place.load(cells); });
  }

  /// Adds a stretch to the sums of a row group.
  void multiply(Val group, const Stretch &stretch) {
    IntegerActivations activations = activationsOf(group);
    GroupSums place{k, scratch, group};
    IntegerProduct product(k, *dot, activations, groupRows, parts,
                           k.level().registers < 32);
    Vals sums = startSums(place, stretch);
    sums = scaleColumns <= tileColumns
               ? addBlocks(product, stretch, k.index(0), stretch.count, sums)
               : addWideGroups(product, stretch, sums);
    if (needs.offsetColumns > tileColumns)
      sums = addWideOffsets(product, stretch, sums);
    place.store(sums);
  }

  /// Adds blocks [first, last) of a stretch, with the offsets of groups up to a
  /// block. Of wider groups the scales are left out, and there are sums without
  /// scales, then sums.
  Vals addBlocks(IntegerProduct &product, const Stretch &stretch, Val first,
                 Val last, ArrayRef<Val> before) {
    return k.forLoop(
        first, last, 1, before, [&](Val block, ArrayRef<Val> carried) {
          Vals sums(carried);
          Val number = stretch.first + block;
          auto codes = [&](Val first, int64_t step, int64_t part) {
            return loadCodes(block, first + step, part);
          };
          auto scale = [&](int64_t column, int64_t part) {
            Val group =
                block * (tileColumns / scaleColumns) + column / scaleColumns;
            return loadNumber(scratch.scales, group, part);
          };
          auto scaled = MutableArrayRef(sums).take_front(groupRows * parts);
          if (scaleColumns <= tileColumns)
            product.addBlock(number, codes, scale, scaleColumns, scaled);
          else
            product.addBlock(number, codes, {}, tileColumns, scaled);
          if (needs.offsetColumns == 0 || needs.offsetColumns > tileColumns)
            return sums;
          int64_t groups = tileColumns / needs.offsetColumns;
          for (int64_t group = 0; group < groups; ++group)
            product.addOffsets(
                number * groups + group,
                loadNumbers(scratch.offsets, block * groups + group),
                MutableArrayRef(sums).take_back(groupRows * parts));
          return sums;
        });
  }

  IntegerDot::Codes loadCodes(Val block, Val step, int64_t part) {
    IntegerDot::Codes codes;
    for (int64_t vector = 0; vector < dot->steps() * codeVectors; ++vector)
      codes.push_back(k.loadBytes(k.scratch(),
                                  codePlace(block, step, part, vector),
                                  k.vector(registerBytes(), k.i8())));
    return codes;
  }

  /// Adds groups of more than a column block, the last of which may be cut.
  Vals addWideGroups(IntegerProduct &product, const Stretch &stretch,
                     ArrayRef<Val> before) {
    int64_t blocks = scaleColumns / tileColumns;
    return k.forLoop(
        k.index(0), stretch.count, blocks, before,
        [&](Val first, ArrayRef<Val> carried) {
          Vals both(carried.size(), k.zeros(k.floats()));
          both.append(carried.begin(), carried.end());
          both = addBlocks(product, stretch, first,
                           (first + blocks).min(stretch.count), both);
          Vals scales = loadNumbers(scratch.scales, first / blocks);
          Vals sums;
          for (size_t cell = 0; cell < carried.size(); ++cell)
            sums.push_back(both[cell].fma(scales[cell % parts],
                                          both[carried.size() + cell]));
          return sums;
        });
  }

  Vals addWideOffsets(IntegerProduct &product, const Stretch &stretch,
                      ArrayRef<Val> before) {
    int64_t blocks = needs.offsetColumns / tileColumns;
    return k.forLoop(k.index(0), stretch.count, blocks, before,
                     [&](Val first, ArrayRef<Val> carried) {
                       Vals sums(carried);
                       product.addOffsets(
                           (stretch.first + first) / blocks,
                           loadNumbers(scratch.offsets, first / blocks), sums);
                       return sums;
                     });
  }
};

/// All runs of a panel of rows.
class RowPanels {
public:
  explicit RowPanels(LinearKernel &kernel)
      : kernel(kernel), k(kernel.k), scratch(kernel.spec, k.level()),
        blocksTogether(countBlocks(k.level())) {
    int64_t packed = 0;
    llvm::ArrayRef<TileRun> list = kernel.layout.runs;
    for (auto [i, run] : llvm::enumerate(list)) {
      // Behind the last run come the row blocks that are next.
      int64_t next = i + 1 < list.size()
                         ? list[i + 1].start
                         : blocksTogether * kernel.layout.rowBlockBytes;
      runs.push_back(
          std::make_unique<ManyRows>(kernel, scratch, run, packed, next));
      packed += IntegerActivations::countBytes(run, groupRows);
    }
  }

  void emit() {
    k.forLoop(k.index(0), kernel.rows(), scratch.groups * groupRows,
              [&](Val first) {
                Val left = kernel.rows() - first;
                emitPanel(first, left.min(k.index(scratch.groups * groupRows)));
              });
  }

private:
  LinearKernel &kernel;
  KernelBuilder &k;
  ManyRowsScratch scratch;
  int64_t blocksTogether;
  std::vector<std::unique_ptr<ManyRows>> runs;

  /// Multiplies rows [first, first + rows).
  void emitPanel(Val first, Val rows) {
    Val groups = (rows + (groupRows - 1)) / groupRows;
    k.forLoop(k.index(0), groups, 1, [&](Val group) {
      for (auto &run : runs)
        run->packActivations(group, first + group * groupRows,
                             first + rows - 1);
    });
    auto [firstBlocks, lastBlocks] = k.share(
        k.index(llvm::divideCeil(kernel.layout.rowBlocks, blocksTogether)));
    k.forLoop(firstBlocks, lastBlocks, 1, [&](Val blocks) {
      Val block = blocks * blocksTogether;
      for (auto &run : runs)
        run->multiplyAll(block, groups, first);
      k.forLoop(k.index(0), rows, 1,
                [&](Val row) { storeRow(block, first, row); });
    });
  }

  void storeRow(Val block, Val first, Val row) {
    for (int64_t i = 0; i < blocksTogether; ++i) {
      // Without columns nothing was summed.
      Vals sums(runs.empty() ? kernel.parts() : 0, k.zeros(k.floats()));
      for (int64_t part = 0; part < kernel.parts() && !runs.empty(); ++part)
        sums.push_back(k.loadBytes(
            k.scratch(),
            row * scratch.numberBytes +
                (scratch.sums + (i * kernel.parts() + part) * (k.lanes() * 4)),
            k.floats()));
      auto store = [&] { storeBlock(kernel, block + i, first + row, 1, sums); };
      // The last of the row blocks together may be none of the matrix's.
      if (kernel.layout.rowBlocks % blocksTogether == 0)
        store();
      else
        k.ifThen(block + i < kernel.layout.rowBlocks, store);
    }
  }
};

} // namespace

void lq::cpu::emitManyRows(LinearKernel &kernel) { RowPanels(kernel).emit(); }

int64_t lq::cpu::manyRowsScratch(const LinearSpec &spec,
                                 const CpuLevel &level) {
  return ManyRowsScratch(spec, level).end;
}
