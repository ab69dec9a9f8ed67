//===- RowSource.cpp - rows that a kernel reads ---------------------------===//

#include "lowering/cpu/kernels/RowSource.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

RowSource::~RowSource() = default;

Val RowSource::read(Val memref, ArrayRef<Val> indices, Val column,
                    int64_t lanes) {
  Vals place(indices);
  if (!order) {
    place.push_back(column);
    return k.load(memref, place, lanes);
  }
  place.push_back(k.index(0));
  return k.gather(memref, place, k.load(order, {column}, lanes));
}

//===----------------------------------------------------------------------===//
// Functions of elements
//===----------------------------------------------------------------------===//

static bool isElement(Type type) { return type.isF32() || type.isInteger(1); }

/// The number that a value is, null if it is no constant.
static TypedAttr getNumber(Value value) {
  TypedAttr number;
  if (!isElement(value.getType()) || !matchPattern(value, m_Constant(&number)))
    return {};
  return number;
}

bool lq::cpu::isElementFunction(const ElementFunction &function) {
  Block &body = *function.body;
  auto isElementwise = [](Operation &op) {
    return op.getNumResults() == 1 && isElement(op.getResult(0).getType()) &&
           (getNumber(op.getResult(0)) ||
            OpTrait::hasElementwiseMappableTraits(&op));
  };
  // What is outside the body is not there in a kernel, but for constants.
  SetVector<Value> outside;
  getUsedValuesDefinedAbove(*body.getParent(), outside);
  auto results = body.getTerminator()->getOperandTypes();
  return llvm::all_of(body.without_terminator(), isElementwise) &&
         llvm::all_of(outside, getNumber) &&
         llvm::all_of(body.getArgumentTypes(),
                      [](Type type) { return type.isF32(); }) &&
         llvm::hasSingleElement(results) && results.front().isF32();
}

namespace {

/// The rows of a memref.
class PlainRows : public RowSource {
public:
  using RowSource::RowSource;
  Val load(Val row, Val column, int64_t lanes) override {
    return read(k.argument(0), {row}, column, lanes);
  }
};

/// A function of the elements of the first arguments.
class ComputedRows : public RowSource {
public:
  ComputedRows(KernelBuilder &k, const ElementFunction &function, Val order)
      : RowSource(k, order), function(function) {}

  Val load(Val row, Val column, int64_t lanes) override {
    IRMapping vectors;
    Block &body = *function.body;
    for (int64_t i = 0; i < function.inputs; ++i)
      if (!body.getArgument(i).use_empty())
        vectors.map(body.getArgument(i),
                    read(k.argument(i), {row}, column, lanes));
    for (Operation &op : body.without_terminator())
      if (!getNumber(op.getResult(0)))
        widen(op, vectors, lanes);
    return widen(body.getTerminator()->getOperand(0), vectors, lanes);
  }

private:
  ElementFunction function;

  /// The vector that stands for a value of the body.
  Val widen(Value value, IRMapping &vectors, int64_t lanes) {
    if (TypedAttr number = getNumber(value))
      vectors.map(
          value, arith::ConstantOp::create(
                     k.builder(), DenseElementsAttr::get(
                                      VectorType::get({lanes}, value.getType()),
                                      Attribute(number))));
    return Val(k.builder(), vectors.lookup(value));
  }

  void widen(Operation &op, IRMapping &vectors, int64_t lanes) {
    for (Value operand : op.getOperands())
      widen(operand, vectors, lanes);
    Operation *wide = k.builder().clone(op, vectors);
    for (OpResult result : wide->getResults())
      result.setType(VectorType::get({lanes}, result.getType()));
  }
};

} // namespace

SmallVector<Type> lq::cpu::getRowTypes(MLIRContext *context,
                                       const QuantizeRowsSpec &spec) {
  if (spec.norm)
    return getInputTypes(context, *spec.norm);
  Type rows =
      MemRefType::get({spec.rows, spec.columns}, Float32Type::get(context));
  return SmallVector<Type>(spec.function ? spec.function->inputs : 1, rows);
}

std::unique_ptr<RowSource>
lq::cpu::makeRowSource(KernelBuilder &k, const QuantizeRowsSpec &spec) {
  Val order;
  if (spec.ordered)
    order = k.argument(static_cast<int64_t>(
        getRowTypes(k.builder().getContext(), spec).size()));
  if (spec.norm)
    return std::make_unique<NormedRows>(k, *spec.norm, order);
  if (spec.function)
    return std::make_unique<ComputedRows>(k, *spec.function, order);
  return std::make_unique<PlainRows>(k, order);
}
