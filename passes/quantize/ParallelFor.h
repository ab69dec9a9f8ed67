//===- ParallelFor.h - threads for algorithms without MLIR ------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_PARALLELFOR_H
#define LQ_PASSES_QUANTIZE_PARALLELFOR_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include <cstdint>

namespace lq {

/// Calls `body(i)` for each i < count, in any order, from any number of threads.
using ParallelFor = llvm::function_ref<void(
    int64_t count, llvm::function_ref<void(int64_t)> body)>;

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_PARALLELFOR_H
