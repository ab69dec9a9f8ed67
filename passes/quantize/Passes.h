//===- Passes.h - quantization passes ---------------------------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_PASSES_H
#define LQ_PASSES_QUANTIZE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/quantize/Progress.h"
#include "passes/quantize/ScaleMethod.h"

namespace lq {

/// In which order lq-gptq rounds columns; Stored: and stores them.
enum class ColumnOrder { Given, Groups, Columns, Stored };

#define GEN_PASS_DECL
#include "passes/quantize/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/quantize/Passes.h.inc"

/// Passes with a callback for their progress, called from the pass's thread.
std::unique_ptr<mlir::Pass> createQuantizeRtn(QuantizeRtnOptions options,
                                              ProgressCallback progress);

std::unique_ptr<mlir::Pass> createKQuant(KQuantOptions options,
                                         ProgressCallback progress);
std::unique_ptr<mlir::Pass> createQuantizeGptq(QuantizeGptqOptions options,
                                               ProgressCallback progress);

std::unique_ptr<mlir::Pass> createQuantizeExl2(QuantizeExl2Options options,
                                               ProgressCallback progress);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_PASSES_H
