//===- Attention.cpp - softmax(scale q k^T + mask) v over a cache ---------===//
//
// A few queries that share a key head go through its cache together, in three
// passes: scores, 16 positions in the lanes of one or more vectors; their
// exponentials; the sum of values they weigh. The scores wait in scratch
// between the passes, times log2 e, so that powers of 2 do for those of e. A
// tile of sums, queries times vectors of positions or of a value's columns,
// stays in registers and is wide both ways, so that loads are fewer than
// multiply-adds.
//
// Scratch holds
//
//     queries   [Q][D] f32, times log2 e and the scale: rows of a power of two
//               of bytes would push each other out of the cache
//     tails     [Q][16] f32: the largest scores of each lane, then 1 / sum of
//               exponentials
//     scores    [T / 16][Q][16] f32; blocks before the window stay unwritten
//
// where all that is read for a position has one address but for constants.
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

static constexpr double log2e = std::numbers::log2e;
/// Bytes of a query's scores of a block of positions, and of its tail.
static constexpr int64_t scoreBytes = cacheBlock * 4;

/// Vectors of a tile: of positions, which are whole blocks, or of columns.
static int64_t getTileVectors(const CpuLevel &level) {
  return std::max<int64_t>(cacheBlock / level.lanes(), 2);
}

/// Queries that go through a cache together, largest number first.
static SmallVector<int64_t> getQueryCounts(const AttentionSpec &spec,
                                           const CpuLevel &level) {
  // The last quarter of the registers is for what is multiplied.
  int64_t largest = level.registers * 3 / 4 / getTileVectors(level);
  int64_t sharing = spec.heads / spec.keyHeads;
  if (spec.rows == 1)
    largest = std::min(sharing, largest);
  else if (spec.rows != kDynamic)
    largest = std::min(spec.rows * sharing, largest);
  SmallVector<int64_t> counts = {largest};
  for (int64_t count : {4, 2, 1})
    if (count < largest)
      counts.push_back(count);
  return counts;
}

/// Offset in scratch of the tails, and of the scores.
static int64_t getTailOffset(const AttentionSpec &spec, int64_t queries) {
  return llvm::alignTo(queries * spec.keySize * 4, 64);
}
static int64_t getScoreOffset(const AttentionSpec &spec, int64_t queries) {
  return getTailOffset(spec, queries) + queries * scoreBytes;
}

int64_t lq::cpu::scratchBytes(const AttentionSpec &spec, const CpuLevel &level,
                              int64_t context) {
  int64_t queries = getQueryCounts(spec, level).front();
  return getScoreOffset(spec, queries) +
         llvm::divideCeil(context, cacheBlock) * queries * scoreBytes;
}

namespace {

/// A query: its place [batch, row, head] in q and out, and the positions
/// that it sees, from `begin` to before `limit`.
struct Query {
  Vals place;
  Val begin, limit;
};

/// Attention of a few queries that share a key head.
class QueriesAttention {
public:
  QueriesAttention(KernelBuilder &k, const AttentionSpec &spec, Val batch,
                   Val keyHead, SmallVector<Query> queries,
                   SmallVector<Query> upcoming = {})
      : k(k), spec(spec), keyHead(keyHead), queries(std::move(queries)),
        upcoming(std::move(upcoming)), tileVectors(getTileVectors(k.level())),
        blockVectors(cacheBlock / k.lanes()), q(k.argument(0)),
        keys(k.argument(1)), values(k.argument(2)),
        out(k.argument(spec.mask ? 5 : 4)) {
    Val batches = k.size(q, 0);
    positions = k.argument(spec.mask ? 4 : 3) + k.size(q, 1);
    keyBase = batch * (k.size(keys, 0) / batches);
    valueBase = batch * (k.size(values, 0) / batches);
    // Queries come in the order of their rows: the first sees the earliest
    // position, the last the latest.
    begin = this->queries.front().begin;
    limit = this->queries.back().limit;
    firstBlock = begin / cacheBlock;
    blocks = (limit + (cacheBlock - 1)) / cacheBlock;
  }

  void emit() {
    copyQueries();
    writeScores();
    if (!upcoming.empty())
      prefetch();
    k.forLoop(k.index(0), k.index(count()), 1,
              [&](Val query) { exponentiate(query); });
    SmallVector<int64_t> widths = splitColumns();
    int64_t column = 0;
    for (size_t piece = 0; piece < widths.size(); piece += tileVectors) {
      ArrayRef<int64_t> some =
          ArrayRef(widths).drop_front(piece).take_front(tileVectors);
      weighValues(column, some);
      column += std::accumulate(some.begin(), some.end(), int64_t(0));
    }
  }

private:
  KernelBuilder &k;
  const AttentionSpec &spec;
  Val keyHead;
  /// Those that are attended to now, and the thread's next.
  SmallVector<Query> queries, upcoming;
  /// Vectors of positions or columns in a tile, and of a block of positions.
  int64_t tileVectors, blockVectors;
  Val q, keys, values, out;
  Val positions, keyBase, valueBase, begin, limit, firstBlock, blocks;

  int64_t count() const { return static_cast<int64_t>(queries.size()); }

  /// Offset in scratch of a query's tail.
  Val tail(Val query) {
    return query * scoreBytes + getTailOffset(spec, count());
  }
  /// Offset in scratch of a query's scores of a block.
  Val scores(Val block, Val query) {
    return block * (count() * scoreBytes) +
           (query * scoreBytes + getScoreOffset(spec, count()));
  }

  //===--------------------------------------------------------------------===//
  // Scores
  //===--------------------------------------------------------------------===//

  void copyQueries() {
    for (auto [i, query] : llvm::enumerate(queries)) {
      Val copy = k.index(i * spec.keySize * 4);
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

  /// Asks for where results go and for the queries that come next: no loop runs
  /// along them.
  void prefetch() {
    for (const Query &query : queries)
      prefetchRow(out, query, spec.valueSize);
    for (const Query &query : upcoming)
      prefetchRow(q, query, spec.keySize);
  }
  void prefetchRow(Val memref, const Query &query, int64_t columns) {
    constexpr int64_t line = 64 / 4;
    for (int64_t column = 0; column < columns; column += line) {
      Vals place(query.place);
      place.push_back(k.index(column));
      k.prefetch(memref, place);
    }
  }

  void writeScores() {
    Val lowest = k.constant(k.floats(), std::numeric_limits<float>::lowest());
    // Tiles of positions that every query sees, then the blocks that are left.
    int64_t tileBlocks = tileVectors / blockVectors;
    Val seen = queries.front().limit / cacheBlock - firstBlock;
    Val middle = firstBlock + seen / tileBlocks * tileBlocks;
    Vals largest(count(), lowest);
    largest = writeTiles(firstBlock, middle, tileBlocks, false, largest);
    largest = writeTiles(middle, blocks, 1, true, largest);
    for (int64_t query = 0; query < count(); ++query)
      k.storeBytes(largest[query], k.scratch(), tail(k.index(query)));
  }

  /// Writes the scores of blocks [first, last) in tiles of `tileBlocks`;
  /// `before` has the largest scores before them. Queries may not see the
  /// latest of the positions if these are `late`.
  Vals writeTiles(Val first, Val last, int64_t tileBlocks, bool late,
                  ArrayRef<Val> before) {
    int64_t vectors = tileBlocks * blockVectors;
    return k.forLoop(
        first, last, tileBlocks, before, [&](Val block, ArrayRef<Val> carried) {
          Vals products = multiplyKeys(block, vectors);
          Vals largest(carried);
          for (int64_t query = 0; query < count(); ++query)
            for (int64_t vector = 0; vector < vectors; ++vector) {
              Val own = block + vector / blockVectors;
              int64_t lane = vector % blockVectors * k.lanes();
              Val score = maskScores(products[query * vectors + vector], query,
                                     own * cacheBlock + lane, late);
              largest[query] = score.max(largest[query]);
              k.storeBytes(score, k.scratch(),
                           scores(own, k.index(query)) + lane * 4);
            }
          return largest;
        });
  }

  /// Sums that take turns, so that few queries too hide the latency of a
  /// multiply-add.
  int64_t countChains(int64_t sums) const {
    int64_t chains = 1;
    while (sums * chains < 8 && spec.keySize % (2 * chains) == 0)
      chains *= 2;
    return chains;
  }

  /// q k^T of some vectors of positions, from a block on: [queries][vectors].
  Vals multiplyKeys(Val block, int64_t vectors) {
    int64_t cells = count() * vectors, chains = countChains(cells);
    int64_t unrolled = std::max<int64_t>(chains, spec.keySize % 2 == 0 ? 2 : 1);
    Vals sums = k.forLoop(k.index(0), k.index(spec.keySize), unrolled,
                          Vals(cells * chains, k.zeros(k.floats())),
                          [&](Val column, ArrayRef<Val> before) {
                            Vals sums(before);
                            for (int64_t j = 0; j < unrolled; ++j) {
                              auto chain = MutableArrayRef(sums).slice(
                                  j % chains * cells, cells);
                              addKeyColumn(block, column + j, vectors, chain);
                            }
                            return sums;
                          });
    Vals products;
    for (int64_t cell = 0; cell < cells; ++cell) {
      Val sum = sums[cell];
      for (int64_t chain = 1; chain < chains; ++chain)
        sum = sum + sums[chain * cells + cell];
      products.push_back(sum);
    }
    return products;
  }

  void addKeyColumn(Val block, Val column, int64_t vectors,
                    MutableArrayRef<Val> sums) {
    CacheLayout layout({true, spec.keyHeads, spec.keySize, spec.element},
                       keyBase);
    Type type = k.vector(k.lanes(), k.elementType(spec.element));
    Vals key;
    for (int64_t vector = 0; vector < vectors; ++vector) {
      Val offset =
          layout.blockOffset(block + vector / blockVectors, keyHead, column) +
          vector % blockVectors * k.lanes() * byteWidth(spec.element);
      key.push_back(k.loadBytes(keys, offset, type).convert(k.f32()));
    }
    for (int64_t query = 0; query < count(); ++query) {
      Val x = loadScalar(column * 4 + query * spec.keySize * 4)
                  .broadcast(k.floats());
      for (int64_t vector = 0; vector < vectors; ++vector) {
        Val &sum = sums[query * vectors + vector];
        sum = key[vector].fma(x, sum);
      }
    }
  }

  /// Adds the mask to products of the positions from `first` on, and hides the
  /// positions that the query does not see, of which `late` ones may be some.
  Val maskScores(Val products, int64_t query, Val first, bool late) {
    Val score = products;
    if (spec.mask)
      score = loadMask(query, first).fma(score.like(log2e), score);
    Val hidden = score.like(-std::numeric_limits<double>::infinity());
    auto laneOf = [&](Val position) {
      Type integers = k.vector(k.lanes(), k.i32());
      return (position - first).toInteger(k.i32()).broadcast(integers);
    };
    if (spec.window)
      score =
          hidden.where(k.laneNumbers() < laneOf(queries[query].begin), score);
    if (!late)
      return score;
    return score.where(k.laneNumbers() < laneOf(queries[query].limit), hidden);
  }

  /// The mask of a query at the positions from `first` on.
  Val loadMask(int64_t query, Val first) {
    Val mask = k.argument(3);
    const std::array<int64_t, 4> &sizes = *spec.mask;
    const Vals &place = queries[query].place; // batch, row, head
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

  /// Turns the scores of a query into 2^(score - largest), and its tail into
  /// 1 / their sum (0 if all are hidden).
  void exponentiate(Val query) {
    Val largest = k.loadBytes(k.scratch(), tail(query), k.floats())
                      .reduceMax()
                      .broadcast(k.floats());
    Vals sums = k.forLoop(
        firstBlock, blocks, 1, {k.zeros(k.floats())},
        [&](Val block, ArrayRef<Val> before) -> Vals {
          Val sum = before[0];
          for (int64_t vector = 0; vector < blockVectors; ++vector) {
            Val offset = scores(block, query) + vector * k.lanes() * 4;
            Val weight = k.exp2UpToZero(
                k.loadBytes(k.scratch(), offset, k.floats()) - largest);
            k.storeBytes(weight, k.scratch(), offset);
            sum = sum + weight;
          }
          return {sum};
        });
    Val sum = sums[0].reduceAdd();
    Val zero = sum.like(0);
    Val inverse = (sum.like(1) / sum).where(zero < sum, zero);
    k.storeBytes(inverse, k.scratch(), tail(query));
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

  /// Weighted sums of some columns of the values.
  void weighValues(int64_t column, ArrayRef<int64_t> widths) {
    Vals zeros;
    for (int64_t query = 0; query < count(); ++query)
      for (int64_t width : widths)
        zeros.push_back(k.zeros(k.vector(width, k.f32())));
    Vals sums = k.forLoop(
        begin, limit, 1, zeros, [&](Val position, ArrayRef<Val> before) {
          return addPosition(position, column, widths, before);
        });
    for (int64_t query = 0; query < count(); ++query) {
      Val inverse = loadScalar(tail(k.index(query)));
      int64_t next = column;
      for (auto [piece, width] : llvm::enumerate(widths)) {
        Val sum = sums[query * widths.size() + piece];
        Vals place(queries[query].place);
        place.push_back(k.index(next));
        k.store(sum * inverse.broadcast(sum.type()), out, place);
        next += width;
      }
    }
  }

  Val loadScalar(Val offset) {
    return k.loadBytes(k.scratch(), offset, k.vector(1, k.f32())).lane(0);
  }

  Vals addPosition(Val position, int64_t column, ArrayRef<int64_t> widths,
                   ArrayRef<Val> before) {
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
    Val own =
        scores(position / cacheBlock, k.index(0)) + position % cacheBlock * 4;
    for (int64_t query = 0; query < count(); ++query) {
      Val weight = loadScalar(own + query * scoreBytes);
      for (auto [piece, value] : llvm::enumerate(pieces)) {
        Val &sum = sums[query * widths.size() + piece];
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
      : k(k), spec(spec), counts(getQueryCounts(spec, k.level())),
        sharing(spec.heads / spec.keyHeads), rows(k.size(k.argument(0), 1)),
        past(k.argument(spec.mask ? 4 : 3)) {}

  /// One row: query heads are divided; those of a thread that share a key head
  /// go together.
  void emitHeads() {
    Val batches = k.size(k.argument(0), 0);
    auto [first, last] = k.share(batches * spec.heads);
    Val firstKey = first / sharing;
    Val lastKey = (last + (sharing - 1)) / sharing;
    k.forLoop(firstKey, lastKey, 1, [&, first = first, last = last](Val key) {
      Val begin = first.max(key * sharing) - key * sharing;
      Val end = last.min((key + 1) * sharing) - key * sharing;
      emitQueries(key, begin, end - begin, Val());
    });
  }

  /// Many rows: blocks of the queries of a key head are dealt out in turn, as
  /// the later ones of a causal attention cost more.
  void emitRows() {
    Val batches = k.size(k.argument(0), 0);
    int64_t most = counts.front();
    Val perKey = rows * sharing;
    Val blocks = (perKey + (most - 1)) / most;
    k.forLoop(k.thread(), batches * spec.keyHeads * blocks, k.threads(),
              [&](Val item) {
                Val first = item % blocks * most, key = item / blocks;
                emitQueries(key, first, (perKey - first).min(k.index(most)),
                            k.threads() * most);
              });
  }

private:
  KernelBuilder &k;
  const AttentionSpec &spec;
  SmallVector<int64_t> counts;
  /// Query heads that share a key head.
  int64_t sharing;
  Val rows, past;

  /// Some queries of a key head of all batch elements, counted row after row,
  /// from `first` on: so those that go together see nearly the same positions.
  /// The thread's next are `ahead` of them, if this is given.
  void emitQueries(Val key, Val first, Val number, Val ahead) {
    forRowBlocks(k, first, number, counts, [&](Val query, int64_t count) {
      SmallVector<Query> queries, upcoming;
      for (int64_t i = 0; i < count; ++i) {
        queries.push_back(makeQuery(key, query + i));
        if (ahead)
          upcoming.push_back(makeQuery(key, query + i + ahead));
      }
      QueriesAttention(k, spec, key / spec.keyHeads, key % spec.keyHeads,
                       queries, upcoming)
          .emit();
    });
  }

  Query makeQuery(Val key, Val query) {
    Val batch = key / spec.keyHeads, row = query / sharing;
    Val head = key % spec.keyHeads * sharing + query % sharing;
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
