//===- Scalars.h - Arithmetic on single elements ----------------*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_GENERAL_SCALARS_H
#define LQ_PASSES_RAISE_GENERAL_SCALARS_H

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "passes/raise/eval/HostTensor.h"

namespace lq::general {

/// Order of two numbers.
enum class Order { Equal, Less, LessOrEqual, Greater, GreaterOrEqual };

/// Builds the arithmetic on elements of one kind. 16-bit floats are computed
/// in f32, which is the type that values of these kinds have here; the others
/// have the signless builtin type.
class Scalars {
public:
  Scalars(mlir::OpBuilder &builder, mlir::Location loc, ElementKind kind)
      : b(loc, builder), kind(kind) {}

  mlir::ImplicitLocOpBuilder b;
  /// What the elements are that the functions below work on.
  ElementKind kind;

  bool isFloat() const { return lq::isFloat(kind); }
  bool isUnsigned() const { return lq::isUnsigned(kind); }
  /// The type that values of a kind have here.
  static mlir::Type computeType(ElementKind kind, mlir::MLIRContext *context);

  mlir::Value constant(double value) { return constant(kind, value); }
  mlir::Value constant(ElementKind kind, double value);
  mlir::Value integer(int64_t value);
  mlir::Value truth(bool value);

  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  /// Integers truncate. Dividing an integer by zero gives zero: the machine's
  /// own division would stop the program.
  mlir::Value div(mlir::Value x, mlir::Value y);
  /// The remainder with the sign of the dividend.
  mlir::Value rem(mlir::Value x, mlir::Value y);
  mlir::Value neg(mlir::Value x);
  /// NaN if either is.
  mlir::Value max(mlir::Value x, mlir::Value y);
  mlir::Value min(mlir::Value x, mlir::Value y);
  mlir::Value compare(Order order, mlir::Value x, mlir::Value y);
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
  mlir::Value clamp(mlir::Value x, double low, double high);

  // Floats alone.
  mlir::Value exp(mlir::Value x);
  mlir::Value log(mlir::Value x);
  mlir::Value sqrt(mlir::Value x);
  mlir::Value tanh(mlir::Value x);
  mlir::Value erf(mlir::Value x);
  mlir::Value sigmoid(mlir::Value x);
  mlir::Value softplus(mlir::Value x);
  mlir::Value gelu(mlir::Value x);
  mlir::Value geluTanh(mlir::Value x);

  /// Conversion between kinds as ONNX casts.
  mlir::Value cast(mlir::Value x, ElementKind from, ElementKind to);
  /// Between the type that tensors store and the one that is computed in.
  mlir::Value widen(mlir::Value stored, ElementKind kind);
  mlir::Value narrow(mlir::Value computed, ElementKind kind);

  /// Conversions of indices.
  mlir::Value toIndex(mlir::Value x);
  mlir::Value fromIndex(mlir::Value index, ElementKind to);
};

} // namespace lq::general

#endif // LQ_PASSES_RAISE_GENERAL_SCALARS_H
