//===- LqOps.cpp - what a model holds: weights, caches, dimensions --------===//

#include "dialects/lq/LqOps.h"

#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace lq;

//===----------------------------------------------------------------------===//
// Syntax
//===----------------------------------------------------------------------===//

/// An integer without its type.
static ParseResult parseOffset(OpAsmParser &parser, IntegerAttr &offset) {
  int64_t value;
  if (parser.parseInteger(value))
    return failure();
  offset = parser.getBuilder().getI64IntegerAttr(value);
  return success();
}

static void printOffset(OpAsmPrinter &printer, Operation *,
                        IntegerAttr offset) {
  printer << offset.getInt();
}

/// `3 x 64`
static ParseResult parseHeadShape(OpAsmParser &parser, IntegerAttr &heads,
                                  IntegerAttr &headSize) {
  return failure(parseOffset(parser, heads) || parser.parseKeyword("x") ||
                 parseOffset(parser, headSize));
}

static void printHeadShape(OpAsmPrinter &printer, Operation *,
                           IntegerAttr heads, IntegerAttr headSize) {
  printer << heads.getInt() << " x " << headSize.getInt();
}

#define GET_OP_CLASSES
#include "dialects/lq/LqOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Verifiers
//===----------------------------------------------------------------------===//

LogicalResult WeightOp::verify() {
  RankedTensorType type = getTensorType();
  if (!type.hasStaticShape())
    return emitOpError() << "expected a weight of known size, got " << type;
  if (type.getEncoding() && !lq::getFormat(type))
    return emitOpError() << "expected the encoding of a weight to be a format, "
                            "got "
                         << type.getEncoding();
  if (!computeStorageBytes(type))
    return emitOpError() << "no storage for " << type
                         << ": its elements have none, or its size does not "
                            "fit 63 bits";
  if (getTransposed() && (type.getRank() != 2 || type.getEncoding() ||
                          !isa<FloatType>(type.getElementType()) ||
                          type.getElementTypeBitWidth() % 8 != 0))
    return emitOpError() << "only a matrix of floating-point elements without "
                            "encoding can be transposed, got "
                         << type;
  if (getFile().empty())
    return emitOpError() << "expected the name of a file";
  if (static_cast<int64_t>(getOffset()) < 0)
    return emitOpError() << "expected an offset of 0 or more, got "
                         << static_cast<int64_t>(getOffset());
  return success();
}

int64_t WeightOp::getStorageBytes() {
  return *computeStorageBytes(getTensorType());
}

LogicalResult CacheOp::verify() {
  if (static_cast<int64_t>(getHeads()) <= 0 ||
      static_cast<int64_t>(getHeadSize()) <= 0)
    return emitOpError()
           << "expected at least one head of at least one element, "
              "got "
           << static_cast<int64_t>(getHeads()) << " x "
           << static_cast<int64_t>(getHeadSize());
  return success();
}

LogicalResult DimensionOp::verify() {
  if (static_cast<int64_t>(getMax()) < 0)
    return emitOpError() << "expected an upper bound of 0 or more, got "
                         << static_cast<int64_t>(getMax());
  return success();
}

/// The op of type `Op` that `user` means by `name`, or a diagnostic.
template <typename Op>
static Op lookupSymbol(Operation *user, SymbolTableCollection &tables,
                       FlatSymbolRefAttr name, StringRef what) {
  Operation *symbol = tables.lookupNearestSymbolFrom(user, name);
  if (!symbol) {
    user->emitOpError() << "unknown " << what << " " << name;
    return {};
  }
  if (auto op = dyn_cast<Op>(symbol))
    return op;
  auto error = user->emitOpError()
               << "expected " << name << " to be a " << what;
  error.attachNote(symbol->getLoc()) << "it is this";
  return {};
}

LogicalResult GetOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto weight =
      lookupSymbol<WeightOp>(*this, tables, getWeightAttr(), "weight");
  if (!weight)
    return failure();
  if (weight.getTensorType() == getResult().getType())
    return success();
  auto error = emitOpError()
               << "expected the type of the weight, " << weight.getTensorType()
               << ", got " << getResult().getType();
  error.attachNote(weight.getLoc()) << "the weight is here";
  return error;
}

LogicalResult ExtentOp::verifySymbolUses(SymbolTableCollection &tables) {
  return success(static_cast<bool>(lookupSymbol<DimensionOp>(
      *this, tables, getDimensionAttr(), "dimension")));
}

LogicalResult AppendOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto cache = lookupSymbol<CacheOp>(*this, tables, getCacheAttr(), "cache");
  if (!cache)
    return failure();
  auto type = cast<RankedTensorType>(getX().getType());
  if (type.getDimSize(2) == static_cast<int64_t>(cache.getHeads()) &&
      type.getDimSize(3) == static_cast<int64_t>(cache.getHeadSize()))
    return success();
  auto error = emitOpError()
               << "expected " << cache.getHeads() << " x "
               << cache.getHeadSize() << " elements a position, got " << type;
  error.attachNote(cache.getLoc()) << "the cache is here";
  return error;
}
