//===- Packed.h - quantized matrices of Hugging Face checkpoints -*- C++ -*-===//
//
// A quantized matrix of a module is several tensors: its codes in 32-bit words,
// its scales, and mostly its zero points, packed too. Each library lays them
// out its own way; all give the same planes.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_CHECKPOINT_PACKED_H
#define LQ_PASSES_CHECKPOINT_PACKED_H

#include "passes/checkpoint/Checkpoint.h"
#include "passes/checkpoint/QuantizationConfig.h"
#include "runtime/Safetensors.h"

namespace lq::checkpoint {

/// The tensors of a module, by their name behind the module's.
using ModuleTensors = llvm::StringMap<const SafetensorsTensor *>;

/// A matrix [rows, columns] of codes that can be read row by row.
class PackedMatrix {
public:
  virtual ~PackedMatrix() = default;
  /// Fills planes of format() with rows [first, first + planes.rows).
  virtual void read(int64_t first, Planes &planes) const = 0;

  int64_t rows = 0, columns = 0, group = 0, groups = 0;
  unsigned bits = 0;
  Scalar scaleType = Scalar::F16;
  /// Whether a zero point is not half of the range of the codes.
  bool hasZeroPoints = false;
  /// Where bits change along K; then `bits`, `group` and the two above mean
  /// nothing.
  llvm::SmallVector<ColumnRun> runs;
  /// Column j of the planes is column order[j] of the weight; empty if they are
  /// the same.
  std::vector<int32_t> order;
  /// The last rows may stand for no outputs.
  bool hasPaddedRows = false;

  FormatAttrInterface format(mlir::MLIRContext &context) const {
    return runs.empty() ? getUniformFormat(context, bits, group, scaleType,
                                           hasZeroPoints)
                        : getMixedBitsFormat(context, runs);
  }
};

/// Checks the tensors of `module` against each other and the configuration.
/// They must outlive the result.
llvm::Expected<std::unique_ptr<PackedMatrix>>
openPacked(const QuantizationConfig &config, llvm::StringRef module,
           const ModuleTensors &tensors);

/// The suffixes of tensors that make up a quantized matrix of the method, the
/// one that holds its codes first.
llvm::ArrayRef<llvm::StringLiteral> packedSuffixes(PackingMethod method);

} // namespace lq::checkpoint

#endif // LQ_PASSES_CHECKPOINT_PACKED_H
