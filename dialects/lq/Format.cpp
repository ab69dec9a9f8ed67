//===- Format.cpp - planes ------------------------------------------------===//

#include "dialects/lq/Format.h"

#include "llvm/Support/MathExtras.h"

using namespace lq;

int64_t lq::byteWidth(Scalar scalar) {
  switch (scalar) {
  case Scalar::F32:
    return 4;
  case Scalar::F16:
  case Scalar::BF16:
    return 2;
  case Scalar::E8M0:
    return 1;
  }
  llvm_unreachable("not a scalar type");
}

llvm::StringRef lq::scalarName(Scalar scalar) {
  switch (scalar) {
  case Scalar::F32:
    return "f32";
  case Scalar::F16:
    return "f16";
  case Scalar::BF16:
    return "bf16";
  case Scalar::E8M0:
    return "e8m0";
  }
  llvm_unreachable("not a scalar type");
}

float GroupNumber::multipleOf(uint8_t integer) const {
  if (kind == Kind::Product)
    return static_cast<float>(integer - zero);
  float root = static_cast<float>(integer + 1) / static_cast<float>(1 << bits);
  return root * root;
}

llvm::SmallVector<FormatRun, 1>
FormatDescription::splitColumns(int64_t columns) const {
  if (runs.empty())
    return {{*this, 0, columns, 0, 0}};
  llvm::SmallVector<FormatRun, 1> parts;
  FormatRun next{*this};
  next.format.runs = {};
  for (const ColumnRun &run : runs) {
    next.columns = run.columns;
    next.format.bits = run.bits;
    next.format.zero = 1 << (run.bits - 1);
    next.format.group = next.format.superGroup = run.group;
    parts.push_back(next);
    next.firstColumn += next.columns;
    next.firstGroup += next.groupCount();
    next.firstSuperGroup += next.superGroupCount();
  }
  return parts;
}

int64_t FormatDescription::groupCount(int64_t columns) const {
  if (!runs.empty()) {
    FormatRun last = splitColumns(columns).back();
    return last.firstGroup + last.groupCount();
  }
  return columns == 0 ? 0
                      : llvm::divideCeilSigned(columns, groupColumns(columns));
}

int64_t FormatDescription::superGroupCount(int64_t columns) const {
  if (!runs.empty())
    return groupCount(columns);
  return superGroup == 0 ? 0 : llvm::divideCeilSigned(columns, superGroup);
}

static void resizePlane(const FormatDescription &format,
                        const GroupNumber &number, int64_t rows,
                        int64_t columns, GroupPlane &plane) {
  int64_t groups = rows * format.groupCount(columns);
  int64_t numbers =
      number.hasFactors() ? rows * format.superGroupCount(columns) : groups;
  plane.numbers.resize(number.hasNumbers() ? numbers : 0);
  plane.integers.resize(number.hasIntegers() ? groups : 0);
}

bool lq::hasIntegerGroups(const FormatDescription &format) {
  bool zeroPoints = format.offset.kind == GroupNumber::Kind::ZeroPoint;
  return format.level == LevelKind::Integer &&
         format.scale.kind == GroupNumber::Kind::Direct &&
         (!format.offset.exists() || zeroPoints) &&
         format.zero == (zeroPoints ? 0 : 1 << (format.bits - 1)) &&
         (!zeroPoints || format.offset.bits == format.bits);
}

void Planes::resize(const FormatDescription &format, int64_t newRows,
                    int64_t newColumns) {
  rows = newRows;
  columns = newColumns;
  values.resize(format.hasCodes() ? 0 : rows * columns);
  codes.resize(format.hasCodes() ? rows * columns : 0);
  resizePlane(format, format.scale, rows, columns, scale);
  resizePlane(format, format.offset, rows, columns, offset);
}

/// The number of a group, but for zero points.
static float numberAt(const FormatDescription &format,
                      const GroupNumber &number, const GroupPlane &plane,
                      int64_t columns, int64_t row, int64_t group) {
  int64_t at = row * format.groupCount(columns) + group;
  if (number.kind == GroupNumber::Kind::Direct)
    return plane.numbers[at];
  int64_t super =
      format.runs.empty() ? group * format.group / format.superGroup : group;
  return plane.numbers[row * format.superGroupCount(columns) + super] *
         number.multipleOf(plane.integers[at]);
}

float lq::scaleAt(const FormatDescription &format, const Planes &planes,
                  int64_t row, int64_t group) {
  return numberAt(format, format.scale, planes.scale, planes.columns, row,
                  group);
}

float lq::offsetAt(const FormatDescription &format, const Planes &planes,
                   int64_t row, int64_t group) {
  if (!format.offset.exists())
    return 0;
  if (format.offset.kind != GroupNumber::Kind::ZeroPoint)
    return numberAt(format, format.offset, planes.offset, planes.columns, row,
                    group);
  int64_t at = row * format.groupCount(planes.columns) + group;
  return -scaleAt(format, planes, row, group) *
         static_cast<float>(planes.offset.integers[at]);
}

/// scale * (code - zero point) is one product in the reference formats.
static float zeroPointAt(const FormatDescription &format, const Planes &planes,
                         int64_t row, int64_t group) {
  if (format.offset.kind != GroupNumber::Kind::ZeroPoint)
    return 0;
  return planes.offset
      .integers[row * format.groupCount(planes.columns) + group];
}

/// Weights of a run of columns of a row.
static void dequantizeRun(const FormatDescription &whole, const FormatRun &run,
                          const Planes &planes, int64_t row, float *weights) {
  const FormatDescription &format = run.format;
  const uint8_t *codes =
      planes.codes.data() + row * planes.columns + run.firstColumn;
  int64_t size = run.groupColumns();
  bool hasOffset = format.offset.hasNumbers();
  for (int64_t first = 0; first < run.columns; first += size) {
    int64_t group = run.firstGroup + first / size;
    float scale = scaleAt(whole, planes, row, group);
    float zeroPoint = zeroPointAt(whole, planes, row, group);
    float offset = hasOffset ? offsetAt(whole, planes, row, group) : 0;
    int64_t last = std::min(first + size, run.columns);
    for (int64_t k = first; k < last; ++k) {
      float weight = scale * (format.levelOf(codes[k]) - zeroPoint);
      weights[k] = hasOffset ? weight + offset : weight;
    }
  }
}

void lq::dequantize(const FormatDescription &format, const Planes &planes,
                    llvm::MutableArrayRef<float> weights) {
  if (!format.hasCodes()) {
    llvm::copy(planes.values, weights.begin());
    return;
  }
  for (const FormatRun &run : format.splitColumns(planes.columns))
    for (int64_t row = 0; row < planes.rows; ++row)
      dequantizeRun(format, run, planes, row,
                    weights.data() + row * planes.columns + run.firstColumn);
}
