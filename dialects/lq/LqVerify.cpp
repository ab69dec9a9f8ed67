//===- LqVerify.cpp - verifiers of what a model computes ------------------===//

#include "dialects/lq/LqOps.h"

using namespace mlir;
using namespace lq;

/// The type of an operand, which the op's declaration says is a ranked tensor.
static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// Whether two sizes can be the same when the model is called.
static bool areCompatible(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
}

/// `name` has a rank of `rank`.
static LogicalResult verifyRank(Operation *op, StringRef name, Value value,
                                int64_t rank) {
  if (typeOf(value).getRank() == rank)
    return success();
  return op->emitOpError() << "expected " << name << " to have " << rank
                           << (rank == 1 ? " dimension" : " dimensions")
                           << ", got " << typeOf(value);
}

/// `name` has floating-point elements and, unless it is a weight, no encoding
/// but those named.
static LogicalResult verifyFloat(Operation *op, StringRef name, Value value) {
  if (isa<FloatType>(typeOf(value).getElementType()))
    return success();
  return op->emitOpError() << "expected " << name
                           << " to have floating-point elements, got "
                           << typeOf(value);
}

static LogicalResult verifyDense(Operation *op, StringRef name, Value value) {
  if (failed(verifyFloat(op, name, value)))
    return failure();
  if (!typeOf(value).getEncoding())
    return success();
  return op->emitOpError() << "expected " << name
                           << " to have no encoding, got " << typeOf(value);
}

/// Dimension `i` of `name` is the same as dimension `j` of `other`.
static LogicalResult verifySameSize(Operation *op, StringRef name, Value value,
                                    int64_t i, StringRef otherName, Value other,
                                    int64_t j) {
  int64_t size = typeOf(value).getDimSize(i);
  int64_t otherSize = typeOf(other).getDimSize(j);
  if (areCompatible(size, otherSize))
    return success();
  return op->emitOpError() << "expected dimension " << i << " of " << name
                           << " to be dimension " << j << " of " << otherName
                           << ", " << otherSize << ", got " << size;
}

/// The shapes of `name` and `other` are the same in their first `count`
/// dimensions.
static LogicalResult verifySameLeading(Operation *op, StringRef name,
                                       Value value, StringRef otherName,
                                       Value other, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    if (failed(verifySameSize(op, name, value, i, otherName, other, i)))
      return failure();
  return success();
}

/// `name` is a vector as long as the last dimension of `other`.
static LogicalResult verifyVector(Operation *op, StringRef name, Value value,
                                  StringRef otherName, Value other) {
  if (failed(verifyRank(op, name, value, 1)) ||
      failed(verifyDense(op, name, value)))
    return failure();
  return verifySameSize(op, name, value, 0, otherName, other,
                        typeOf(other).getRank() - 1);
}

/// `name` has at least one dimension.
static LogicalResult verifyNotScalar(Operation *op, StringRef name,
                                     Value value) {
  if (typeOf(value).getRank() > 0)
    return success();
  return op->emitOpError() << "expected " << name
                           << " to have at least one dimension, got "
                           << typeOf(value);
}

/// A weight or table: a matrix, dense or encoded as a format.
static LogicalResult verifyMatrix(Operation *op, StringRef name, Value value) {
  if (failed(verifyRank(op, name, value, 2)) ||
      failed(verifyFloat(op, name, value)))
    return failure();
  if (!typeOf(value).getEncoding() || getFormat(typeOf(value)))
    return success();
  return op->emitOpError() << "expected the encoding of " << name
                           << " to be a format, got " << typeOf(value);
}

//===----------------------------------------------------------------------===//
// Linear, embedding
//===----------------------------------------------------------------------===//

LogicalResult LinearOp::verify() {
  Operation *op = *this;
  if (failed(verifyNotScalar(op, "x", getX())) ||
      failed(verifyFloat(op, "x", getX())) ||
      failed(verifyMatrix(op, "weight", getWeight())) ||
      failed(verifyDense(op, "the result", getResult())))
    return failure();
  if (Attribute encoding = typeOf(getX()).getEncoding();
      encoding && !isa<Int8RowsAttr>(encoding))
    return emitOpError() << "expected x to be dense or quantized rows, got "
                         << typeOf(getX());
  int64_t last = typeOf(getX()).getRank() - 1;
  if (failed(verifyRank(op, "the result", getResult(), last + 1)) ||
      failed(verifySameSize(op, "x", getX(), last, "weight", getWeight(), 1)) ||
      failed(verifySameLeading(op, "the result", getResult(), "x", getX(),
                               last)) ||
      failed(verifySameSize(op, "the result", getResult(), last, "weight",
                            getWeight(), 0)))
    return failure();
  return getBias()
             ? verifyVector(op, "bias", getBias(), "the result", getResult())
             : success();
}

/// `order` has an i32 for each element of the last dimension of x.
static LogicalResult verifyOrder(Operation *op, Value order, Value x) {
  if (failed(verifyNotScalar(op, "x", x)) ||
      failed(verifyRank(op, "order", order, 1)))
    return failure();
  if (!typeOf(order).getElementType().isInteger(32) ||
      typeOf(order).getEncoding())
    return op->emitOpError()
           << "expected order to have i32 elements, got " << typeOf(order);
  return verifySameSize(op, "order", order, 0, "x", x, typeOf(x).getRank() - 1);
}

LogicalResult QuantizeRowsOp::verify() {
  RankedTensorType source = typeOf(getX()), result = typeOf(getResult());
  if (failed(verifyDense(*this, "x", getX())))
    return failure();
  if (!isa_and_present<Int8RowsAttr>(result.getEncoding()))
    return emitOpError() << "expected the result to be encoded as "
                            "#lq.int8_rows, got "
                         << result;
  if (source.getShape() != result.getShape() ||
      source.getElementType() != result.getElementType())
    return emitOpError() << "expected the result to have the shape and element "
                            "type of x, "
                         << source << ", got " << result;
  return getOrder() ? verifyOrder(*this, getOrder(), getX()) : success();
}

LogicalResult EmbeddingOp::verify() {
  Operation *op = *this;
  if (!typeOf(getIds()).getElementType().isIntOrIndex())
    return emitOpError() << "expected ids to be integers, got "
                         << typeOf(getIds());
  int64_t rank = typeOf(getIds()).getRank();
  return failure(failed(verifyMatrix(op, "table", getTable())) ||
                 failed(verifyDense(op, "the result", getResult())) ||
                 failed(verifyRank(op, "the result", getResult(), rank + 1)) ||
                 failed(verifySameLeading(op, "the result", getResult(), "ids",
                                          getIds(), rank)) ||
                 failed(verifySameSize(op, "the result", getResult(), rank,
                                       "table", getTable(), 1)));
}

//===----------------------------------------------------------------------===//
// Norms, activations
//===----------------------------------------------------------------------===//

/// The result has the rank and sizes of x, both dense floating-point tensors.
static LogicalResult verifyLikeX(Operation *op, Value x, Value result) {
  int64_t rank = typeOf(x).getRank();
  return failure(
      failed(verifyDense(op, "x", x)) ||
      failed(verifyDense(op, "the result", result)) ||
      failed(verifyRank(op, "the result", result, rank)) ||
      failed(verifySameLeading(op, "the result", result, "x", x, rank)));
}

/// A norm over the last dimension of x with its parameters.
static LogicalResult verifyNorm(Operation *op, Value x, Value gamma, Value beta,
                                Value result, const APFloat &epsilon) {
  if (failed(verifyNotScalar(op, "x", x)) ||
      failed(verifyLikeX(op, x, result)) ||
      failed(verifyVector(op, "gamma", gamma, "x", x)) ||
      (beta && failed(verifyVector(op, "beta", beta, "x", x))))
    return failure();
  if (epsilon.isFinite() && !epsilon.isNegative())
    return success();
  return op->emitOpError() << "expected epsilon to be 0 or more, got "
                           << epsilon.convertToDouble();
}

LogicalResult RmsNormOp::verify() {
  return verifyNorm(*this, getX(), getGamma(), /*beta=*/{}, getResult(),
                    getEpsilon());
}

LogicalResult LayerNormOp::verify() {
  return verifyNorm(*this, getX(), getGamma(), getBeta(), getResult(),
                    getEpsilon());
}

LogicalResult PermuteOp::verify() {
  return failure(failed(verifyLikeX(*this, getX(), getResult())) ||
                 failed(verifyOrder(*this, getOrder(), getX())));
}

LogicalResult ActivationOp::verify() {
  return verifyLikeX(*this, getX(), getResult());
}

LogicalResult GluOp::verify() { return verifyDense(*this, "gate", getGate()); }

//===----------------------------------------------------------------------===//
// Rope, caches, attention
//===----------------------------------------------------------------------===//

LogicalResult RopeOp::verify() {
  Operation *op = *this;
  if (failed(verifyRank(op, "x", getX(), 4)) ||
      failed(verifyLikeX(op, getX(), getResult())) ||
      failed(verifyRank(op, "cos", getCos(), 2)) ||
      failed(verifyDense(op, "cos", getCos())) ||
      failed(verifyRank(op, "sin", getSin(), 2)) ||
      failed(verifyDense(op, "sin", getSin())) ||
      failed(verifySameLeading(op, "sin", getSin(), "cos", getCos(), 2)))
    return failure();
  int64_t pairs = typeOf(getCos()).getDimSize(1);
  int64_t headSize = typeOf(getX()).getDimSize(3);
  if (ShapedType::isDynamic(pairs) || ShapedType::isDynamic(headSize) ||
      pairs <= headSize / 2)
    return success();
  return emitOpError() << "expected at most " << headSize / 2
                       << " pairs in heads of " << headSize
                       << " elements, got tables of " << pairs;
}

LogicalResult AppendOp::verify() {
  Operation *op = *this;
  if (failed(verifyRank(op, "x", getX(), 4)) ||
      failed(verifyDense(op, "x", getX())) ||
      failed(verifyRank(op, "the result", getResult(), 4)))
    return failure();
  if (!isa_and_present<CachedAttr>(typeOf(getResult()).getEncoding()))
    return emitOpError() << "expected the result to be encoded as #lq.cached, "
                            "got "
                         << typeOf(getResult());
  for (int64_t i : {0, 2, 3})
    if (failed(
            verifySameSize(op, "the result", getResult(), i, "x", getX(), i)))
      return failure();
  return success();
}

/// Keys or values: a dense tensor or a cache's content, [B, T, G, D].
static LogicalResult verifyKeys(Operation *op, StringRef name, Value value) {
  if (failed(verifyRank(op, name, value, 4)) ||
      failed(verifyFloat(op, name, value)))
    return failure();
  Attribute encoding = typeOf(value).getEncoding();
  if (!encoding || isa<CachedAttr>(encoding))
    return success();
  return op->emitOpError() << "expected " << name
                           << " to be dense or cached, got " << typeOf(value);
}

/// The mask broadcasts to [B, H, S, T].
static LogicalResult verifyMask(AttentionOp op) {
  RankedTensorType mask = typeOf(op.getMask()), q = typeOf(op.getQ());
  if (failed(verifyDense(op, "mask", op.getMask())))
    return failure();
  int64_t scores[] = {q.getDimSize(0), q.getDimSize(2), q.getDimSize(1),
                      typeOf(op.getK()).getDimSize(1)};
  bool fits = mask.getRank() <= 4;
  for (int64_t i = 0; fits && i < mask.getRank(); ++i) {
    int64_t size = mask.getDimSize(i);
    fits = size == 1 || areCompatible(size, scores[4 - mask.getRank() + i]);
  }
  if (fits)
    return success();
  return op.emitOpError() << "expected mask to broadcast to [batch, heads, "
                             "rows, positions], got "
                          << mask;
}

LogicalResult AttentionOp::verify() {
  Operation *op = *this;
  if (failed(verifyRank(op, "q", getQ(), 4)) ||
      failed(verifyDense(op, "q", getQ())) ||
      failed(verifyKeys(op, "k", getK())) ||
      failed(verifyKeys(op, "v", getV())) ||
      failed(verifyRank(op, "the result", getResult(), 4)) ||
      failed(verifyDense(op, "the result", getResult())) ||
      failed(verifySameSize(op, "k", getK(), 0, "q", getQ(), 0)) ||
      failed(verifySameSize(op, "k", getK(), 3, "q", getQ(), 3)) ||
      failed(verifySameLeading(op, "v", getV(), "k", getK(), 3)) ||
      failed(
          verifySameLeading(op, "the result", getResult(), "q", getQ(), 3)) ||
      failed(verifySameSize(op, "the result", getResult(), 3, "v", getV(), 3)))
    return failure();
  int64_t heads = typeOf(getQ()).getDimSize(2);
  int64_t groups = typeOf(getK()).getDimSize(2);
  if (!ShapedType::isDynamic(heads) && !ShapedType::isDynamic(groups) &&
      (groups == 0 || heads % groups != 0))
    return emitOpError() << "expected the heads of k to divide the " << heads
                         << " heads of q, got " << groups;
  if (!getScale().isFinite())
    return emitOpError() << "expected a finite scale";
  if (std::optional<uint64_t> window = getWindow()) {
    if (!getPast())
      return emitOpError() << "expected an attention with a window to be "
                              "causal";
    if (static_cast<int64_t>(*window) < 1)
      return emitOpError() << "expected a window of at least one position, got "
                           << static_cast<int64_t>(*window);
  }
  return getMask() ? verifyMask(*this) : success();
}
