//===- Embedding.cpp - rows of a packed table -----------------------------===//

#include "dialects/lq/Tile.h"
#include "lowering/cpu/kernels/Kernels.h"
#include "lowering/cpu/kernels/RowKernel.h"
#include "lowering/kernels/TileReader.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

namespace {

/// Copies one row of the table into one row of the output.
class RowLookup {
public:
  RowLookup(KernelBuilder &k, const EmbeddingSpec &spec, Val id, Val row)
      : k(k), spec(spec), format(spec.format), id(id), row(row),
        table(k.argument(1)), out(k.argument(2)) {}

  void emit() {
    if (!spec.tiled)
      return copyDense();
    layout = getTileLayout(format, spec.vocabulary, spec.columns);
    base = id / tileRows * layout.rowBlockBytes;
    lane = id % tileRows;
    if (!format.hasCodes())
      return gatherElements();
    for (const TileRun &run : layout.runs)
      decodeCodes(run);
  }

private:
  KernelBuilder &k;
  const EmbeddingSpec &spec;
  const FormatDescription &format;
  Val id, row, table, out, base, lane;
  TileLayout layout;

  /// Bytes of the table at `offset` as f32 numbers.
  Val loadElements(Val offset, int64_t count) {
    Type type = k.vector(count, k.elementType(format.element));
    return k.loadBytes(table, offset, type).convert(k.f32());
  }

  void copyDense() {
    int64_t width = byteWidth(format.element);
    int64_t whole = spec.columns / k.lanes() * k.lanes();
    auto copy = [&](Val column, int64_t count) {
      Val offset = (id * spec.columns + column) * width;
      k.store(loadElements(offset, count), out, {row, column});
    };
    k.forLoop(k.index(0), k.index(whole), k.lanes(),
              [&](Val column) { copy(column, k.lanes()); });
    for (int64_t column = whole; column < spec.columns; ++column)
      copy(k.index(column), 1);
  }

  /// The elements of a row lie tileRows apart.
  void gatherElements() {
    int64_t width = byteWidth(format.element);
    k.forLoop(k.index(0), k.index(spec.columns), 1, [&](Val column) {
      Val offset = base + (column * tileRows + lane) * width;
      k.store(loadElements(offset, 1), out, {row, column});
    });
  }

  /// Four bytes of a row lie together: the codes of a step of four columns.
  void decodeCodes(const TileRun &run) {
    TileReader tiles(k, run, table, base);
    TileRows rows{lane, 1};
    tiles.forBlocks({}, [&](const ColumnBlock &block, Val number,
                            ArrayRef<Val>) {
      Vals codes = tiles.loadCodes(block, rows);
      Val scale, offset;
      for (int64_t column = 0; column < tileColumns; column += 4) {
        Type fours = k.vector(4, k.f32());
        if (column % std::min(tiles.scaleColumns(), tileColumns) == 0) {
          scale = tiles.loadScale(block, column, rows).lane(0).broadcast(fours);
          if (tiles.hasOffset())
            offset =
                tiles.loadOffset(block, column, rows).lane(0).broadcast(fours);
        }
        Val level = codes[column / 4].extendUnsigned(k.i32()) - tiles.zero();
        Val weight = level.convert(k.f32()) * scale;
        k.store(offset ? weight + offset : weight, out,
                {row, number * tileColumns + (run.firstColumn + column)});
      }
      return Vals();
    });
  }
};

} // namespace

func::FuncOp lq::cpu::emitEmbedding(ModuleOp module, StringRef name,
                                    const EmbeddingSpec &spec,
                                    const CpuLevel &level) {
  MLIRContext *context = module.getContext();
  Type ids =
      MemRefType::get({spec.rows}, IntegerType::get(context, spec.idBits));
  Type table = MemRefType::get({kDynamic}, IntegerType::get(context, 8));
  Type out =
      MemRefType::get({spec.rows, spec.columns}, Float32Type::get(context));
  KernelBuilder k(module, name, level, {ids, table}, {out});
  auto [first, last] = k.share(k.size(k.argument(0), 0));
  k.forLoop(first, last, 1, [&](Val row) {
    Val id = k.load(k.argument(0), {row});
    id = id.max(id.like(0)).min(id.like(spec.vocabulary - 1));
    RowLookup(k, spec, id.toIndex(), row).emit();
  });
  return k.finish();
}
