//===- OnnxDialect.h - The imported graph, node for node --------*- C++ -*-===//

#ifndef LQ_DIALECTS_ONNX_ONNXDIALECT_H
#define LQ_DIALECTS_ONNX_ONNXDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/onnx/OnnxDialect.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/onnx/OnnxTypes.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/onnx/OnnxAttributes.h.inc"

#define GET_OP_CLASSES
#include "dialects/onnx/OnnxOps.h.inc"

namespace lq::onnx {

/// Discardable attributes of the module, of `@main` and of its arguments and
/// results.
inline constexpr llvm::StringLiteral kNameAttr = "onnx.name";
inline constexpr llvm::StringLiteral kDimsAttr = "onnx.dims";
inline constexpr llvm::StringLiteral kIrVersionAttr = "onnx.ir_version";
inline constexpr llvm::StringLiteral kOpsetImportsAttr = "onnx.opset_imports";
inline constexpr llvm::StringLiteral kMetadataPropsAttr = "onnx.metadata_props";

/// Tensors of at most this many bytes have their value inline in the IR.
inline constexpr int64_t kInlineBytes = 1024;

/// Bits that an element takes in ONNX's raw form (8 for a boolean), or 0 for
/// strings and unknown elements.
unsigned storageBits(mlir::Type element);

/// Bytes that a tensor takes in ONNX's raw form, where elements narrower than
/// a byte are packed; nothing if the product overflows or the shape is not
/// static.
std::optional<int64_t> storageBytes(mlir::RankedTensorType type);

} // namespace lq::onnx

#endif // LQ_DIALECTS_ONNX_ONNXDIALECT_H
