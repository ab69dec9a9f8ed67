//===- OnnxDialect.cpp - Types and attributes of the onnx dialect ---------===//

#include "dialects/onnx/OnnxDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lq::onnx;

#include "dialects/onnx/OnnxDialect.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/onnx/OnnxTypes.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/onnx/OnnxAttributes.cpp.inc"

void OnnxDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/onnx/OnnxTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/onnx/OnnxAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/onnx/OnnxOps.cpp.inc"
      >();
}

unsigned lq::onnx::storageBits(Type element) {
  if (element.isInteger(1))
    return 8;
  if (auto complex = dyn_cast<ComplexType>(element))
    return 2 * complex.getElementType().getIntOrFloatBitWidth();
  return element.isIntOrFloat() ? element.getIntOrFloatBitWidth() : 0;
}

std::optional<int64_t> lq::onnx::storageBytes(RankedTensorType type) {
  if (!type.hasStaticShape())
    return std::nullopt;
  bool empty = llvm::is_contained(type.getShape(), 0);
  int64_t count = empty ? 0 : 1;
  for (int64_t extent : type.getShape())
    if (!empty && llvm::MulOverflow(count, extent, count))
      return std::nullopt;
  int64_t bits = 0;
  if (llvm::MulOverflow<int64_t>(count, storageBits(type.getElementType()),
                                 bits) ||
      bits > std::numeric_limits<int64_t>::max() - 7)
    return std::nullopt;
  return (bits + 7) / 8;
}
