//===- RowBlocks.cpp - write a matrix to an archive in slabs --------------===//

#include "passes/quantize/RowBlocks.h"

#include "mlir/IR/Threading.h"
#include "llvm/Support/MathExtras.h"

#include <vector>

using namespace mlir;
using namespace lq;

/// Elements that one thread takes at a time: few enough that codes and values
/// stay in its L2 cache.
static constexpr int64_t chunkElements = 64 * 1024;
/// Elements that are in memory at a time.
static constexpr int64_t slabElements = 4 * 1024 * 1024;
/// A chunk has at least so many rows: where the transpose is stored, they are
/// neighbours in the file, and fewer would waste cache lines.
static constexpr int64_t smallestChunkRows = 64;

/// Rows of a chunk, a multiple of the block.
static int64_t chunkRows(const RowBlocks &matrix) {
  int64_t rows = std::max(smallestChunkRows,
                          chunkElements / std::max<int64_t>(matrix.columns, 1));
  return static_cast<int64_t>(llvm::alignTo(rows, matrix.blockRows));
}

FailureOr<uint64_t> lq::writeRowBlocks(Operation *op, llvm::StringRef name,
                                       const RowBlocks &matrix,
                                       WeightArchive &archive,
                                       Progress &progress, EncodeRows encode) {
  int64_t chunk = chunkRows(matrix);
  int64_t chunkBytes = chunk / matrix.blockRows * matrix.blockBytes;
  int64_t slabChunks = std::max<int64_t>(
      1, slabElements / (chunk * std::max<int64_t>(matrix.columns, 1)));
  int64_t chunks = llvm::divideCeil(static_cast<uint64_t>(matrix.rows), chunk);
  uint64_t offset = archive.reserve(matrix.totalBytes());
  std::vector<char> slab(std::min(chunks, slabChunks) * chunkBytes);

  for (int64_t first = 0; first < chunks; first += slabChunks) {
    int64_t last = std::min(first + slabChunks, chunks);
    int64_t begin = first * chunkBytes;
    int64_t end = std::min(last * chunkBytes, matrix.totalBytes());
    MutableArrayRef<char> bytes(slab.data(), end - begin);
    parallelFor(op->getContext(), first, last, [&](size_t i) {
      int64_t row = static_cast<int64_t>(i) * chunk;
      int64_t start = (static_cast<int64_t>(i) - first) * chunkBytes;
      int64_t size = std::min(chunkBytes, end - begin - start);
      encode(row, std::min(chunk, matrix.rows - row), bytes.slice(start, size));
    });
    if (llvm::Error error = archive.write(offset + begin, bytes))
      return emitError(op->getLoc()) << llvm::toString(std::move(error));
    int64_t rows = std::min(last * chunk, matrix.rows) - first * chunk;
    progress.advance(name, rows * matrix.columns);
  }
  return offset;
}
