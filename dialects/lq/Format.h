//===- Format.h - what a weight format is -----------------------*- C++ -*-===//
//
// A format is data: its description says how a weight W[n, k] of a matrix with
// N outputs (rows) and K inputs (columns) follows from small codes,
//
//     W[n, k] = scale(n, g) * level(code[n, k]) + offset(n, g)
//
// with g the group of column k, and everything that reads or multiplies by the
// weights is derived from it. Quantizers produce planes, codecs turn planes
// into the bytes of the ecosystem and back, and kernel generators read the
// description. No name of a format means anything outside that format's own
// file.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_DIALECTS_LQ_FORMAT_H
#define LQ_DIALECTS_LQ_FORMAT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <vector>

namespace lq {

/// Types of the numbers a format stores beside its codes, and of the weights
/// themselves in a format without codes. E8M0 is a byte e for 2^(e - 127).
enum class Scalar { F32, F16, BF16, E8M0 };

/// Bytes of one number.
int64_t byteWidth(Scalar scalar);
/// "f32", "f16", "bf16" or "e8m0".
llvm::StringRef scalarName(Scalar scalar);

/// How a code stands for a level.
enum class LevelKind {
  /// No code: the weight is stored as a number of type `element`.
  Element,
  /// level = code - zero, code unsigned.
  Integer,
  /// level = levels[code].
  Table,
};

/// A number for each group: its scale, or its offset.
struct GroupNumber {
  enum class Kind {
    /// There is none.
    None,
    /// A number of type `type` for each group.
    Direct,
    /// factor * (integer - zero): a factor of type `type` for each super-group,
    /// an unsigned integer of `bits` bits for each group.
    Product,
    /// -scale * integer: an unsigned integer of `bits` bits for each group, in
    /// units of the group's scale. For offsets alone.
    ZeroPoint,
    /// factor * ((integer + 1) / 2^bits)^2, so that the highest integer stands
    /// for the factor: a factor of type `type` for each super-group, the same in
    /// every row, an unsigned integer of `bits` bits for each group.
    Square,
  };
  Kind kind = Kind::None;
  Scalar type = Scalar::F16;
  unsigned bits = 0;
  int zero = 0;

  bool exists() const { return kind != Kind::None; }
  /// A factor for each super-group, an integer for each group.
  bool hasFactors() const {
    return kind == Kind::Product || kind == Kind::Square;
  }
  bool hasNumbers() const { return kind == Kind::Direct || hasFactors(); }
  bool hasIntegers() const { return hasFactors() || kind == Kind::ZeroPoint; }
  /// Whether the factors are the same in every row.
  bool isShared() const { return kind == Kind::Square; }
  /// Product, Square: the number of a group in units of its factor.
  float multipleOf(uint8_t integer) const;
};

constexpr GroupNumber directNumber(Scalar type) {
  return {GroupNumber::Kind::Direct, type};
}
constexpr GroupNumber productNumber(Scalar factor, unsigned bits,
                                    int zero = 0) {
  return {GroupNumber::Kind::Product, factor, bits, zero};
}
constexpr GroupNumber squareNumber(Scalar factor, unsigned bits) {
  return {GroupNumber::Kind::Square, factor, bits};
}
constexpr GroupNumber zeroPointNumber(unsigned bits) {
  return {GroupNumber::Kind::ZeroPoint, Scalar::F16, bits};
}

/// How rounding to nearest sets a group's numbers from its values; each but
/// the last is the rule of a reference quantizer.
enum class ScaleRule {
  None,
  /// The largest magnitude maps to the largest level.
  AbsoluteMaximum,
  /// The value of largest magnitude, with its sign, maps to the lowest level.
  SignedMaximum,
  /// The least value maps to level 0, the largest to the highest.
  MinimumMaximum,
  /// The power of two below the largest magnitude maps to that of the largest
  /// level.
  PowerOfTwo,
  /// Numbers and codes are searched for the least squared error.
  Search,
};

/// How rounding to nearest turns x / scale into a level.
enum class Rounding {
  /// Halves away from zero.
  HalfAway,
  /// floor(x / scale + zero + 0.5): halves up.
  HalfUp,
};

/// Columns with as many bits a code and as many columns a group each, where
/// these change along K.
struct ColumnRun {
  int64_t columns = 0;
  unsigned bits = 0;
  /// A last group may be shorter.
  int64_t group = 0;

  bool operator==(const ColumnRun &) const = default;
};
// LLVM finds it by this name. NOLINTNEXTLINE(readability-identifier-naming)
inline llvm::hash_code hash_value(const ColumnRun &run) {
  return llvm::hash_combine(run.columns, run.bits, run.group);
}

struct FormatRun;

/// The description of a format (the table at the head of docs/formats.md).
struct FormatDescription {
  LevelKind level = LevelKind::Element;
  /// Element: the type of a weight.
  Scalar element = Scalar::F32;
  /// Bits of a code, 2..8.
  unsigned bits = 0;
  /// Integer: the code of level 0.
  int zero = 0;
  /// Table: 2^bits levels, which live as long as the program.
  llvm::ArrayRef<float> levels = {};
  /// Columns that share a scale and an offset; `wholeRow`: all of them. A last
  /// group may be shorter.
  int64_t group = 1;
  /// Product, Square: columns that share a factor, a multiple of the group.
  int64_t superGroup = 0;
  GroupNumber scale = {};
  GroupNumber offset = {};
  ScaleRule scaleRule = ScaleRule::None;
  Rounding rounding = Rounding::HalfAway;
  /// Where bits and groups change along K: the runs that make up the columns,
  /// which live as long as the program or the context. In a run codes have its
  /// bits, the zero is half of their range, and groups are super-groups too.
  /// `bits` above is then the most of any run. Empty: all columns are alike.
  llvm::ArrayRef<ColumnRun> runs = {};

  static constexpr int64_t wholeRow = 0;

  bool hasCodes() const { return level != LevelKind::Element; }
  /// Of a description without runs.
  int64_t groupColumns(int64_t columns) const {
    return group == wholeRow ? columns : group;
  }
  /// The parts of a row of `columns` whose columns are alike, in order; one
  /// where there are no runs.
  llvm::SmallVector<FormatRun, 1> splitColumns(int64_t columns) const;
  /// Groups and super-groups of a row.
  int64_t groupCount(int64_t columns) const;
  int64_t superGroupCount(int64_t columns) const;
  float levelOf(uint8_t code) const {
    return level == LevelKind::Table ? levels[code]
                                     : static_cast<float>(code - zero);
  }
};

/// Whether weights are integer codes with a scale a group, and with a zero point a
/// group or else half of the codes' range for 0: what most software has.
bool hasIntegerGroups(const FormatDescription &format);

/// Columns of a row in which a description without runs holds.
struct FormatRun {
  FormatDescription format;
  int64_t firstColumn = 0, columns = 0;
  int64_t firstGroup = 0, firstSuperGroup = 0;

  int64_t groupCount() const { return format.groupCount(columns); }
  int64_t superGroupCount() const { return format.superGroupCount(columns); }
  int64_t groupColumns() const { return format.groupColumns(columns); }
};

/// The scales or offsets of a matrix, row-major.
struct GroupPlane {
  /// Direct: [rows, groups]. Product, Square: the factors [rows, superGroups].
  /// Exact in the number's type.
  std::vector<float> numbers;
  /// Product, Square, ZeroPoint: [rows, groups].
  std::vector<uint8_t> integers;

  bool operator==(const GroupPlane &) const = default;
};

/// Rows of a matrix as plain arrays, row-major. A format without codes uses
/// `values` alone; one with codes the others.
struct Planes {
  int64_t rows = 0, columns = 0;
  std::vector<float> values;  // [rows, columns]
  std::vector<uint8_t> codes; // [rows, columns]
  GroupPlane scale, offset;

  /// Sizes the arrays for `rows` x `columns` of the format.
  void resize(const FormatDescription &format, int64_t rows, int64_t columns);
};

/// Scale and offset of group `group` of row `row`, counted in the whole row, in
/// f32.
float scaleAt(const FormatDescription &format, const Planes &planes,
              int64_t row, int64_t group);
float offsetAt(const FormatDescription &format, const Planes &planes,
               int64_t row, int64_t group);

/// Weights [rows, columns] that the planes stand for.
void dequantize(const FormatDescription &format, const Planes &planes,
                llvm::MutableArrayRef<float> weights);

} // namespace lq

#endif // LQ_DIALECTS_LQ_FORMAT_H
