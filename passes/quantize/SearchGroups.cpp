//===- SearchGroups.cpp - eight groups of weights at a time ---------------===//

#include "passes/quantize/SearchGroups.h"

using namespace lq;
using namespace lq::search;

void GroupBatch::clear(int64_t columns) {
  x.assign(columns, Lanes{});
  w.assign(columns, Lanes{});
}

void GroupBatch::setLane(int lane, llvm::ArrayRef<float> weights,
                         llvm::ArrayRef<float> importance, float unit) {
  float inverse = 1 / unit;
  for (size_t i = 0; i < x.size(); ++i) {
    bool inside = i < weights.size();
    // A shorter group is filled up with a value that moves no extreme.
    x[i][lane] = weights[inside ? i : 0] * inverse;
    w[i][lane] = !inside ? 0.0f : importance.empty() ? 1.0f : importance[i];
  }
}

void GroupBatch::finish() {
  least = largest = x.empty() ? Lanes{} : x[0];
  count = sum = square = Lanes{};
  for (size_t i = 0; i < x.size(); ++i) {
    least = min(least, x[i]);
    largest = max(largest, x[i]);
    count += w[i];
    sum += w[i] * x[i];
    square += w[i] * x[i] * x[i];
  }
}
