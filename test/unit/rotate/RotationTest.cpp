//===- RotationTest.cpp - orthogonal matrices that mix --------------------===//

#include "passes/rotate/Rotation.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

using namespace lq;

/// The matrix Q [n, n], row-major: column j is what becomes of unit vector j.
static std::vector<double> matrixOf(const Rotation &rotation) {
  int64_t n = rotation.size();
  std::vector<double> matrix(n * n);
  // The unit vectors are the lanes: element i of vector j at i * n + j.
  for (int64_t i = 0; i < n; ++i)
    matrix[i * n + i] = 1;
  rotation.apply(matrix, n);
  return matrix;
}

TEST(Rotation, IsOrthogonal) {
  for (int64_t n : {1, 2, 3, 8, 12, 15, 64, 100, 144}) {
    std::vector<double> q = matrixOf(Rotation(n, 7, 0));
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double product = 0;
        for (int64_t k = 0; k < n; ++k)
          product += q[i * n + k] * q[j * n + k];
        EXPECT_NEAR(product, i == j, 1e-12) << n << ": " << i << ", " << j;
      }
  }
}

/// No element stands out: Hadamard matrices of powers of two are flat, others at
/// most sqrt(2) off.
TEST(Rotation, MixesEvenly) {
  for (int64_t n : {2, 64, 12, 100, 144}) {
    bool isPower = (n & (n - 1)) == 0;
    double flat = 1 / std::sqrt(static_cast<double>(n));
    for (double element : matrixOf(Rotation(n, 7, 0))) {
      EXPECT_LE(std::abs(element), flat * (isPower ? 1 : std::sqrt(2)) + 1e-12);
      if (isPower) {
        EXPECT_NEAR(std::abs(element), flat, 1e-12);
      }
    }
  }
}

/// A Hadamard matrix without signs would make one element of equal ones.
TEST(Rotation, HasRandomSigns) {
  for (uint64_t seed : {0, 1, 2}) {
    std::vector<double> ones(256, 1);
    Rotation(256, seed, 0).apply(ones, 1);
    double largest = 0, squares = 0;
    for (double element : ones) {
      largest = std::max(largest, std::abs(element));
      squares += element * element;
    }
    EXPECT_NEAR(squares, 256, 1e-9);
    EXPECT_LT(largest, 5);
  }
}

TEST(Rotation, DependsOnSeedAndStreamAlone) {
  EXPECT_EQ(matrixOf(Rotation(24, 3, 5)), matrixOf(Rotation(24, 3, 5)));
  EXPECT_NE(matrixOf(Rotation(24, 3, 5)), matrixOf(Rotation(24, 4, 5)));
  EXPECT_NE(matrixOf(Rotation(24, 3, 5)), matrixOf(Rotation(24, 3, 6)));
}

TEST(Rotation, TakesLanesAlike) {
  Rotation rotation(24, 1, 0);
  std::vector<double> lanes(24 * 3);
  for (size_t i = 0; i < lanes.size(); ++i)
    lanes[i] = std::sin(static_cast<double>(i));
  std::vector<double> second;
  for (size_t i = 1; i < lanes.size(); i += 3)
    second.push_back(lanes[i]);
  rotation.apply(lanes, 3);
  rotation.apply(second, 1);
  for (size_t i = 0; i < second.size(); ++i)
    EXPECT_DOUBLE_EQ(lanes[3 * i + 1], second[i]);
}
