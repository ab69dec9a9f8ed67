//===- LqDialect.cpp - the lq dialect -------------------------------------===//

#include "dialects/lq/LqOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace lq;

#include "dialects/lq/LqDialect.cpp.inc"

void LqDialect::initialize() {
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "dialects/lq/LqOps.cpp.inc"
      >();
  registerFloatFormats();
  registerGgufFormats();
  registerUniformFormats();
  registerCodebookFormats();
  registerExl2Formats();
}

void LqDialect::registerFormat(FormatAttrInterface format) {
  formats.push_back(format);
}

llvm::ArrayRef<FormatAttrInterface>
lq::listFormats(mlir::MLIRContext &context) {
  return context.getOrLoadDialect<LqDialect>()->getFormats();
}

FormatAttrInterface lq::lookupFormat(mlir::MLIRContext &context,
                                     llvm::StringRef name) {
  for (FormatAttrInterface format : listFormats(context))
    if (format.getFormatName() == name)
      return format;
  return {};
}
