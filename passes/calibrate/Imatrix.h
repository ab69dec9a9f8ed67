//===- Imatrix.h - llama.cpp's importance matrices --------------*- C++ -*-===//
//
// What llama-imatrix writes and llama-quantize reads: for each matrix of a GGUF
// model the sum over tokens of the squares of its input, as the tensors
// `<name>.in_sum2` [K, matrices] and `<name>.counts` [1, matrices] of a GGUF file
// of type "imatrix". Before 2025 it was a file of its own form (".dat"): the
// number of entries, and for each its name, a count and the means of squares times
// that count.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_CALIBRATE_IMATRIX_H
#define LQ_PASSES_CALIBRATE_IMATRIX_H

#include "passes/calibrate/Statistics.h"

namespace lq {

/// One matrix of an imatrix file.
struct ImatrixEntry {
  /// Its name in GGUF files: "blk.0.attn_q.weight".
  std::string name;
  int64_t tokens;
  llvm::ArrayRef<float> sumSquare;
};

/// Where the numbers of an imatrix file come from, as it says itself.
struct ImatrixSource {
  std::vector<std::string> texts;
  /// Pieces that the text was cut into, and tokens of each.
  uint32_t chunks = 0, chunkTokens = 0;
};

/// Writes a GGUF imatrix file, whole or not at all.
llvm::Error writeImatrix(llvm::StringRef path,
                         llvm::ArrayRef<ImatrixEntry> entries,
                         const ImatrixSource &source);

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_IMATRIX_H
