//===- Product.h - Factors of a product, however associated -----*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_MATCH_PRODUCT_H
#define LQ_PASSES_RAISE_MATCH_PRODUCT_H

#include "passes/raise/match/Graph.h"

namespace lq::raise {

/// A factor of a product, or what it is divided by.
struct Factor {
  mlir::Value value;
  bool divides = false;
};

/// The factors of `value`, which Mul and Div nodes join in any order and
/// grouping. At most `limit`; nothing if there are more.
std::optional<llvm::SmallVector<Factor>>
factorsOf(const Graph &graph, mlir::Value value, unsigned limit);

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_MATCH_PRODUCT_H
