//===- Embedding.cpp - rows of a packed table -----------------------------===//

#include "dialects/lq/Tile.h"
#include "lowering/cpu/kernels/Kernels.h"
#include "lowering/cpu/kernels/RowKernel.h"
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
    if (format.hasCodes())
      decodeCodes();
    else
      gatherElements();
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

  Val loadScale(Val group) {
    Val offset = base + group * layout.groupBytes + layout.groupCodeBytes +
                 lane * byteWidth(format.scale);
    return k.loadBytes(table, offset, k.vector(1, k.elementType(format.scale)))
        .convert(k.f32())
        .lane(0);
  }

  /// Four bytes of a row lie together: the codes of 4 or 8 columns.
  void decodeCodes() {
    int64_t codesPerByte = 8 / format.bits, columns = 4 * codesPerByte;
    Type fours = k.vector(4, k.f32());
    k.forLoop(
        k.index(0), k.index(spec.columns / format.group), 1, [&](Val group) {
          Val scale = loadScale(group).broadcast(fours);
          Val codes = base + group * layout.groupBytes + lane * 4;
          k.forLoop(
              k.index(0), k.index(format.group / columns), 1, [&](Val step) {
                Val offset = codes + step * (tileRows * 4);
                Val column = group * format.group + step * columns;
                Val bytes = k.loadBytes(table, offset, k.vector(4, k.i8()));
                for (int64_t j = 0; j < codesPerByte; ++j) {
                  Val code = bytes >> (j * format.bits);
                  if (codesPerByte > 1)
                    code = code & ((1 << format.bits) - 1);
                  Val level = code.extendUnsigned(k.i32()) - format.zero;
                  k.store(level.convert(k.f32()) * scale, out,
                          {row, column + 4 * j});
                }
              });
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
