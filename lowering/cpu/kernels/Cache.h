//===- Cache.h - where keys and values lie ----------------------*- C++ -*-===//

#ifndef LQ_LOWERING_CPU_KERNELS_CACHE_H
#define LQ_LOWERING_CPU_KERNELS_CACHE_H

#include "lowering/cpu/kernels/KernelBuilder.h"
#include "lowering/cpu/kernels/Kernels.h"

namespace lq::cpu {

/// Byte offsets into a cache (see CacheSpec) that begins at `base`.
class CacheLayout {
public:
  CacheLayout(const CacheSpec &spec, Val base)
      : spec(spec), base(base), width(byteWidth(spec.element)) {}

  /// Element `column` of a head's key.
  Val keyOffset(Val position, Val head, Val column) const {
    return blockOffset(position / cacheBlock, head, column) +
           position % cacheBlock * width;
  }
  /// Element `column` of the keys of a block of positions.
  Val blockOffset(Val block, Val head, Val column) const {
    Val row = (block * spec.heads + head) * spec.headSize + column;
    return base + row * (cacheBlock * width);
  }
  /// From an element of a key to the next.
  int64_t keyStride() const { return cacheBlock * width; }

  Val valueOffset(Val position, Val head, Val column) const {
    Val row = (position * spec.heads + head) * spec.headSize;
    return base + (row + column) * width;
  }
  /// From a position's values to the next position's.
  int64_t valueStride() const { return spec.heads * spec.headSize * width; }

private:
  CacheSpec spec;
  Val base;
  int64_t width;
};

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_CACHE_H
