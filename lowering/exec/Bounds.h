//===- Bounds.h - bounds of index values ------------------------*- C++ -*-===//

#ifndef LQ_LOWERING_EXEC_BOUNDS_H
#define LQ_LOWERING_EXEC_BOUNDS_H

#include "mlir/IR/Value.h"
#include <cstdint>
#include <optional>

namespace lq::exec {

/// Least and greatest value, both attained or not.
struct Interval {
  int64_t least, most;
};

/// Bounds of an index value in an entry point, from the bounds of its
/// dimensions; nothing where the value depends on data.
std::optional<Interval> boundIndex(mlir::Value value);

/// Bounds of the size of a dimension of a tensor or memref.
std::optional<Interval> boundDimension(mlir::Value shaped, int64_t dimension);

} // namespace lq::exec

#endif // LQ_LOWERING_EXEC_BOUNDS_H
