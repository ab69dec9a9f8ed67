//===- Format.cpp - planes ------------------------------------------------===//

#include "dialects/lq/Format.h"

using namespace lq;

int64_t lq::byteWidth(Scalar scalar) { return scalar == Scalar::F32 ? 4 : 2; }

llvm::StringRef lq::scalarName(Scalar scalar) {
  switch (scalar) {
  case Scalar::F32:
    return "f32";
  case Scalar::F16:
    return "f16";
  case Scalar::BF16:
    return "bf16";
  }
  llvm_unreachable("not a scalar type");
}

void Planes::resize(const FormatDescription &format, int64_t newRows,
                    int64_t newColumns) {
  rows = newRows;
  columns = newColumns;
  values.resize(format.hasCodes() ? 0 : rows * columns);
  codes.resize(format.hasCodes() ? rows * columns : 0);
  scales.resize(format.hasCodes() ? rows * columns / format.group : 0);
}

void lq::dequantize(const FormatDescription &format, const Planes &planes,
                    llvm::MutableArrayRef<float> weights) {
  if (!format.hasCodes()) {
    llvm::copy(planes.values, weights.begin());
    return;
  }
  // The group divides the columns, so groups follow each other across rows.
  for (size_t group = 0; group < planes.scales.size(); ++group) {
    float scale = planes.scales[group];
    int64_t first = static_cast<int64_t>(group) * format.group;
    for (int64_t i = first; i < first + format.group; ++i)
      weights[i] = scale * static_cast<float>(planes.codes[i] - format.zero);
  }
}
