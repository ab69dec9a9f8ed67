//===- QuantizedRows.h - what activations are made of -----------*- C++ -*-===//

#ifndef LQ_LOWERING_CPU_QUANTIZEDROWS_H
#define LQ_LOWERING_CPU_QUANTIZEDROWS_H

#include "dialects/lq/LqOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/StringMap.h"

namespace lq::cpu {

/// What an lq.quantize_rows reads. Where nothing else reads its operand, and
/// this is a norm or a function of elements, the kernel that quantizes makes it
/// from the operands of that, and it never lies in memory.
class QuantizedRows {
public:
  explicit QuantizedRows(QuantizeRowsOp op);

  /// The tensors that are read row by row, all of the operand's shape.
  mlir::ValueRange rows() const { return operands; }
  /// The lq.rms_norm or lq.layer_norm of rows().front(), or null.
  mlir::Operation *norm() const { return normOp; }
  /// The function of the elements of rows(), or null.
  mlir::linalg::GenericOp function() const { return generic; }

  /// Whether a quantizing kernel makes the result of an operation.
  static bool isMadeInKernel(mlir::Operation *op);

private:
  mlir::SmallVector<mlir::Value> operands;
  mlir::Operation *normOp = nullptr;
  mlir::linalg::GenericOp generic;
};

/// Numbers for functions of elements: equal ones have the same.
class ElementFunctions {
public:
  size_t number(mlir::linalg::GenericOp function);

private:
  llvm::StringMap<size_t> byText;
};

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_QUANTIZEDROWS_H
