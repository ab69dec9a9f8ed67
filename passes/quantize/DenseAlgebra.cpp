//===- DenseAlgebra.cpp - factors of large symmetric matrices -------------===//

#include "passes/quantize/DenseAlgebra.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cblas.h>

using namespace lq;

// LAPACK's, in column-major order. NOLINTBEGIN(readability-identifier-naming)
extern "C" {
void spotrf_(const char *uplo, const int *n, float *a, const int *lda,
             int *info);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda,
             int *info);
}
// NOLINTEND(readability-identifier-naming)

SingleThreadedBlas::SingleThreadedBlas() : threads(openblas_get_num_threads()) {
  openblas_set_num_threads(1);
}

SingleThreadedBlas::~SingleThreadedBlas() { openblas_set_num_threads(threads); }

static constexpr int64_t tile = 256;

/// Cholesky's factor of a tile in its lower triangle; row-major lower is
/// column-major upper.
static bool factorTile(float *a, int size, int stride) {
  int info = 0;
  spotrf_("U", &size, a, &stride, &info);
  return info == 0;
}
static bool factorTile(double *a, int size, int stride) {
  int info = 0;
  dpotrf_("U", &size, a, &stride, &info);
  return info == 0;
}

/// b = b * a^-T, a lower triangular of `columns`.
static void solveRight(const float *a, float *b, int rows, int columns,
                       int stride) {
  cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit,
              rows, columns, 1, a, stride, b, stride);
}
static void solveRight(const double *a, double *b, int rows, int columns,
                       int stride) {
  cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit,
              rows, columns, 1, a, stride, b, stride);
}

/// b = a^-1 * b, a lower triangular of `rows`.
static void solveLeft(const float *a, float *b, int rows, int columns,
                      int stride) {
  cblas_strsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit,
              rows, columns, 1, a, stride, b, stride);
}
static void solveLeft(const double *a, double *b, int rows, int columns,
                      int stride) {
  cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit,
              rows, columns, 1, a, stride, b, stride);
}

/// c -= a * b^T, with a [m, k] and b [n, k].
static void subtractOuter(const float *a, const float *b, float *c, int m,
                          int n, int k, int stride) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, -1, a, stride,
              b, stride, 1, c, stride);
}
static void subtractOuter(const double *a, const double *b, double *c, int m,
                          int n, int k, int stride) {
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, -1, a, stride,
              b, stride, 1, c, stride);
}

namespace {
/// A square matrix in tiles.
struct Tiles {
  int64_t size;

  int64_t count() const { return (size + tile - 1) / tile; }
  int start(int64_t i) const { return static_cast<int>(i * tile); }
  int length(int64_t i) const {
    return static_cast<int>(std::min(tile, size - i * tile));
  }
  int64_t at(int64_t row, int64_t column) const {
    return row * tile * size + column * tile;
  }
  int stride() const { return static_cast<int>(size); }
};
} // namespace

/// Cholesky's factor in the lower triangle; false if there is none.
template <typename T>
static bool factorLower(T *a, Tiles tiles, ParallelFor parallelFor) {
  for (int64_t k = 0; k < tiles.count(); ++k) {
    T *diagonal = a + tiles.at(k, k);
    if (!factorTile(diagonal, tiles.length(k), tiles.stride()))
      return false;
    int64_t rest = tiles.count() - k - 1;
    parallelFor(rest, [&](int64_t i) {
      i += k + 1;
      solveRight(diagonal, a + tiles.at(i, k), tiles.length(i), tiles.length(k),
                 tiles.stride());
    });
    // Tile (i, j) of those below and right, j <= i.
    parallelFor(rest * rest, [&](int64_t ij) {
      int64_t i = ij / rest + k + 1, j = ij % rest + k + 1;
      if (j <= i)
        subtractOuter(a + tiles.at(i, k), a + tiles.at(j, k),
                      a + tiles.at(i, j), tiles.length(i), tiles.length(j),
                      tiles.length(k), tiles.stride());
    });
  }
  return true;
}

/// The inverse of a lower triangular matrix.
template <typename T>
static std::vector<T> invertLower(const T *a, Tiles tiles,
                                  ParallelFor parallelFor) {
  std::vector<T> inverse(tiles.size * tiles.size);
  parallelFor(tiles.count(), [&](int64_t j) {
    T *column = inverse.data() + tiles.at(j, j);
    for (int64_t i = 0; i < tiles.length(j); ++i)
      column[i * tiles.size + i] = 1;
    solveLeft(a + tiles.at(j, j), column,
              static_cast<int>(tiles.size) - tiles.start(j), tiles.length(j),
              tiles.stride());
  });
  return inverse;
}

/// With J the reversal of rows: if J A J = C C^T, then A = (J C J) (J C J)^T with an
/// upper triangular J C J, whose inverse J C^-1 J is U.
template <typename T>
std::vector<T> lq::factorInverse(std::vector<T> matrix, int64_t size,
                                 ParallelFor parallelFor) {
  std::reverse(matrix.begin(), matrix.end());
  Tiles tiles{size};
  if (!factorLower(matrix.data(), tiles, parallelFor))
    return {};
  std::vector<T> inverse = invertLower(matrix.data(), tiles, parallelFor);
  std::reverse(inverse.begin(), inverse.end());
  return inverse;
}

template std::vector<float> lq::factorInverse(std::vector<float>, int64_t,
                                              ParallelFor);
template std::vector<double> lq::factorInverse(std::vector<double>, int64_t,
                                               ParallelFor);

void lq::subtractProduct(ConstStrided from, ConstStrided by, int64_t steps,
                         int64_t columns, int64_t rows, Strided to) {
  if (columns == 0 || rows == 0 || steps == 0)
    return;
  cblas_sgemm(
      CblasRowMajor, CblasTrans, CblasNoTrans, static_cast<int>(columns),
      static_cast<int>(rows), static_cast<int>(steps), -1, from.data,
      static_cast<int>(from.stride), by.data, static_cast<int>(by.stride), 1,
      to.data, static_cast<int>(to.stride));
}

double lq::squareIn(const float *matrix, const float *weights, int64_t rows,
                    int64_t columns) {
  std::vector<float> product(rows * columns);
  auto k = static_cast<int>(columns);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(rows),
              k, k, 1, weights, k, matrix, k, 0, product.data(), k);
  double sum = 0;
  for (size_t i = 0; i < product.size(); ++i)
    sum += static_cast<double>(product[i]) * weights[i];
  return sum;
}

std::vector<float> lq::correctionOf(const float *matrix, const float *upper,
                                    int64_t size) {
  std::vector<float> product(matrix, matrix + size * size);
  auto n = static_cast<int>(size);
  cblas_strmm(CblasRowMajor, CblasRight, CblasUpper, CblasTrans, CblasNonUnit,
              n, n, 1, upper, n, product.data(), n);
  for (int64_t i = 0; i < size; ++i)
    std::fill_n(product.begin() + i * size, i + 1, 0.0f);
  cblas_strmm(CblasRowMajor, CblasRight, CblasUpper, CblasNoTrans, CblasNonUnit,
              n, n, 1, upper, n, product.data(), n);
  return product;
}
