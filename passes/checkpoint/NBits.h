//===- NBits.h - matrices as com.microsoft.MatMulNBits has them -*- C++ -*-===//
//
// The operator multiplies by a matrix [N, K] of integer codes of 2, 4 or 8 bits
// in blocks along K, each with a scale and perhaps a zero point:
//
//   B            uint8 [N, blocks, block * bits / 8], codes low bits first
//   scales       [N, blocks], of the type of the activations
//   zero_points  uint8 [N, ceil(blocks * bits / 8)]; without: half of the range
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_CHECKPOINT_NBITS_H
#define LQ_PASSES_CHECKPOINT_NBITS_H

#include "dialects/lq/Format.h"
#include <string>
#include <vector>

namespace lq::checkpoint {

/// The sizes of a matrix in the operator's form.
struct NBitsShape {
  int64_t rows = 0, columns = 0;
  unsigned bits = 0;
  /// Columns of a block, and blocks of a row. Where the format's groups are no
  /// blocks that the operator has, several blocks share a group's numbers.
  int64_t block = 0, blocks = 0;

  int64_t codeBytes() const { return block * bits / 8; }
  int64_t zeroBytes() const { return (blocks * bits + 7) / 8; }
};

/// Why the operator cannot hold a matrix of this format; empty if it can, and
/// `shape` is filled in.
std::string shapeAsNBits(const FormatDescription &format, int64_t rows,
                         int64_t columns, NBitsShape &shape);

/// The operator's inputs, as raw bytes. Scales must be exact in `scaleType`;
/// zeroPoints is for a format that has them.
std::vector<char> nbitsCodes(const NBitsShape &shape, const Planes &planes);
std::vector<char> nbitsScales(const NBitsShape &shape,
                              const FormatDescription &format,
                              const Planes &planes, Scalar scaleType);
std::vector<char> nbitsZeroPoints(const NBitsShape &shape,
                                  const FormatDescription &format,
                                  const Planes &planes);

} // namespace lq::checkpoint

#endif // LQ_PASSES_CHECKPOINT_NBITS_H
