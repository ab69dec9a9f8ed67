//===- Attention.cpp - softmax(scale q k^T + mask) v over a cache ---------===//
//
// A few query rows that share a key head go through its cache together, in
// three passes: scores, 16 positions in the lanes of a vector; their
// exponentials; the sum of values they weigh. The scores of a row wait in
// scratch between the passes, times log2 e, so that powers of 2 do for those of e.
//
// Scratch holds a copy of the queries, times that and the scale, as rows of a power of
// two of bytes would push each other out of the cache; then a record of each
// row. In a record lie the scores of all positions (a multiple of 16; those
// before the window stay unwritten), then 64 bytes for a number a lane: first
// the largest scores, then 1 / sum of exponentials. The 64 bytes also keep the
// records of rows out of each other's cache sets.
//
//===----------------------------------------------------------------------===//

#include "lowering/cpu/kernels/Cache.h"
#include "lowering/cpu/kernels/KernelBuilder.h"
#include "lowering/cpu/kernels/Kernels.h"
#include "llvm/Support/MathExtras.h"
#include <limits>
#include <numbers>
#include <numeric>

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

static constexpr int64_t recordTail = 64;
static constexpr double log2e = std::numbers::log2e;

/// Query rows that go through a cache together, largest first.
static SmallVector<int64_t> getRowSizes(const AttentionSpec &spec,
                                        const CpuLevel &level) {
  // Each has a sum in every vector of a block of positions.
  int64_t sums = level.registers / 2;
  int64_t largest = std::min<int64_t>(sums * level.lanes() / cacheBlock, 12);
  if (spec.rows == 1)
    largest = std::min(spec.heads / spec.keyHeads, largest);
  else if (spec.rows != kDynamic)
    largest = std::min(spec.rows, largest);
  SmallVector<int64_t> sizes = {largest};
  for (int64_t size : {4, 2, 1})
    if (size < largest)
      sizes.push_back(size);
  return sizes;
}

/// Bytes of the copy of `rows` queries.
static int64_t getQueryBytes(const AttentionSpec &spec, int64_t rows) {
  return llvm::alignTo(rows * spec.keySize * 4, 64);
}

int64_t lq::cpu::scratchBytes(const AttentionSpec &spec, const CpuLevel &level,
                              int64_t context) {
  int64_t scores = llvm::alignTo(context, cacheBlock) * 4;
  int64_t rows = getRowSizes(spec, level).front();
  return getQueryBytes(spec, rows) + rows * (scores + recordTail);
}

namespace {

/// A query row: its place [batch, row, head] in q and out, and the positions
/// that it sees, from `begin` to before `limit`.
struct Query {
  Vals place;
  Val begin, limit;
};

/// Attention of a few query rows that share a key head.
class RowsAttention {
public:
  RowsAttention(KernelBuilder &k, const AttentionSpec &spec, Val batch,
                Val keyHead, SmallVector<Query> queries)
      : k(k), spec(spec), keyHead(keyHead), queries(std::move(queries)),
        parts(cacheBlock / k.lanes()), q(k.argument(0)), keys(k.argument(1)),
        values(k.argument(2)), out(k.argument(spec.mask ? 5 : 4)) {
    Val batches = k.size(q, 0);
    positions = k.argument(spec.mask ? 4 : 3) + k.size(q, 1);
    keyBase = batch * (k.size(keys, 0) / batches);
    valueBase = batch * (k.size(values, 0) / batches);
    // Rows come in order: the first sees the earliest position, the last the
    // latest.
    begin = this->queries.front().begin;
    limit = this->queries.back().limit;
    firstBlock = begin / cacheBlock;
    blocks = (limit + (cacheBlock - 1)) / cacheBlock;
    scoreBytes = blocks * (cacheBlock * 4);
  }

  void emit() {
    copyQueries();
    writeScores();
    k.forLoop(k.index(0), k.index(count()), 1,
              [&](Val row) { exponentiate(row); });
    // The sums of a pass stay in registers.
    bool wide = k.level().registers >= 32;
    int64_t piecesPerPass = wide ? 4 : 2, rowsPerPass = wide ? 6 : 4;
    SmallVector<int64_t> widths = splitColumns();
    int64_t column = 0;
    for (size_t piece = 0; piece < widths.size(); piece += piecesPerPass) {
      ArrayRef<int64_t> some =
          ArrayRef(widths).drop_front(piece).take_front(piecesPerPass);
      for (int64_t row = 0; row < count(); row += rowsPerPass)
        weighValues(row, std::min(rowsPerPass, count() - row), column, some);
      column += std::accumulate(some.begin(), some.end(), int64_t(0));
    }
  }

private:
  KernelBuilder &k;
  const AttentionSpec &spec;
  Val keyHead;
  SmallVector<Query> queries;
  int64_t parts;
  Val q, keys, values, out;
  Val positions, keyBase, valueBase, begin, limit, firstBlock, blocks,
      scoreBytes;

  int64_t count() const { return static_cast<int64_t>(queries.size()); }

  /// Offset in scratch of the record of a row.
  Val record(Val row) {
    return row * (scoreBytes + recordTail) + getQueryBytes(spec, count());
  }
  Val record(int64_t row) { return record(k.index(row)); }

  //===--------------------------------------------------------------------===//
  // Scores
  //===--------------------------------------------------------------------===//

  void copyQueries() {
    for (auto [row, query] : llvm::enumerate(queries)) {
      Val copy = k.index(row * spec.keySize * 4);
      auto scale = [&](Val column, int64_t lanes) {
        Vals place(query.place);
        place.push_back(column);
        Val x = k.load(q, place, lanes);
        k.storeBytes(x * x.like(spec.scale * log2e), k.scratch(),
                     copy + column * 4);
      };
      int64_t whole = spec.keySize / k.lanes() * k.lanes();
      k.forLoop(k.index(0), k.index(whole), k.lanes(),
                [&](Val column) { scale(column, k.lanes()); });
      for (int64_t lanes = k.lanes() / 2; lanes > 0; lanes /= 2)
        if (spec.keySize & lanes) {
          scale(k.index(whole), lanes);
          whole += lanes;
        }
    }
  }

  /// Sums that take turns, so that few rows too hide the latency of a
  /// multiply-add.
  int64_t chains() const {
    int64_t sums = count() * parts, chains = 1;
    while (sums * chains < 8 && spec.keySize % (2 * chains) == 0)
      chains *= 2;
    return chains;
  }

  void writeScores() {
    Val lowest = k.constant(k.floats(), std::numeric_limits<float>::lowest());
    Vals largest =
        k.forLoop(firstBlock, blocks, 1, Vals(count(), lowest),
                  [&](Val block, ArrayRef<Val> largest) {
                    Vals products = multiplyKeys(block);
                    Vals next(largest);
                    for (int64_t row = 0; row < count(); ++row)
                      for (int64_t part = 0; part < parts; ++part) {
                        Val score =
                            maskScores(products[row * parts + part], row,
                                       block * cacheBlock + part * k.lanes());
                        next[row] = score.max(next[row]);
                        Val lane = (block * parts + part) * (k.lanes() * 4);
                        k.storeBytes(score, k.scratch(), record(row) + lane);
                      }
                    return next;
                  });
    for (int64_t row = 0; row < count(); ++row)
      k.storeBytes(largest[row], k.scratch(), record(row) + scoreBytes);
  }

  /// q k^T of a block of positions: [rows][parts].
  Vals multiplyKeys(Val block) {
    int64_t unrolled =
        std::max<int64_t>(chains(), spec.keySize % 2 == 0 ? 2 : 1);
    Vals sums =
        k.forLoop(k.index(0), k.index(spec.keySize), unrolled,
                  Vals(count() * parts * chains(), k.zeros(k.floats())),
                  [&](Val column, ArrayRef<Val> before) {
                    Vals sums(before);
                    for (int64_t j = 0; j < unrolled; ++j)
                      addKeyColumn(block, column + j, j % chains(), sums);
                    return sums;
                  });
    Vals products;
    for (int64_t cell = 0; cell < count() * parts; ++cell) {
      Val sum = sums[cell * chains()];
      for (int64_t chain = 1; chain < chains(); ++chain)
        sum = sum + sums[cell * chains() + chain];
      products.push_back(sum);
    }
    return products;
  }

  void addKeyColumn(Val block, Val column, int64_t chain, Vals &sums) {
    CacheLayout layout({true, spec.keyHeads, spec.keySize, spec.element},
                       keyBase);
    Type type = k.vector(k.lanes(), k.elementType(spec.element));
    Val offset = layout.blockOffset(block, keyHead, column);
    Vals key;
    for (int64_t part = 0; part < parts; ++part)
      key.push_back(
          k.loadBytes(keys, offset + part * k.lanes() * byteWidth(spec.element),
                      type)
              .convert(k.f32()));
    for (int64_t row = 0; row < count(); ++row) {
      Val x =
          loadScalar(column * 4 + row * spec.keySize * 4).broadcast(k.floats());
      for (int64_t part = 0; part < parts; ++part) {
        Val &sum = sums[(row * parts + part) * chains() + chain];
        sum = key[part].fma(x, sum);
      }
    }
  }

  /// Adds the mask to products of the positions from `first` on, and hides the
  /// positions that the row does not see.
  Val maskScores(Val products, int64_t row, Val first) {
    Val score = products;
    if (spec.mask)
      score = loadMask(row, first).fma(score.like(log2e), score);
    Val hidden = score.like(-std::numeric_limits<double>::infinity());
    auto laneOf = [&](Val position) {
      Type integers = k.vector(k.lanes(), k.i32());
      return (position - first).toInteger(k.i32()).broadcast(integers);
    };
    if (spec.window)
      score = hidden.where(k.laneNumbers() < laneOf(queries[row].begin), score);
    return score.where(k.laneNumbers() < laneOf(queries[row].limit), hidden);
  }

  /// The mask of a row at the positions from `first` on.
  Val loadMask(int64_t row, Val first) {
    Val mask = k.argument(3);
    const std::array<int64_t, 4> &sizes = *spec.mask;
    const Vals &place = queries[row].place; // batch, row, head
    Vals indices = {place[0], place[2], place[1]};
    for (int64_t i = 0; i < 3; ++i)
      indices[i] = broadcastIndex(mask, i, sizes[i], indices[i]);
    auto one = [&]() -> Vals {
      Vals all(indices);
      all.push_back(k.index(0));
      return {k.load(mask, all).broadcast(k.floats())};
    };
    auto each = [&]() -> Vals {
      Vals all(indices);
      all.push_back(first);
      return {k.loadPart(mask, all, k.lanes(), positions - first)};
    };
    if (sizes[3] == 1)
      return one()[0];
    if (sizes[3] != kDynamic)
      return each()[0];
    return k.ifElse(k.size(mask, 3) == 1, one, each)[0];
  }

  Val broadcastIndex(Val mask, int64_t dimension, int64_t size, Val index) {
    Val zero = k.index(0);
    if (size == 1)
      return zero;
    return size != kDynamic ? index
                            : zero.where(k.size(mask, dimension) == 1, index);
  }

  //===--------------------------------------------------------------------===//
  // Exponentials
  //===--------------------------------------------------------------------===//

  /// Turns the scores of a row into 2^(score - largest), and its record's tail
  /// into 1 / their sum (0 if all are hidden).
  void exponentiate(Val row) {
    Val tail = record(row) + scoreBytes;
    Val largest = k.loadBytes(k.scratch(), tail, k.floats())
                      .reduceMax()
                      .broadcast(k.floats());
    Vals sums = k.forLoop(
        record(row) + firstBlock * (cacheBlock * 4), tail, k.lanes() * 4,
        {k.zeros(k.floats())}, [&](Val offset, ArrayRef<Val> sums) -> Vals {
          Val weight = k.exp2UpToZero(
              k.loadBytes(k.scratch(), offset, k.floats()) - largest);
          k.storeBytes(weight, k.scratch(), offset);
          return {sums[0] + weight};
        });
    Val sum = sums[0].reduceAdd();
    Val zero = sum.like(0);
    Val inverse = (sum.like(1) / sum).where(zero < sum, zero);
    k.storeBytes(inverse, k.scratch(), tail);
  }

  //===--------------------------------------------------------------------===//
  // Values
  //===--------------------------------------------------------------------===//

  /// Widths of the vectors that a head's values are taken in.
  SmallVector<int64_t> splitColumns() {
    SmallVector<int64_t> widths(spec.valueSize / k.lanes(), k.lanes());
    for (int64_t width = k.lanes() / 2; width > 0; width /= 2)
      if (spec.valueSize & width)
        widths.push_back(width);
    return widths;
  }

  /// Weighted sums of some columns of the values, for `rows` rows from `row`
  /// on.
  void weighValues(int64_t row, int64_t rows, int64_t column,
                   ArrayRef<int64_t> widths) {
    Vals zeros;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t width : widths)
        zeros.push_back(k.zeros(k.vector(width, k.f32())));
    Vals sums = k.forLoop(
        begin, limit, 1, zeros, [&](Val position, ArrayRef<Val> before) {
          return addPosition(position, row, rows, column, widths, before);
        });
    for (int64_t i = 0; i < rows; ++i) {
      Val inverse = loadScalar(record(row + i) + scoreBytes);
      int64_t next = column;
      for (auto [piece, width] : llvm::enumerate(widths)) {
        Val sum = sums[i * widths.size() + piece];
        Vals place(queries[row + i].place);
        place.push_back(k.index(next));
        k.store(sum * inverse.broadcast(sum.type()), out, place);
        next += width;
      }
    }
  }

  Val loadScalar(Val offset) {
    return k.loadBytes(k.scratch(), offset, k.vector(1, k.f32())).lane(0);
  }

  Vals addPosition(Val position, int64_t row, int64_t rows, int64_t column,
                   ArrayRef<int64_t> widths, ArrayRef<Val> before) {
    CacheLayout layout({false, spec.keyHeads, spec.valueSize, spec.element},
                       valueBase);
    Val offset = layout.valueOffset(position, keyHead, k.index(column));
    Vals pieces;
    int64_t bytes = 0;
    for (int64_t width : widths) {
      Type type = k.vector(width, k.elementType(spec.element));
      pieces.push_back(
          k.loadBytes(values, offset + bytes, type).convert(k.f32()));
      bytes += width * byteWidth(spec.element);
    }
    Vals sums(before);
    for (int64_t i = 0; i < rows; ++i) {
      Val weight = loadScalar(record(row + i) + position * 4);
      for (auto [piece, value] : llvm::enumerate(pieces)) {
        Val &sum = sums[i * widths.size() + piece];
        sum = value.fma(weight.broadcast(value.type()), sum);
      }
    }
    return sums;
  }
};

/// Divides an attention kernel's work among threads.
class AttentionKernel {
public:
  AttentionKernel(KernelBuilder &k, const AttentionSpec &spec)
      : k(k), spec(spec), sizes(getRowSizes(spec, k.level())),
        rows(k.size(k.argument(0), 1)), past(k.argument(spec.mask ? 4 : 3)) {}

  /// One row: query heads are divided; those of a thread that share a key head
  /// go together.
  void emitHeads() {
    int64_t queriesPerKey = spec.heads / spec.keyHeads;
    Val batches = k.size(k.argument(0), 0);
    auto [first, last] = k.share(batches * spec.heads);
    Val firstKey = first / queriesPerKey;
    Val lastKey = (last + (queriesPerKey - 1)) / queriesPerKey;
    k.forLoop(firstKey, lastKey, 1, [&, first = first, last = last](Val key) {
      Val begin = first.max(key * queriesPerKey);
      Val end = last.min((key + 1) * queriesPerKey);
      Val batch = key / spec.keyHeads;
      forRowBlocks(k, begin, end - begin, sizes, [&](Val item, int64_t count) {
        SmallVector<Query> queries;
        for (int64_t i = 0; i < count; ++i)
          queries.push_back(
              makeQuery(batch, k.index(0), (item + i) - batch * spec.heads));
        RowsAttention(k, spec, batch, key % spec.keyHeads, queries).emit();
      });
    });
  }

  /// Many rows: blocks of rows of a head are dealt out in turn, as the later
  /// ones of a causal attention cost more.
  void emitRows() {
    Val batches = k.size(k.argument(0), 0);
    int64_t size = sizes.front();
    Val rowBlocks = (rows + (size - 1)) / size;
    k.forLoop(
        k.thread(), batches * spec.heads * rowBlocks, k.threads(),
        [&](Val item) {
          Val first = item % rowBlocks * size, headItem = item / rowBlocks;
          Val head = headItem % spec.heads, batch = headItem / spec.heads;
          Val left = (rows - first).min(k.index(size));
          forRowBlocks(k, first, left, sizes, [&](Val row, int64_t count) {
            SmallVector<Query> queries;
            for (int64_t i = 0; i < count; ++i)
              queries.push_back(makeQuery(batch, row + i, head));
            Val keyHead = head / (spec.heads / spec.keyHeads);
            RowsAttention(k, spec, batch, keyHead, queries).emit();
          });
        });
  }

private:
  KernelBuilder &k;
  const AttentionSpec &spec;
  SmallVector<int64_t> sizes;
  Val rows, past;

  Query makeQuery(Val batch, Val row, Val head) {
    Val limit = past + (spec.causal ? row + 1 : rows);
    Val begin = k.index(0);
    if (spec.window)
      begin = (limit - spec.window).max(begin);
    return {{batch, row, head}, begin, limit};
  }
};

} // namespace

func::FuncOp lq::cpu::emitAttention(ModuleOp module, StringRef name,
                                    const AttentionSpec &spec,
                                    const CpuLevel &level) {
  MLIRContext *context = module.getContext();
  Type f32 = Float32Type::get(context);
  Type q =
      MemRefType::get({spec.batch, spec.rows, spec.heads, spec.keySize}, f32);
  Type out =
      MemRefType::get({spec.batch, spec.rows, spec.heads, spec.valueSize}, f32);
  Type cache = MemRefType::get({kDynamic}, IntegerType::get(context, 8));
  SmallVector<Type> inputs = {q, cache, cache};
  if (spec.mask)
    inputs.push_back(MemRefType::get(*spec.mask, f32));
  inputs.push_back(IndexType::get(context));
  KernelBuilder k(module, name, level, inputs, {out});
  AttentionKernel kernel(k, spec);
  if (spec.rows == 1)
    kernel.emitHeads();
  else
    kernel.emitRows();
  return k.finish();
}
