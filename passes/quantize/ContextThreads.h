//===- ContextThreads.h - the threads of a context --------------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_CONTEXTTHREADS_H
#define LQ_PASSES_QUANTIZE_CONTEXTTHREADS_H

#include "mlir/IR/Threading.h"
#include "passes/quantize/ParallelFor.h"

namespace lq {

/// The threads of a context, as algorithms take them that know nothing of MLIR
/// (ParallelFor).
struct ContextThreads {
  mlir::MLIRContext *context;

  void operator()(int64_t count, llvm::function_ref<void(int64_t)> body) const {
    mlir::parallelFor(context, 0, count,
                      [&](size_t i) { body(static_cast<int64_t>(i)); });
  }
};

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_CONTEXTTHREADS_H
