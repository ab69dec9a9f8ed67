//===- Packing.h - words of quantized matrices, to be written ---*- C++ -*-===//

#ifndef LQ_PASSES_CHECKPOINT_PACKING_H
#define LQ_PASSES_CHECKPOINT_PACKING_H

#include "dialects/lq/Format.h"
#include "passes/checkpoint/QuantizationConfig.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace lq::checkpoint {

/// A tensor of a module: its name behind the module's, type as safetensors name
/// it, shape and bytes.
struct PackedTensor {
  std::string suffix, type;
  std::vector<uint64_t> shape;
  std::string bytes;
};

/// Why a matrix of this format cannot be written for the library; empty if it
/// can.
std::string checkPackable(PackingMethod method, const FormatDescription &format,
                          int64_t rows, int64_t columns);

/// The tensors of a matrix of a format that checkPackable accepts. GPTQ's are
/// those of "gptq" without zero points, of "gptq_v2" with them. Column j of the
/// planes is column order[j] of the model, j if `order` is empty. An error if a
/// scale is no f16 where the library has no other, or if the library has no
/// orders.
llvm::Expected<std::vector<PackedTensor>>
packMatrix(PackingMethod method, const FormatDescription &format,
           const Planes &planes, llvm::ArrayRef<int32_t> order = {});

} // namespace lq::checkpoint

#endif // LQ_PASSES_CHECKPOINT_PACKING_H
