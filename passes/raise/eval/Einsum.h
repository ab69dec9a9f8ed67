//===- Einsum.h - The equation of an Einsum ---------------------*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_EVAL_EINSUM_H
#define LQ_PASSES_RAISE_EVAL_EINSUM_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <optional>

namespace lq {

/// An equation with its letters numbered: those of the result first, in its
/// order, then the summed ones. An ellipsis stands for as many numbers as the
/// operands need, aligned at the last as numpy broadcasts.
struct EinsumForm {
  /// For each operand, the index of each of its dimensions.
  llvm::SmallVector<llvm::SmallVector<int64_t>> operands;
  /// The index of each dimension of the result.
  llvm::SmallVector<int64_t> result;
  /// Number of different indices.
  int64_t indices = 0;

  /// Nothing if the equation is malformed or does not match the ranks.
  static std::optional<EinsumForm> parse(llvm::StringRef equation,
                                         llvm::ArrayRef<int64_t> ranks);
};

} // namespace lq

#endif // LQ_PASSES_RAISE_EVAL_EINSUM_H
