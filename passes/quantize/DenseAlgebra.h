//===- DenseAlgebra.h - factors of large symmetric matrices -----*- C++ -*-===//
//
// Matrices are cut into tiles, and each step on a tile is one call of BLAS on one
// thread: the result does not depend on how many threads there are.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_QUANTIZE_DENSEALGEBRA_H
#define LQ_PASSES_QUANTIZE_DENSEALGEBRA_H

#include "passes/quantize/ParallelFor.h"
#include <vector>

namespace lq {

/// While it lives, each call of BLAS runs on the thread that calls. The number of
/// threads is BLAS's own, for the whole process.
class SingleThreadedBlas {
public:
  SingleThreadedBlas();
  ~SingleThreadedBlas();
  SingleThreadedBlas(const SingleThreadedBlas &) = delete;
  SingleThreadedBlas &operator=(const SingleThreadedBlas &) = delete;

private:
  int threads;
};

/// The upper triangular U with A^-1 = U^T U, of a symmetric positive definite A
/// [size, size], row-major. What is below the diagonal of U is not defined.
/// Empty if A is not positive definite, as far as T can tell. T is float or double.
template <typename T>
std::vector<T> factorInverse(std::vector<T> matrix, int64_t size,
                             ParallelFor parallelFor);

/// to -= from^T * by, with from [steps, columns] and by [steps, rows], to
/// [columns, rows]; rows of each lie so many floats apart.
struct Strided {
  float *data;
  int64_t stride;
};
struct ConstStrided {
  const float *data;
  int64_t stride;
};
void subtractProduct(ConstStrided from, ConstStrided by, int64_t steps,
                     int64_t columns, int64_t rows, Strided to);

/// The sums over columns and rows of (weights * A) . weights, A symmetric: what the
/// products of `weights` [rows, columns] with inputs x of A = sum x x^T amount to.
double squareIn(const float *matrix, const float *weights, int64_t rows,
                int64_t columns);

/// For U [size, size] upper triangular and M [size, size]: the strictly upper part
/// of M U^T, times U.
std::vector<float> correctionOf(const float *matrix, const float *upper,
                                int64_t size);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_DENSEALGEBRA_H
