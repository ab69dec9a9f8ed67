//===- WeightSource.h - rows of a weight from its file ----------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_WEIGHTSOURCE_H
#define LQ_PASSES_QUANTIZE_WEIGHTSOURCE_H

#include "dialects/common/WeightFile.h"
#include "dialects/lq/LqOps.h"

namespace lq {

/// The bytes of a weight, mapped where they lie. Rows may be read from several
/// threads at once.
class WeightSource {
public:
  /// Maps the weight's bytes; a diagnostic at the weight if that fails.
  static mlir::FailureOr<WeightSource> open(WeightOp weight,
                                            WeightFiles &files);

  /// The weight's storage as it lies in the file, valid as long as the files.
  llvm::ArrayRef<char> bytes() const { return storage; }

  /// Whether readRows can read the weight: dense f32, f16, bf16 or f64.
  static bool isReadable(mlir::RankedTensorType type);

  /// Rows [first, first + n) of a dense matrix as f32, n = rows.size() /
  /// columns; of a weight that is no matrix, elements (columns = 1). Doubles
  /// are rounded to nearest; those too large become infinite.
  void readRows(int64_t first, llvm::MutableArrayRef<float> rows) const;

  /// Rows of a transposed matrix as they would lie if it were not, byte for
  /// byte.
  void readTransposed(int64_t first, llvm::MutableArrayRef<char> rows) const;

  /// Rows [first, first + planes.rows) of a matrix in the storage of a format.
  void readPlanes(FormatAttrInterface format, int64_t first,
                  Planes &planes) const;

  /// Gives back the memory that reading the weight has taken; reading it again
  /// takes it from the file again. With it a pass over a model takes the memory
  /// of its largest weight.
  void release() const;

private:
  mlir::RankedTensorType type;
  bool transposed = false;
  llvm::ArrayRef<char> storage;
};

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_WEIGHTSOURCE_H
