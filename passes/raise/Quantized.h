//===- Quantized.h - matrices that a graph holds quantized ------*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_QUANTIZED_H
#define LQ_PASSES_RAISE_QUANTIZED_H

#include "passes/raise/match/Graph.h"

namespace lq::raise {

/// A constant matrix [rows, columns] of integer codes with a scale and perhaps a
/// zero point for each group of columns, as ONNX's operators define it.
struct QuantizedMatrix {
  int64_t rows = 0, columns = 0;
  /// Columns of a group; 0: whole rows.
  int64_t group = 0;
  unsigned bits = 0;
  /// Codes are two's complement.
  bool isSigned = false;
  /// Constants; zeroPoints may be null.
  mlir::Value codes, scales, zeroPoints;
  /// What stands for zero where there are no zero points, before the sign.
  int absentZero = 0;

  /// Code [n, k] is element n * codeRow + k * codeColumn of `codes`, elements of
  /// `bits` bits packed low bits first; likewise the scale of group g, and the
  /// zero point, which has `bits` bits too or is a float.
  struct Strides {
    int64_t row = 0, column = 0;
  };
  Strides code, scale, zeroPoint;
};

/// The product of com.microsoft.MatMulNBits: its matrix [N, K]. Nothing if it is
/// another node or has what no kernel computes.
std::optional<QuantizedMatrix> findMatMulNBits(const Graph &graph,
                                               onnx::NodeOp node);

inline bool isMatMulNBits(onnx::NodeOp node) {
  return node.is("com.microsoft", "MatMulNBits");
}

/// Why findMatMulNBits gives nothing for a MatMulNBits: what contradicts what, or
/// what no kernel computes. Empty if it gives a matrix.
std::string explainMatMulNBits(const Graph &graph, onnx::NodeOp node);

/// The matrix that `constant`, or its transpose if `transposed`, is
/// dequantized from by DequantizeLinear, through casts and transposes.
std::optional<QuantizedMatrix>
findDequantized(const Graph &graph, mlir::Value constant, bool transposed);

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_QUANTIZED_H
