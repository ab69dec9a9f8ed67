//===- Hqq.h - half-quadratic quantization ----------------------*- C++ -*-===//

#ifndef HQQ_PLUGIN_HQQ_H
#define HQQ_PLUGIN_HQQ_H

#include "dialects/lq/Format.h"

namespace hqq {

struct Options {
  /// The exponent p of the error sum |w - w'|^p; below 1 a few large errors
  /// count little beside many small ones.
  float norm = 0.7f;
  int iterations = 20;
};

/// Whether a group of the format has what is searched for, an offset.
bool isSupported(const lq::FormatDescription &format);

/// Fills `planes`, sized for the format, from weights [planes.rows,
/// planes.columns]: scales as rounding to nearest sets them, offsets and codes
/// of a smaller sum |w - w'|^p in every group where one is found (Badri and
/// Shaji, "Half-Quadratic Quantization of Large Machine Learning Models", 2023).
void quantize(const lq::FormatDescription &format,
              llvm::ArrayRef<float> weights, const Options &options,
              lq::Planes &planes);

} // namespace hqq

#endif // HQQ_PLUGIN_HQQ_H
