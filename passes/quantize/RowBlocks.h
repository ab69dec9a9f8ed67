//===- RowBlocks.h - write a matrix to an archive in slabs ------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_ROWBLOCKS_H
#define LQ_PASSES_QUANTIZE_ROWBLOCKS_H

#include "dialects/common/WeightArchive.h"
#include "mlir/IR/Operation.h"
#include "passes/quantize/Progress.h"

namespace lq {

/// How the bytes of a matrix divide: blocks of `blockRows` rows (the last may
/// have fewer) take `blockBytes` each.
struct RowBlocks {
  int64_t rows, columns;
  int64_t blockRows, blockBytes;

  int64_t totalBytes() const {
    return (rows + blockRows - 1) / blockRows * blockBytes;
  }
};

/// Writes the bytes of rows [firstRow, firstRow + rows), whole blocks; called
/// from several threads at once.
using EncodeRows = llvm::function_ref<void(int64_t firstRow, int64_t rows,
                                           llvm::MutableArrayRef<char> bytes)>;

/// Encodes a matrix with all threads of the context, a slab of a few megabytes
/// at a time, and adds it to the archive. Returns its offset there. A failure
/// of the archive becomes a diagnostic at `op`.
mlir::FailureOr<uint64_t> writeRowBlocks(mlir::Operation *op,
                                         llvm::StringRef name,
                                         const RowBlocks &matrix,
                                         WeightArchive &archive,
                                         Progress &progress, EncodeRows encode);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_ROWBLOCKS_H
