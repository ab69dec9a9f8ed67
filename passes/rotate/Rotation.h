//===- Rotation.h - orthogonal matrices that mix ----------------*- C++ -*-===//

#ifndef LQ_PASSES_ROTATE_ROTATION_H
#define LQ_PASSES_ROTATE_ROTATION_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace lq {

/// A randomized Hadamard matrix Q of any size n = 2^a m, m odd, by a fast
/// transform: n (a + m) operations for a vector. Element p m + r of a vector
/// gets a random sign; then a Hadamard transform runs over p and a discrete
/// Hartley transform, (cos + sin)(2 pi r s / m), over r, both of norm 1.
class Rotation {
public:
  /// `stream` tells rotations of one seed apart.
  Rotation(int64_t size, uint64_t seed, uint64_t stream);

  int64_t size() const { return static_cast<int64_t>(signs.size()); }

  /// Replaces `lanes` vectors x by Q x, all at once: element i of vector l is
  /// at i * lanes + l.
  void apply(llvm::MutableArrayRef<double> vectors, int64_t lanes) const;

private:
  void applyHadamard(llvm::MutableArrayRef<double> vectors,
                     int64_t lanes) const;
  void applyHartley(llvm::MutableArrayRef<double> vectors, int64_t lanes) const;

  std::vector<double> signs;
  int64_t oddPart;
  /// [oddPart, oddPart]; empty if that is 1.
  std::vector<double> hartley;
};

} // namespace lq

#endif // LQ_PASSES_ROTATE_ROTATION_H
