//===- Format.h - what a weight format is -----------------------*- C++ -*-===//
//
// A format is data: its description says how a weight W[n, k] of a matrix with
// N outputs (rows) and K inputs (columns) follows from small codes,
//
//     W[n, k] = scale(n, g) * level(code[n, k]) + offset(n, g),   g = k /
//     group,
//
// and everything that reads or multiplies by the weights is derived from it.
// Quantizers produce planes, codecs turn planes into the bytes of the
// ecosystem and back, and kernel generators read the description. No name of a
// format means anything outside that format's own file.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_DIALECTS_LQ_FORMAT_H
#define LQ_DIALECTS_LQ_FORMAT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <vector>

namespace lq {

/// Types of the numbers a format stores beside its codes, and of the weights
/// themselves in a format without codes.
enum class Scalar { F32, F16, BF16 };

/// Bytes of one number.
int64_t byteWidth(Scalar scalar);
/// "f32", "f16" or "bf16".
llvm::StringRef scalarName(Scalar scalar);

/// How a code stands for a level.
enum class LevelKind {
  /// No code: the weight is stored as a number of type `element`.
  Element,
  /// level = code - zero, code unsigned.
  Integer,
};

/// How round-to-nearest sets a group's scale from its values; each is the rule
/// of the format's reference quantizer.
enum class ScaleRule {
  None,
  /// The largest magnitude maps to the largest level.
  AbsoluteMaximum,
  /// The value of largest magnitude, with its sign, maps to the lowest level.
  SignedMaximum,
};

/// How round-to-nearest turns x / scale into a level.
enum class Rounding {
  /// Halves away from zero.
  HalfAway,
  /// floor(x / scale + zero + 0.5): halves up.
  HalfUp,
};

/// The description of a format (the table at the head of docs/formats.md).
struct FormatDescription {
  LevelKind level = LevelKind::Element;
  /// Element: the type of a weight.
  Scalar element = Scalar::F32;
  /// Integer: bits of a code, 2..8; the code of level 0; columns that share a
  /// scale; the scale's type.
  unsigned bits = 0;
  int zero = 0;
  int64_t group = 1;
  Scalar scale = Scalar::F16;
  ScaleRule scaleRule = ScaleRule::None;
  Rounding rounding = Rounding::HalfAway;

  bool hasCodes() const { return level != LevelKind::Element; }
};

/// Rows of a matrix as plain arrays, row-major. A format without codes uses
/// `values` alone; one with codes uses `codes` and `scales`.
struct Planes {
  int64_t rows = 0, columns = 0;
  std::vector<float> values;  // [rows, columns]
  std::vector<uint8_t> codes; // [rows, columns]
  std::vector<float> scales;  // [rows, columns / group], exact in `scale`

  /// Sizes the arrays for `rows` x `columns` of the format.
  void resize(const FormatDescription &format, int64_t rows, int64_t columns);
};

/// Weights [rows, columns] that the planes stand for.
void dequantize(const FormatDescription &format, const Planes &planes,
                llvm::MutableArrayRef<float> weights);

} // namespace lq

#endif // LQ_DIALECTS_LQ_FORMAT_H
