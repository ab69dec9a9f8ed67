//===- TestWeights.h - weights of several distributions ---------*- C++ -*-===//
//
// The same numbers with every standard library, so that errors of other
// implementations can be recorded for them.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_TEST_UNIT_FORMATS_TESTWEIGHTS_H
#define LQ_TEST_UNIT_FORMATS_TESTWEIGHTS_H

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace lq {

enum class Distribution { Normal, HeavyTails, Uniform, Outliers, Shifted };

class WeightGenerator {
public:
  explicit WeightGenerator(unsigned seed) : random(seed) {}

  /// In [0, 1), of 24 bits.
  float unit() { return static_cast<float>(random() >> 8) * 0x1p-24f; }

  /// The sum of 12 of them, near to a normal distribution of deviation 1.
  float normal() {
    float sum = -6;
    for (int i = 0; i < 12; ++i)
      sum += unit();
    return sum;
  }

  float draw(Distribution distribution) {
    switch (distribution) {
    case Distribution::Normal:
      return normal();
    case Distribution::HeavyTails: {
      float x = 2 * unit() - 1;
      float tail = 1 / (1.0f - std::fabs(x) + 0x1p-12f);
      return std::copysign(std::sqrt(tail) - 1, x);
    }
    case Distribution::Uniform:
      return 2 * unit() - 1;
    case Distribution::Outliers: {
      float x = normal();
      return unit() < 0.02f ? 10 * x : x;
    }
    case Distribution::Shifted:
      return normal() + 4;
    }
    return 0;
  }

  std::vector<float> draw(Distribution distribution, size_t count) {
    std::vector<float> weights(count);
    for (float &weight : weights)
      weight = 0.02f * draw(distribution);
    return weights;
  }

private:
  std::mt19937 random;
};

} // namespace lq

#endif // LQ_TEST_UNIT_FORMATS_TESTWEIGHTS_H
