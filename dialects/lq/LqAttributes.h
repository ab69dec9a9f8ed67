//===- LqAttributes.h - attributes of the lq dialect ------------*- C++ -*-===//

#ifndef LQ_DIALECTS_LQ_LQATTRIBUTES_H
#define LQ_DIALECTS_LQ_LQATTRIBUTES_H

#include "dialects/lq/Format.h"
#include "dialects/lq/LqDialect.h"
#include "dialects/lq/formats/Codebook.h"
#include "dialects/lq/formats/Gguf.h"
#include "mlir/IR/Attributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/TensorEncoding.h"

#include "dialects/lq/LqEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/lq/LqAttributes.h.inc"

namespace lq {

/// The weight format called `name`; null if there is none.
FormatAttrInterface lookupFormat(mlir::MLIRContext &context,
                                 llvm::StringRef name);

/// The format whose storage dense elements of this type are, or would be once
/// rounded to f32 (f64); null if there is none.
FormatAttrInterface getDenseFormat(mlir::Type elementType);

/// The format of integer codes of `bits` bits in groups of `group` columns (or
/// FormatDescription::wholeRow) with a scale each and, if asked for, a zero
/// point each; what checkpoints of other software are imported as.
FormatAttrInterface getUniformFormat(mlir::MLIRContext &context, unsigned bits,
                                     int64_t group, Scalar scale,
                                     bool zeroPoints);

/// The format of integer codes with a sign whose bits change along K: runs of
/// falling bits, with square-law scales of f16 factors that all rows share.
FormatAttrInterface getMixedBitsFormat(mlir::MLIRContext &context,
                                       llvm::ArrayRef<ColumnRun> runs);

/// Every weight format, for help texts and tests that cover them all.
llvm::ArrayRef<FormatAttrInterface> listFormats(mlir::MLIRContext &context);

/// Parses `<name>` and gives the number of the name among `names`; `what` says
/// what they are in the error of another name.
llvm::FailureOr<size_t> parseName(mlir::AsmParser &parser, llvm::StringRef what,
                                  llvm::ArrayRef<llvm::StringRef> names);

/// The encoding check that all families share: a static matrix of
/// floating-point elements with a number of columns that `format` can have.
llvm::LogicalResult
verifyFormatEncoding(FormatAttrInterface format, llvm::ArrayRef<int64_t> shape,
                     mlir::Type elementType,
                     llvm::function_ref<mlir::InFlightDiagnostic()> emitError);

} // namespace lq

#endif // LQ_DIALECTS_LQ_LQATTRIBUTES_H
