//===- NBits.cpp - matrices as com.microsoft.MatMulNBits has them ---------===//

#include "passes/checkpoint/NBits.h"
#include "dialects/lq/Scalars.h"
#include "dialects/lq/formats/RowStorage.h"

#include "llvm/Support/MathExtras.h"

using namespace lq;
using namespace lq::checkpoint;

/// ONNX Runtime 1.32 takes no 2-bit blocks of more columns, and has fast kernels
/// up to here for the others.
static constexpr int64_t kLargestBlock = 256;
static constexpr int64_t kSmallestBlock = 16;

/// Columns of a block that serves groups of `group` columns; 0: none does.
static int64_t chooseBlock(int64_t group, bool isRow) {
  int64_t block = std::min(group & -group, kLargestBlock);
  if (block >= kSmallestBlock)
    return block;
  // A whole row may be one block with columns to spare.
  int64_t wider = std::max(
      static_cast<int64_t>(llvm::PowerOf2Ceil(static_cast<uint64_t>(group))),
      kSmallestBlock);
  return isRow ? std::min(wider, kLargestBlock) : 0;
}

std::string checkpoint::shapeAsNBits(const FormatDescription &format,
                                     int64_t rows, int64_t columns,
                                     NBitsShape &shape) {
  if (!hasIntegerGroups(format))
    return "it is not integer codes with a scale and a zero point a group";
  if (format.bits != 2 && format.bits != 4 && format.bits != 8)
    return "MatMulNBits has codes of 2, 4 and 8 bits, not of " +
           std::to_string(format.bits);
  int64_t group = format.groupColumns(columns);
  int64_t block = chooseBlock(group, group >= columns);
  if (block == 0)
    return "MatMulNBits has blocks of a power of two from 16 on, and " +
           std::to_string(group) + " columns are no multiple of that";
  shape = {rows, columns, format.bits, block,
           llvm::divideCeilSigned(columns, block)};
  return "";
}

/// The group that a block's numbers are from.
static int64_t groupOf(const NBitsShape &shape, const FormatDescription &format,
                       int64_t block) {
  return block * shape.block / format.groupColumns(shape.columns);
}

std::vector<char> checkpoint::nbitsCodes(const NBitsShape &shape,
                                         const Planes &planes) {
  int64_t rowBytes = shape.blocks * shape.codeBytes();
  std::vector<char> bytes(shape.rows * rowBytes);
  for (int64_t n = 0; n < shape.rows; ++n)
    for (int64_t k = 0; k < shape.columns; ++k)
      storeBits(bytes.data() + n * rowBytes, k * shape.bits, shape.bits,
                planes.codes[n * shape.columns + k]);
  return bytes;
}

std::vector<char> checkpoint::nbitsScales(const NBitsShape &shape,
                                          const FormatDescription &format,
                                          const Planes &planes,
                                          Scalar scaleType) {
  int64_t groups = format.groupCount(shape.columns);
  int64_t width = byteWidth(scaleType);
  std::vector<char> bytes(shape.rows * shape.blocks * width);
  for (int64_t n = 0; n < shape.rows; ++n)
    for (int64_t b = 0; b < shape.blocks; ++b)
      storeScalar(scaleType,
                  planes.scale.numbers[n * groups + groupOf(shape, format, b)],
                  bytes.data() + (n * shape.blocks + b) * width);
  return bytes;
}

std::vector<char> checkpoint::nbitsZeroPoints(const NBitsShape &shape,
                                              const FormatDescription &format,
                                              const Planes &planes) {
  int64_t groups = format.groupCount(shape.columns);
  std::vector<char> bytes(shape.rows * shape.zeroBytes());
  for (int64_t n = 0; n < shape.rows; ++n)
    for (int64_t b = 0; b < shape.blocks; ++b)
      storeBits(bytes.data() + n * shape.zeroBytes(), b * shape.bits,
                shape.bits,
                planes.offset.integers[n * groups + groupOf(shape, format, b)]);
  return bytes;
}
