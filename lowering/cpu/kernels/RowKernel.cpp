//===- RowKernel.cpp - loops along a row ----------------------------------===//

#include "lowering/cpu/kernels/RowKernel.h"

using namespace lq;
using namespace lq::cpu;

Val Chunk::load(KernelBuilder &k, Val memref,
                llvm::ArrayRef<Val> indices) const {
  Vals place(indices);
  place.push_back(column);
  return count ? k.loadPart(memref, place, k.lanes(), k.index(*count))
               : k.load(memref, place, k.lanes());
}

void Chunk::store(KernelBuilder &k, Val value, Val memref,
                  llvm::ArrayRef<Val> indices) const {
  Vals place(indices);
  place.push_back(column);
  if (count)
    k.storePart(value, memref, place, k.index(*count));
  else
    k.store(value, memref, place);
}

Vals lq::cpu::forChunks(
    KernelBuilder &k, int64_t columns, llvm::ArrayRef<Val> initial,
    llvm::function_ref<Vals(const Chunk &, llvm::ArrayRef<Val>)> body) {
  int64_t whole = columns / k.lanes() * k.lanes();
  Vals carried = k.forLoop(k.index(0), k.index(whole), k.lanes(), initial,
                           [&](Val column, llvm::ArrayRef<Val> values) {
                             return body({column, std::nullopt}, values);
                           });
  if (whole == columns)
    return carried;
  return body({k.index(whole), columns - whole}, carried);
}

void lq::cpu::forChunks(KernelBuilder &k, int64_t columns,
                        llvm::function_ref<void(const Chunk &)> body) {
  forChunks(k, columns, {}, [&](const Chunk &chunk, llvm::ArrayRef<Val>) {
    body(chunk);
    return Vals();
  });
}
