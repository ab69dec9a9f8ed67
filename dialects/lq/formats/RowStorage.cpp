//===- RowStorage.cpp - storage that follows from a description -----------===//

#include "dialects/lq/formats/RowStorage.h"
#include "dialects/lq/Scalars.h"

#include "llvm/Support/MathExtras.h"

using namespace lq;

static int64_t streamBytes(int64_t count, unsigned bits) {
  return llvm::divideCeilSigned(count * bits, 8);
}

/// How many numbers a row has in the plane.
static int64_t numberCount(const FormatDescription &format,
                           const GroupNumber &number, int64_t columns) {
  if (!number.hasNumbers())
    return 0;
  return number.hasFactors() ? format.superGroupCount(columns)
                             : format.groupCount(columns);
}

static int64_t planeBytes(const FormatDescription &format,
                          const GroupNumber &number, int64_t columns) {
  int64_t bytes = numberCount(format, number, columns) * byteWidth(number.type);
  if (number.hasIntegers())
    bytes += streamBytes(format.groupCount(columns), number.bits);
  return bytes;
}

int64_t lq::getStoredRowBytes(const FormatDescription &format,
                              int64_t columns) {
  int64_t bytes = planeBytes(format, format.scale, columns) +
                  planeBytes(format, format.offset, columns);
  for (const FormatRun &run : format.splitColumns(columns))
    bytes += streamBytes(run.columns, run.format.bits);
  return bytes;
}

/// Reads `count` fields and returns where the next part begins.
static const char *readStream(const char *stream, int64_t count, unsigned bits,
                              uint8_t *values) {
  for (int64_t i = 0; i < count; ++i)
    values[i] = static_cast<uint8_t>(loadBits(stream, i * bits, bits));
  return stream + streamBytes(count, bits);
}

static char *writeStream(char *stream, int64_t count, unsigned bits,
                         const uint8_t *values) {
  int64_t bytes = streamBytes(count, bits);
  std::memset(stream, 0, bytes);
  for (int64_t i = 0; i < count; ++i)
    storeBits(stream, i * bits, bits, values[i]);
  return stream + bytes;
}

static const char *readPlane(const FormatDescription &format,
                             const GroupNumber &number, int64_t row,
                             int64_t columns, const char *source,
                             GroupPlane &plane) {
  int64_t count = numberCount(format, number, columns);
  for (int64_t i = 0; i < count; ++i, source += byteWidth(number.type))
    plane.numbers[row * count + i] = loadScalar(number.type, source);
  int64_t groups = format.groupCount(columns);
  if (number.hasIntegers())
    source = readStream(source, groups, number.bits,
                        plane.integers.data() + row * groups);
  return source;
}

static char *writePlane(const FormatDescription &format,
                        const GroupNumber &number, int64_t row, int64_t columns,
                        const GroupPlane &plane, char *target) {
  int64_t count = numberCount(format, number, columns);
  for (int64_t i = 0; i < count; ++i, target += byteWidth(number.type))
    storeScalar(number.type, plane.numbers[row * count + i], target);
  int64_t groups = format.groupCount(columns);
  if (number.hasIntegers())
    target = writeStream(target, groups, number.bits,
                         plane.integers.data() + row * groups);
  return target;
}

void lq::decodeStoredRows(const FormatDescription &format,
                          llvm::ArrayRef<char> storage, Planes &planes) {
  int64_t rowBytes = getStoredRowBytes(format, planes.columns);
  auto runs = format.splitColumns(planes.columns);
  for (int64_t row = 0; row < planes.rows; ++row) {
    const char *source = storage.data() + row * rowBytes;
    for (const FormatRun &run : runs)
      source = readStream(source, run.columns, run.format.bits,
                          planes.codes.data() + row * planes.columns +
                              run.firstColumn);
    source = readPlane(format, format.scale, row, planes.columns, source,
                       planes.scale);
    readPlane(format, format.offset, row, planes.columns, source,
              planes.offset);
  }
}

void lq::encodeStoredRows(const FormatDescription &format, const Planes &planes,
                          llvm::MutableArrayRef<char> storage) {
  int64_t rowBytes = getStoredRowBytes(format, planes.columns);
  auto runs = format.splitColumns(planes.columns);
  for (int64_t row = 0; row < planes.rows; ++row) {
    char *target = storage.data() + row * rowBytes;
    for (const FormatRun &run : runs)
      target = writeStream(target, run.columns, run.format.bits,
                           planes.codes.data() + row * planes.columns +
                               run.firstColumn);
    target = writePlane(format, format.scale, row, planes.columns, planes.scale,
                        target);
    writePlane(format, format.offset, row, planes.columns, planes.offset,
               target);
  }
}
