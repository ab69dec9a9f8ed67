//===- MathToPolynomials.h - math functions without a library ---*- C++ -*-===//

#ifndef LQ_LOWERING_CODEGEN_MATHTOPOLYNOMIALS_H
#define LQ_LOWERING_CODEGEN_MATHTOPOLYNOMIALS_H

#include "mlir/IR/PatternMatch.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace lq {

/// Patterns that turn every math operation on f16, bf16 and f32 that has no
/// instruction into arithmetic.
void populateMathToPolynomialsPatterns(mlir::RewritePatternSet &patterns);

std::unique_ptr<mlir::Pass> createMathToPolynomialsPass();

} // namespace lq

#endif // LQ_LOWERING_CODEGEN_MATHTOPOLYNOMIALS_H
