//===- LqAttributes.cpp - attributes of the lq dialect --------------------===//

#include "dialects/lq/LqAttributes.h"
#include "dialects/lq/Tile.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace lq;

#include "dialects/lq/LqEnums.cpp.inc"
#include "dialects/lq/LqInterfaces.cpp.inc"

/// Any attribute that is a weight format.
static ParseResult parseFormat(AsmParser &parser, FormatAttrInterface &format) {
  SMLoc location = parser.getCurrentLocation();
  Attribute attribute;
  if (parser.parseAttribute(attribute))
    return failure();
  format = dyn_cast<FormatAttrInterface>(attribute);
  if (format)
    return success();
  return parser.emitError(location)
         << "expected a weight format, got " << attribute;
}

static void printFormat(AsmPrinter &printer, FormatAttrInterface format) {
  printer.printAttribute(format);
}

#define GET_ATTRDEF_CLASSES
#include "dialects/lq/LqAttributes.cpp.inc"

using EmitError = llvm::function_ref<InFlightDiagnostic()>;

void LqDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/lq/LqAttributes.cpp.inc"
      >();
}

LogicalResult lq::verifyFormatEncoding(FormatAttrInterface format,
                                       ArrayRef<int64_t> shape,
                                       Type elementType, EmitError emitError) {
  if (shape.size() != 2 || ShapedType::isDynamicShape(shape))
    return emitError() << "expected a matrix of known size to be encoded as "
                       << format.getFormatName();
  if (!isa<FloatType>(elementType))
    return emitError() << "expected floating-point elements to be encoded as "
                       << format.getFormatName() << ", got " << elementType;
  std::string reason = format.checkColumns(shape[1]);
  if (!reason.empty())
    return emitError() << "cannot encode " << shape[1] << " columns as "
                       << format.getFormatName() << ": " << reason;
  return success();
}

FailureOr<size_t> lq::parseName(AsmParser &parser, StringRef what,
                                ArrayRef<StringRef> names) {
  StringRef name;
  if (parser.parseLess())
    return failure();
  SMLoc location = parser.getCurrentLocation();
  if (parser.parseKeyword(&name))
    return failure();
  const StringRef *found = llvm::find(names, name);
  if (found == names.end()) {
    auto error = parser.emitError(location)
                 << "unknown " << what << " '" << name << "', expected one of ";
    llvm::interleaveComma(names, error);
    return failure();
  }
  if (parser.parseGreater())
    return failure();
  return found - names.begin();
}

LogicalResult TiledAttr::verifyEncoding(ArrayRef<int64_t> shape,
                                        Type elementType,
                                        EmitError emitError) const {
  if (failed(verifyFormatEncoding(getFormat(), shape, elementType, emitError)))
    return failure();
  std::string reason = checkTiles(getFormat().getDescription(), shape[1]);
  if (!reason.empty())
    return emitError() << "no tiles hold " << getFormat().getFormatName()
                       << ": " << reason;
  return success();
}

LogicalResult CachedAttr::verifyEncoding(ArrayRef<int64_t> shape,
                                         Type elementType,
                                         EmitError emitError) const {
  if (shape.size() != 4 || ShapedType::isDynamic(shape[2]) ||
      ShapedType::isDynamic(shape[3]))
    return emitError()
           << "expected a cached tensor to be [1, positions, heads, "
              "head_size] with known heads and head_size";
  if (!isa<FloatType>(elementType))
    return emitError() << "expected a cached tensor to have floating-point "
                          "elements, got "
                       << elementType;
  return success();
}

LogicalResult Int8RowsAttr::verify(EmitError emitError, int64_t group) {
  if (group <= 0 || group % 2 != 0)
    return emitError() << "expected a positive, even group, got " << group;
  return success();
}

LogicalResult Int8RowsAttr::verifyEncoding(ArrayRef<int64_t> shape,
                                           Type elementType,
                                           EmitError emitError) const {
  if (shape.empty() || ShapedType::isDynamic(shape.back()) ||
      shape.back() % getGroup() != 0)
    return emitError() << "expected the group " << getGroup()
                       << " to divide the last dimension";
  if (!isa<FloatType>(elementType))
    return emitError() << "expected quantized rows to stand for floating-point "
                          "elements, got "
                       << elementType;
  return success();
}
