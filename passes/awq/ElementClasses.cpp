//===- ElementClasses.cpp - classes of a tensor's elements ----------------===//

#include "passes/awq/ElementClasses.h"

#include "llvm/ADT/STLExtras.h"

#include <numeric>

using namespace lq;

ClassUnion::ClassUnion(int32_t count) : parents(count) {
  std::iota(parents.begin(), parents.end(), 0);
}

int32_t ClassUnion::find(int32_t id) const {
  while (parents[id] != id)
    id = parents[id];
  return id;
}

void ClassUnion::unite(int32_t a, int32_t b) {
  a = find(a);
  b = find(b);
  // The lower number, so that the result does not depend on the order of calls.
  parents[std::max(a, b)] = std::min(a, b);
}

static int64_t product(llvm::ArrayRef<int64_t> sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t(1),
                         std::multiplies<>());
}

namespace {
/// A tensor around one of its dimensions: [outer, size, inner].
struct Around {
  int64_t outer, size, inner;

  Around(llvm::ArrayRef<int64_t> sizes, unsigned dim)
      : outer(product(sizes.take_front(dim))), size(sizes[dim]),
        inner(product(sizes.drop_front(dim + 1))) {}
};
} // namespace

void ElementClasses::expand(unsigned dim, int64_t size) {
  Around around(sizes, dim);
  if (around.size != 1 || size == 1)
    return;
  std::vector<int32_t> expanded;
  expanded.reserve(of.size() * size);
  for (int64_t o = 0; o < around.outer; ++o)
    for (int64_t i = 0; i < size; ++i)
      expanded.insert(expanded.end(), of.begin() + o * around.inner,
                      of.begin() + (o + 1) * around.inner);
  of = std::move(expanded);
  sizes[dim] = size;
}

void ElementClasses::collapse(unsigned dim, ClassUnion &classes) {
  Around around(sizes, dim);
  std::vector<int32_t> collapsed(around.outer * around.inner);
  for (int64_t o = 0; o < around.outer; ++o)
    for (int64_t n = 0; n < around.inner; ++n) {
      const int32_t *first = &of[o * around.size * around.inner + n];
      for (int64_t i = 1; i < around.size; ++i)
        classes.unite(*first, first[i * around.inner]);
      collapsed[o * around.inner + n] = *first;
    }
  of = std::move(collapsed);
  sizes[dim] = 1;
}

void ElementClasses::embed(unsigned dim, int64_t offset, int64_t size,
                           int32_t outside) {
  Around around(sizes, dim);
  std::vector<int32_t> embedded(around.outer * size * around.inner, outside);
  for (int64_t o = 0; o < around.outer; ++o)
    std::copy_n(of.begin() + o * around.size * around.inner,
                around.size * around.inner,
                embedded.begin() + (o * size + offset) * around.inner);
  of = std::move(embedded);
  sizes[dim] = size;
}

void ElementClasses::transpose(llvm::ArrayRef<int64_t> order) {
  llvm::SmallVector<int64_t> newSizes(sizes.size()), strides(sizes.size());
  for (auto [from, to] : llvm::enumerate(order))
    newSizes[to] = sizes[from];
  int64_t stride = 1;
  for (size_t to = sizes.size(); to-- > 0; stride *= newSizes[to])
    strides[to] = stride;
  std::vector<int32_t> transposed(of.size());
  llvm::SmallVector<int64_t> index(sizes.size());
  for (int32_t id : of) {
    int64_t position = 0;
    for (auto [from, to] : llvm::enumerate(order))
      position += index[from] * strides[to];
    transposed[position] = id;
    for (size_t dim = sizes.size(); dim-- > 0 && ++index[dim] == sizes[dim];)
      index[dim] = 0;
  }
  of = std::move(transposed);
  sizes = std::move(newSizes);
}
