//===- AttentionTest.cpp - caches and attention ---------------------------===//

#include "test/unit/kernels/Formats.h"
#include <algorithm>
#include <gtest/gtest.h>

using namespace lq;
using namespace lq::cpu;
using namespace lq::cpu::test;

namespace {

struct Shape {
  int64_t batch, rows, past, heads, keyHeads, keySize, valueSize;
  int64_t positions() const { return past + rows; }
};

class AttentionTest : public LevelTest {
protected:
  /// A cache that holds x [B, T, G, D], appended in two parts. What was in the
  /// buffer before must not matter.
  Array<char> fill(const CacheSpec &spec, Array<float> &x) {
    int64_t batch = x.getShape()[0], positions = x.getShape()[1];
    int64_t rowSize = spec.heads * spec.headSize;
    Array<char> cache({batch * cacheBytes(spec, positions)});
    std::memset(cache.data(), 0xff, cache.count());
    AppendSpec append{spec, kDynamic, kDynamic};
    Kernel kernel(
        [&](mlir::ModuleOp module, const CpuLevel &level) {
          return emitAppend(module, "append", append, level);
        },
        level());
    for (auto [first, last] : {std::pair(int64_t(0), positions / 2),
                               std::pair(positions / 2, positions)}) {
      Array<float> part({batch, last - first, spec.heads, spec.headSize});
      for (int64_t b = 0; b < batch; ++b)
        std::copy_n(x.data() + (b * positions + first) * rowSize,
                    (last - first) * rowSize,
                    part.data() + b * (last - first) * rowSize);
      kernel({part, first, cache}, 2);
    }
    for (int64_t i = 0; i < x.count(); ++i)
      x[i] = roundTo(spec.element, x[i]);
    return cache;
  }

  /// softmax(scale q k^T + mask) v of one row and head, in double precision.
  std::vector<double> attend(const Shape &s, const float *q,
                             const Array<float> &k, const Array<float> &v,
                             int64_t b, int64_t g, int64_t begin, int64_t limit,
                             double scale,
                             llvm::function_ref<double(int64_t)> mask) {
    std::vector<double> weights(limit), out(s.valueSize);
    double largest = -INFINITY, sum = 0;
    for (int64_t t = begin; t < limit; ++t) {
      for (int64_t d = 0; d < s.keySize; ++d)
        weights[t] +=
            double(q[d]) *
            k[((b * s.positions() + t) * s.keyHeads + g) * s.keySize + d];
      weights[t] = weights[t] * scale + mask(t);
      largest = std::max(largest, weights[t]);
    }
    if (largest == -INFINITY)
      return out;
    for (int64_t t = begin; t < limit; ++t)
      sum += weights[t] = std::exp(weights[t] - largest);
    for (int64_t t = begin; t < limit; ++t)
      for (int64_t e = 0; e < s.valueSize; ++e)
        out[e] +=
            weights[t] / sum *
            v[((b * s.positions() + t) * s.keyHeads + g) * s.valueSize + e];
    return out;
  }

  struct Variant {
    Scalar element = Scalar::F16;
    bool causal = true, dynamic = true;
    std::optional<std::array<int64_t, 4>> maskShape = {}; // sizes of the array
    bool dynamicMask = false;
    int64_t window = 0;
  };

  void check(const Shape &s, const Variant &variant) {
    SCOPED_TRACE("rows " + std::to_string(s.rows) + ", past " +
                 std::to_string(s.past) + ", heads " + std::to_string(s.heads) +
                 "/" + std::to_string(s.keyHeads));
    AttentionSpec spec{variant.dynamic ? kDynamic : s.batch,
                       variant.dynamic ? kDynamic : s.rows,
                       s.heads,
                       s.keyHeads,
                       s.keySize,
                       s.valueSize,
                       variant.element,
                       0.3f,
                       variant.causal,
                       variant.maskShape,
                       variant.window};
    if (variant.dynamicMask)
      spec.mask->fill(kDynamic);
    Array<float> q = normal({s.batch, s.rows, s.heads, s.keySize});
    Array<float> k = normal({s.batch, s.positions(), s.keyHeads, s.keySize});
    Array<float> v = normal({s.batch, s.positions(), s.keyHeads, s.valueSize});
    Array<char> keys = fill({true, s.keyHeads, s.keySize, variant.element}, k);
    Array<char> values =
        fill({false, s.keyHeads, s.valueSize, variant.element}, v);
    std::vector<int64_t> sizes = {1, 1, 1, 1};
    if (variant.maskShape)
      sizes.assign(variant.maskShape->begin(), variant.maskShape->end());
    Array<float> mask = normal(sizes);
    for (int64_t i = 0; i < mask.count(); i += 3)
      mask[i] = -INFINITY;
    Array<float> out({s.batch, s.rows, s.heads, s.valueSize});
    std::vector<Argument> arguments = {q, keys, values};
    if (spec.mask)
      arguments.push_back(mask);
    arguments.push_back(s.past);
    arguments.push_back(out);
    Kernel kernel(
        [&](mlir::ModuleOp module, const CpuLevel &level) {
          return emitAttention(module, "attention", spec, level);
        },
        level(), scratchBytes(spec, level(), s.positions()));
    for (int64_t threads : {1, 2, 3}) {
      std::fill_n(out.data(), out.count(), NAN);
      kernel(arguments, threads);
      compare(s, variant, spec.scale, q, k, v, mask, out);
    }
  }

  void compare(const Shape &s, const Variant &variant, float scale,
               const Array<float> &q, const Array<float> &k,
               const Array<float> &v, const Array<float> &mask,
               const Array<float> &out) {
    for (int64_t b = 0; b < s.batch; ++b)
      for (int64_t row = 0; row < s.rows; ++row)
        for (int64_t h = 0; h < s.heads; ++h) {
          int64_t place = (b * s.rows + row) * s.heads + h;
          int64_t limit = variant.causal ? s.past + row + 1 : s.positions();
          int64_t begin =
              variant.window ? std::max<int64_t>(0, limit - variant.window) : 0;
          auto maskAt = [&](int64_t t) -> double {
            if (!variant.maskShape)
              return 0;
            int64_t index = 0;
            int64_t where[] = {b, h, row, t};
            for (int i = 0; i < 4; ++i)
              index = index * mask.getShape()[i] +
                      (mask.getShape()[i] == 1 ? 0 : where[i]);
            return mask[index];
          };
          std::vector<double> expected =
              attend(s, q.data() + place * s.keySize, k, v, b,
                     h / (s.heads / s.keyHeads), begin, limit, scale, maskAt);
          for (int64_t e = 0; e < s.valueSize; ++e)
            ASSERT_NEAR(out[place * s.valueSize + e], expected[e], 1e-5)
                << "batch " << b << ", row " << row << ", head " << h;
        }
  }
};

TEST_P(AttentionTest, Decode) {
  for (int64_t past : {0, 1, 15, 16, 40}) {
    check({1, 1, past, 9, 3, 64, 64}, {.dynamic = false});
    check({1, 1, past, 4, 4, 20, 12},
          {.element = Scalar::F32, .dynamic = false});
  }
  check({1, 1, 33, 32, 4, 16, 80}, {.dynamic = false});
}

TEST_P(AttentionTest, Prefill) {
  check({1, 1, 0, 6, 2, 32, 32}, {});
  check({1, 17, 0, 6, 2, 32, 32}, {});
  check({1, 30, 21, 4, 1, 24, 40}, {.element = Scalar::F32});
  check({1, 12, 3, 4, 2, 7, 5}, {});
}

TEST_P(AttentionTest, Window) {
  for (int64_t window : {1, 5, 16, 17, 33, 100})
    for (int64_t past : {0, 15, 40})
      check({1, 1, past, 6, 2, 32, 32}, {.dynamic = false, .window = window});
  // Rows of a block whose windows begin in different blocks of positions.
  for (int64_t window : {1, 9, 16, 30}) {
    check({1, 37, 0, 4, 2, 16, 24}, {.window = window});
    check({1, 30, 21, 4, 1, 24, 40},
          {.element = Scalar::F32, .window = window});
  }
}

TEST_P(AttentionTest, Encoder) {
  check({3, 21, 0, 4, 4, 32, 32}, {.element = Scalar::F32, .causal = false});
  check({2, 5, 0, 4, 4, 8, 16}, {.causal = false, .dynamic = false});
  // More or fewer positions than rows.
  check({2, 5, 9, 4, 2, 8, 16}, {.causal = false});
  check({2, 9, -4, 4, 2, 8, 16}, {.causal = false});
}

TEST_P(AttentionTest, Mask) {
  Shape s{2, 7, 0, 4, 2, 16, 16};
  for (bool dynamicMask : {false, true})
    for (std::array<int64_t, 4> shape : {std::array<int64_t, 4>{2, 1, 1, 7},
                                         {2, 4, 7, 7},
                                         {1, 1, 7, 1},
                                         {1, 4, 1, 7}})
      check(s, {.element = Scalar::F32,
                .causal = false,
                .maskShape = shape,
                .dynamicMask = dynamicMask});
  check({1, 1, 19, 4, 2, 16, 16},
        {.dynamic = false, .maskShape = std::array<int64_t, 4>{1, 1, 1, 20}});
}

LQ_FOR_EVERY_LEVEL(AttentionTest);

} // namespace
