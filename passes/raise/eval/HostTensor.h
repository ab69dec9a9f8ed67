//===- HostTensor.h - A tensor on the host, or its shape --------*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_EVAL_HOSTTENSOR_H
#define LQ_PASSES_RAISE_EVAL_HOSTTENSOR_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Types.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <optional>
#include <vector>

namespace lq {

/// The element types that the evaluator computes with. `Other` is a type that
/// it only passes along (strings, complex numbers, 4- and 8-bit floats).
enum class ElementKind {
  Bool,
  I8,
  I16,
  I32,
  I64,
  U8,
  U16,
  U32,
  U64,
  F16,
  BF16,
  F32,
  F64,
  Other,
};

bool isFloat(ElementKind kind);
/// Integers, Bool included.
bool isInteger(ElementKind kind);
bool isUnsigned(ElementKind kind);
/// Bytes of an element as ONNX stores it (Bool: one); 0 for Other.
int64_t byteWidth(ElementKind kind);
/// The kind of an element type; signless integers count as signed.
ElementKind elementKindOf(mlir::Type elementType);
/// The builtin type of a kind, integers signless (the types that arith has
/// operations on); null for Other.
mlir::Type signlessType(ElementKind kind, mlir::MLIRContext *context);

/// A concrete tensor: an element type, a shape and, where they are known, its
/// elements in row-major order.
///
/// Integers live in `ints`, U64 as the two's complement of the same bits.
/// Floats live in `floats`, each already rounded to the element type.
struct HostTensor {
  ElementKind kind = ElementKind::Other;
  llvm::SmallVector<int64_t> shape;
  bool hasData = false;
  std::vector<int64_t> ints;
  std::vector<double> floats;

  static HostTensor withoutData(ElementKind kind,
                                llvm::ArrayRef<int64_t> shape);
  /// Zeros.
  static HostTensor withData(ElementKind kind, llvm::ArrayRef<int64_t> shape);
  static HostTensor ofInts(ElementKind kind, llvm::ArrayRef<int64_t> shape,
                           llvm::ArrayRef<int64_t> values);
  static HostTensor ofFloats(ElementKind kind, llvm::ArrayRef<int64_t> shape,
                             llvm::ArrayRef<double> values);
  /// Reads `bytes`, dense little-endian elements; nothing if their number does
  /// not match the shape or the kind is Other.
  static std::optional<HostTensor> fromBytes(ElementKind kind,
                                             llvm::ArrayRef<int64_t> shape,
                                             llvm::ArrayRef<char> bytes);

  /// The elements as fromBytes() reads them. The tensor must have data.
  std::vector<char> toBytes() const;

  int64_t rank() const { return shape.size(); }
  /// Number of elements.
  int64_t size() const;
  bool isFloat() const { return lq::isFloat(kind); }

  /// Element `i` of a tensor with data, converted.
  double number(int64_t i) const {
    return isFloat() ? floats[i] : asDouble(ints[i]);
  }
  int64_t integer(int64_t i) const {
    return isFloat() ? static_cast<int64_t>(floats[i]) : ints[i];
  }
  /// Stores a value, rounded or wrapped to the element type.
  void setNumber(int64_t i, double value);
  void setInteger(int64_t i, int64_t value);
  /// Copies element `j` of `from`, a tensor of the same kind.
  void copy(int64_t i, const HostTensor &from, int64_t j) {
    if (isFloat())
      floats[i] = from.floats[j];
    else
      ints[i] = from.ints[j];
  }

  /// The dense attribute of a tensor with data, integers signless.
  mlir::DenseElementsAttr toAttribute(mlir::MLIRContext *context) const;

private:
  double asDouble(int64_t bits) const {
    return kind == ElementKind::U64 ? static_cast<double>(uint64_t(bits))
                                    : static_cast<double>(bits);
  }
};

/// `value` rounded to the nearest number of a floating-point kind.
double roundTo(ElementKind kind, double value);
/// `value` wrapped to the range of an integer kind.
int64_t wrapTo(ElementKind kind, int64_t value);

/// Row-major strides of a shape, in elements.
llvm::SmallVector<int64_t> stridesOf(llvm::ArrayRef<int64_t> shape);
/// The product of dimensions, or nothing if it exceeds 2^62 or one is negative.
std::optional<int64_t> elementCount(llvm::ArrayRef<int64_t> shape);
/// The shape that numpy broadcasts two shapes to, or nothing.
std::optional<llvm::SmallVector<int64_t>>
broadcastShapes(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b);

} // namespace lq

#endif // LQ_PASSES_RAISE_EVAL_HOSTTENSOR_H
