//===- Rotation.cpp - orthogonal matrices that mix ------------------------===//

#include "passes/rotate/Rotation.h"

#include <cmath>
#include <numbers>

using namespace llvm;
using namespace lq;

/// SplitMix64 (Steele, Lea, Flood 2014): well mixed bits of a counter.
static uint64_t mix(uint64_t counter) {
  uint64_t bits = counter + 0x9e3779b97f4a7c15;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
  return bits ^ (bits >> 31);
}

static std::vector<double> makeHartley(int64_t size) {
  std::vector<double> matrix(size * size);
  double norm = 1 / std::sqrt(static_cast<double>(size));
  for (int64_t r = 0; r < size; ++r)
    for (int64_t s = 0; s < size; ++s) {
      // The angle's multiple of 2 pi is taken away exactly.
      double angle = 2 * std::numbers::pi * static_cast<double>(r * s % size) /
                     static_cast<double>(size);
      matrix[r * size + s] = norm * (std::cos(angle) + std::sin(angle));
    }
  return matrix;
}

Rotation::Rotation(int64_t size, uint64_t seed, uint64_t stream)
    : oddPart(size) {
  while (oddPart % 2 == 0)
    oddPart /= 2;
  if (oddPart > 1)
    hartley = makeHartley(oddPart);
  // The Hadamard transform's norm goes with the signs.
  double norm = 1 / std::sqrt(static_cast<double>(size / oddPart));
  uint64_t start = mix(mix(seed) ^ stream);
  for (int64_t i = 0; i < size; ++i)
    signs.push_back(mix(start + i) & 1 ? -norm : norm);
}

void Rotation::applyHadamard(MutableArrayRef<double> vectors,
                             int64_t lanes) const {
  int64_t total = size() * lanes;
  for (int64_t half = oddPart * lanes; half < total; half *= 2)
    for (int64_t start = 0; start < total; start += 2 * half)
      for (int64_t i = start; i < start + half; ++i) {
        double a = vectors[i], b = vectors[i + half];
        vectors[i] = a + b;
        vectors[i + half] = a - b;
      }
}

void Rotation::applyHartley(MutableArrayRef<double> vectors,
                            int64_t lanes) const {
  int64_t part = oddPart * lanes;
  std::vector<double> result(part);
  for (int64_t start = 0; start < size() * lanes; start += part) {
    std::fill(result.begin(), result.end(), 0);
    for (int64_t r = 0; r < oddPart; ++r)
      for (int64_t s = 0; s < oddPart; ++s)
        for (int64_t l = 0; l < lanes; ++l)
          result[r * lanes + l] +=
              hartley[r * oddPart + s] * vectors[start + s * lanes + l];
    std::copy(result.begin(), result.end(), vectors.begin() + start);
  }
}

void Rotation::apply(MutableArrayRef<double> vectors, int64_t lanes) const {
  for (int64_t i = 0; i < size(); ++i)
    for (int64_t l = 0; l < lanes; ++l)
      vectors[i * lanes + l] *= signs[i];
  applyHadamard(vectors, lanes);
  if (!hartley.empty())
    applyHartley(vectors, lanes);
}
