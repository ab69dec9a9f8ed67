//===- GeneralLowering.cpp - ONNX nodes to linalg, one by one -------------===//

#include "passes/raise/general/GeneralLowering.h"
#include "dialects/lq/LqOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/raise/general/NodeLowering.h"

using namespace mlir;

namespace lq {

static general::LoweringTable makeTable() {
  general::LoweringTable table;
  general::addElementwiseLowerings(table);
  general::addShapeLowerings(table);
  general::addMovementLowerings(table);
  general::addIndexingLowerings(table);
  general::addScatterLowerings(table);
  general::addReductionLowerings(table);
  general::addProductLowerings(table);
  general::addNormalizationLowerings(table);
  general::addAttentionLowerings(table);
  return table;
}

static general::LoweringEntry loweringOf(onnx::NodeOp node) {
  static const general::LoweringTable table = makeTable();
  StringRef domain = node.getDomain();
  if (domain.empty() || domain == "ai.onnx")
    return table.lookup(node.getOpType());
  return table.lookup((domain + "." + node.getOpType()).str());
}

bool GeneralLowering::supports(onnx::NodeOp node) {
  return loweringOf(node).run != nullptr;
}

RankedTensorType GeneralLowering::typeOf(Value value) const {
  Type element = signlessType(shapes.elementKindOf(value), value.getContext());
  auto shape = shapes.shapeOf(value);
  if (!element || !shape)
    return {};
  SmallVector<int64_t> dims;
  for (const Extent &extent : *shape)
    dims.push_back(extent.isConstant() ? extent.constant
                                       : ShapedType::kDynamic);
  return RankedTensorType::get(dims, element);
}

Value GeneralLowering::materialize(Location loc, const Extent &extent) {
  Value sum;
  auto constant = [&](int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc, value);
  };
  for (const auto &[term, coefficient] : extent.terms) {
    Value product;
    for (StringRef name : Extent::symbolsOf(term)) {
      Value symbol = ExtentOp::create(builder, loc, name);
      product =
          product
              ? arith::MulIOp::create(builder, loc, product, symbol).getResult()
              : symbol;
    }
    if (coefficient != 1)
      product =
          arith::MulIOp::create(builder, loc, product, constant(coefficient));
    sum = sum ? arith::AddIOp::create(builder, loc, sum, product).getResult()
              : product;
  }
  if (!sum)
    return constant(extent.constant);
  if (extent.constant == 0)
    return sum;
  return arith::AddIOp::create(builder, loc, sum, constant(extent.constant));
}

static bool isSplat(const HostTensor &tensor) {
  return llvm::all_equal(tensor.ints) && llvm::all_equal(tensor.floats);
}

Value GeneralLowering::materializeKnown(Value value) {
  Location loc = value.getLoc();
  RankedTensorType type = typeOf(value);
  if (!type)
    return {};
  if (const HostTensor *tensor = shapes.constantOf(value)) {
    if (tensor->size() <= kMaxInlineElements)
      return arith::ConstantOp::create(
          builder, loc, tensor->toAttribute(builder.getContext()));
    if (!isSplat(*tensor))
      return {};
    HostTensor scalar = HostTensor::withData(tensor->kind, {});
    scalar.copy(0, *tensor, 0);
    auto attribute = scalar.toAttribute(builder.getContext());
    Value element = arith::ConstantOp::create(
        builder, loc, cast<TypedAttr>(*attribute.value_begin<Attribute>()));
    Value target = tensor::EmptyOp::create(builder, loc, type.getShape(),
                                           type.getElementType());
    return linalg::FillOp::create(builder, loc, element, target).getResult(0);
  }
  auto contents = shapes.contentsOf(value);
  if (!contents || contents->empty() || type.getElementType().isInteger(1))
    return {};
  SmallVector<Value> elements;
  for (const Extent &extent : *contents)
    elements.push_back(arith::IndexCastOp::create(
        builder, loc, type.getElementType(), materialize(loc, extent)));
  return tensor::FromElementsOp::create(builder, loc, type, elements);
}

LogicalResult GeneralLowering::lower(onnx::NodeOp node, ValueRange operands,
                                     SmallVectorImpl<Value> &results) {
  general::NodeLowering lowering(builder, shapes, node);
  results.assign(node.getNumResults(), Value());
  bool allKnown = true;
  for (auto [index, result] : llvm::enumerate(node.getResults())) {
    if (isa<NoneType>(result.getType()) || result.use_empty())
      continue;
    results[index] = materializeKnown(result);
    allKnown &= results[index] != nullptr;
  }
  if (allKnown)
    return success();
  general::LoweringEntry entry = loweringOf(node);
  if (!entry.run)
    return lowering.fail("this operator has no lowering");
  for (auto [index, operand] : llvm::enumerate(node.getInputs())) {
    lowering.operands.emplace_back();
    if (isa<NoneType>(operand.getType()))
      continue;
    RankedTensorType type = typeOf(operand);
    auto shape = shapes.shapeOf(operand);
    if (!type || !shape)
      return lowering.fail("the shape of operand " + Twine(index) +
                           " does not follow from the inputs' dimensions");
    Value value = operands[index];
    if (!value)
      value = materializeKnown(operand);
    if (!value)
      return lowering.fail("operand " + Twine(index) + " was not lowered");
    if (value.getType() != type)
      value = tensor::CastOp::create(builder, node.getLoc(), type, value);
    lowering.operands.back() = {value, *shape, shapes.elementKindOf(operand)};
  }
  for (unsigned i = 0; i < entry.required; ++i)
    if (!lowering.has(i))
      return lowering.fail("operand " + Twine(i) + " is missing");
  for (auto [index, result] : llvm::enumerate(node.getResults())) {
    if (isa<NoneType>(result.getType()))
      continue;
    auto shape = shapes.shapeOf(result);
    if (!shape || !typeOf(result)) {
      if (result.use_empty())
        continue;
      return lowering.fail("the shape of result " + Twine(index) +
                           " does not follow from the inputs' dimensions");
    }
    lowering.results[index] = {Value(), *shape, shapes.elementKindOf(result)};
  }
  if (failed(entry.run(lowering)))
    return failure();
  for (auto [index, result] : llvm::enumerate(node.getResults())) {
    if (!results[index])
      results[index] = lowering.results[index].value;
    if (!results[index] && !result.use_empty())
      return lowering.fail("result " + Twine(index) + " has no lowering");
  }
  return success();
}

} // namespace lq
