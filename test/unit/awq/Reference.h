//===- Reference.h - activation-aware quantization, plainly -----*- C++ -*-===//
//
// The definitions of AWQ's reference implementation in double precision, over the
// samples themselves.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_TEST_UNIT_AWQ_REFERENCE_H
#define LQ_TEST_UNIT_AWQ_REFERENCE_H

#include "passes/awq/ScaleSearch.h"

#include <cmath>
#include <random>

namespace lq::reference {

/// 4 bits, symmetric, a scale in f32 for so many columns.
inline FormatDescription fourBits(int64_t group) {
  FormatDescription format;
  format.level = LevelKind::Integer;
  format.bits = 4;
  format.zero = 8;
  format.group = group;
  format.scale = directNumber(Scalar::F32);
  format.scaleRule = ScaleRule::AbsoluteMaximum;
  return format;
}

/// [rows, columns] of f32 numbers.
struct Matrix {
  int64_t rows, columns;
  std::vector<float> values;

  Matrix(int64_t rows, int64_t columns)
      : rows(rows), columns(columns), values(rows * columns) {}
  double at(int64_t row, int64_t column) const {
    return values[row * columns + column];
  }
};

/// Normal numbers; column k is larger by a factor of its own.
inline Matrix randomMatrix(int64_t rows, int64_t columns, double spread,
                           unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Matrix matrix(rows, columns);
  std::vector<float> factors(columns);
  for (float &factor : factors)
    factor = std::exp(static_cast<float>(spread) * normal(random));
  for (int64_t i = 0; i < rows * columns; ++i)
    matrix.values[i] = normal(random) * factors[i % columns];
  return matrix;
}

/// The sum of x x^T over the rows of x.
inline std::vector<float> productsOf(const Matrix &x) {
  std::vector<float> sums;
  for (int64_t i = 0; i < x.columns; ++i)
    for (int64_t j = 0; j < x.columns; ++j) {
      double sum = 0;
      for (int64_t t = 0; t < x.rows; ++t)
        sum += x.at(t, i) * x.at(t, j);
      sums.push_back(static_cast<float>(sum));
    }
  return sums;
}

/// Rounds the weights of a group to the levels of fourBits.
inline void roundGroup(std::vector<double> &weights) {
  double largest = 0;
  for (double weight : weights)
    largest = std::max(largest, std::fabs(weight));
  double scale = static_cast<float>(largest / 7);
  for (double &weight : weights)
    weight = scale == 0 ? 0 : std::round(weight / scale) * scale;
}

/// The sum over x and rows of the squared error of products when the columns of
/// the weights are scaled, rounded, and scaled back.
inline double errorOf(const Matrix &weights, const Matrix &x, int64_t group,
                      const std::vector<double> &scale) {
  double sum = 0;
  for (int64_t row = 0; row < weights.rows; ++row) {
    std::vector<double> change;
    for (int64_t first = 0; first < weights.columns; first += group) {
      std::vector<double> part;
      for (int64_t k = first; k < first + group; ++k)
        part.push_back(weights.at(row, k) * scale[k]);
      roundGroup(part);
      for (int64_t k = first; k < first + group; ++k)
        change.push_back(part[k - first] / scale[k] - weights.at(row, k));
    }
    for (int64_t t = 0; t < x.rows; ++t) {
      double product = 0;
      for (int64_t k = 0; k < x.columns; ++k)
        product += change[k] * x.at(t, k);
      sum += product * product;
    }
  }
  return sum;
}

/// x_mean^r / (w_mean^(1 - r) + 1e-4), normalised.
inline std::vector<double> scaleOf(const std::vector<double> &inputs,
                                   const std::vector<double> &weights,
                                   double ratio) {
  std::vector<double> scale;
  for (size_t k = 0; k < inputs.size(); ++k)
    scale.push_back(
        std::max(1e-4, std::pow(inputs[k], ratio) /
                           (std::pow(weights[k], 1 - ratio) + 1e-4)));
  double least = *std::min_element(scale.begin(), scale.end());
  double largest = *std::max_element(scale.begin(), scale.end());
  for (double &value : scale)
    value /= std::sqrt(least * largest);
  return scale;
}

} // namespace lq::reference

#endif // LQ_TEST_UNIT_AWQ_REFERENCE_H
