//===- Append.cpp - new positions into a cache ----------------------------===//

#include "lowering/cpu/kernels/Cache.h"
#include "lowering/cpu/kernels/RowKernel.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

int64_t lq::cpu::cacheBytes(const CacheSpec &spec, int64_t positions) {
  int64_t rounded = (positions + cacheBlock - 1) / cacheBlock * cacheBlock;
  return rounded * spec.heads * spec.headSize * byteWidth(spec.element);
}

namespace {

/// Copies one head of one position.
class HeadAppend {
public:
  HeadAppend(KernelBuilder &k, const CacheSpec &spec, Val base, Val position,
             Vals head)
      : k(k), spec(spec), layout(spec, base), position(position),
        head(std::move(head)) {}

  void emit() {
    int64_t whole = spec.headSize / k.lanes() * k.lanes();
    k.forLoop(k.index(0), k.index(whole), k.lanes(),
              [&](Val column) { copy(column, k.lanes()); });
    int64_t left = spec.headSize - whole;
    for (int64_t count = k.lanes() / 2; count > 0; count /= 2)
      if (left & count) {
        copy(k.index(whole), count);
        whole += count;
      }
  }

private:
  KernelBuilder &k;
  const CacheSpec &spec;
  CacheLayout layout;
  Val position;
  Vals head;

  void copy(Val column, int64_t count) {
    Vals place(head);
    place.push_back(column);
    Val x = k.load(k.argument(0), place, count)
                .convert(k.elementType(spec.element));
    Val cache = k.argument(2);
    if (!spec.keys)
      return k.storeBytes(x, cache,
                          layout.valueOffset(position, head.back(), column));
    Val offset = layout.keyOffset(position, head.back(), column);
    for (int64_t i = 0; i < count; ++i)
      k.storeBytes(x.lane(i), cache, offset + i * layout.keyStride());
  }
};

} // namespace

func::FuncOp lq::cpu::emitAppend(ModuleOp module, StringRef name,
                                 const AppendSpec &spec,
                                 const CpuLevel &level) {
  MLIRContext *context = module.getContext();
  const CacheSpec &cache = spec.cache;
  Type x = MemRefType::get({spec.batch, spec.rows, cache.heads, cache.headSize},
                           Float32Type::get(context));
  Type bytes = MemRefType::get({kDynamic}, IntegerType::get(context, 8));
  KernelBuilder k(module, name, level, {x, IndexType::get(context)}, {bytes});
  Val batches = k.size(k.argument(0), 0), rows = k.size(k.argument(0), 1);
  Val batchBytes = k.size(k.argument(2), 0) / batches;
  auto [first, last] = k.share(batches * rows * cache.heads);
  k.forLoop(first, last, 1, [&](Val item) {
    Val head = item % cache.heads, token = item / cache.heads;
    Val row = token % rows, batch = token / rows;
    HeadAppend(k, cache, batch * batchBytes, k.argument(1) + row,
               {batch, row, head})
        .emit();
  });
  return k.finish();
}
