//===- RotateWeights.h - rotate weights into an archive ---------*- C++ -*-===//

#ifndef LQ_PASSES_ROTATE_ROTATEWEIGHTS_H
#define LQ_PASSES_ROTATE_ROTATEWEIGHTS_H

#include "dialects/common/WeightArchive.h"
#include "dialects/common/WeightFile.h"
#include "passes/quantize/Progress.h"
#include "passes/rotate/Rotation.h"

#include "dialects/lq/LqOps.h"

namespace lq {

/// What becomes of a weight's elements. Rotations may be null; one of a size
/// that divides a dimension serves stretches of it one after another.
struct WeightRotation {
  const Rotation *rows = nullptr;    ///< y -> Q y of the rows, or of a bias
  const Rotation *columns = nullptr; ///< x -> Q x of each row
  WeightOp gamma;                    ///< multiplies the columns before; or null
  bool ones = false;                 ///< all elements become 1
};

/// Writes the weight, as f32, to the archive, with all threads of the context;
/// returns its offset there. Elements that are not finite are an error that
/// names one.
mlir::FailureOr<uint64_t>
writeRotated(WeightOp weight, const WeightRotation &rotation,
             WeightFiles &files, WeightArchive &archive, Progress &progress);

} // namespace lq

#endif // LQ_PASSES_ROTATE_ROTATEWEIGHTS_H
