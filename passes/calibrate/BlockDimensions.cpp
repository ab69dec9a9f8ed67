//===- BlockDimensions.cpp - sizes of values by name ----------------------===//

#include "passes/calibrate/BlockDimensions.h"

#include "dialects/lq/LqOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace lq;

static Attribute dimensionOf(Value value, int64_t dim, func::FuncOp main);

/// An index as an entry of `lq.shape`; null if it cannot be written as one.
static Attribute sizeOf(Value index, func::FuncOp main) {
  APInt constant;
  Builder builder(main.getContext());
  if (matchPattern(index, m_ConstantInt(&constant)))
    return builder.getI64IntegerAttr(constant.getSExtValue());
  if (auto extent = index.getDefiningOp<ExtentOp>())
    return builder.getStringAttr(extent.getDimension());
  if (auto dim = index.getDefiningOp<tensor::DimOp>())
    if (auto position = dim.getConstantIndex())
      return dimensionOf(dim.getSource(), *position, main);
  return {};
}

static Attribute sizeOf(OpFoldResult size, func::FuncOp main) {
  if (auto value = dyn_cast<Value>(size))
    return sizeOf(value, main);
  return cast<Attribute>(size);
}

/// The product of sizes of a tensor, of which one may be a dimension's.
static Attribute productOf(Value value, ArrayRef<int64_t> dims,
                           func::FuncOp main) {
  Builder builder(main.getContext());
  int64_t factor = 1;
  StringAttr name;
  for (int64_t dim : dims) {
    Attribute size = dimensionOf(value, dim, main);
    auto number = dyn_cast_or_null<IntegerAttr>(size);
    if (!number && (!size || name))
      return {};
    if (number)
      factor *= number.getInt();
    else
      name = cast<StringAttr>(size);
  }
  if (!name)
    return builder.getI64IntegerAttr(factor);
  if (factor == 1)
    return name;
  // A text with operators would need brackets.
  bool isName = llvm::none_of(name.getValue(), [](char c) { return c == ' '; });
  return isName ? builder.getStringAttr(llvm::Twine(factor) + " * " +
                                        name.getValue())
                : Attribute();
}

/// A size of a tensor as an entry of `lq.shape`; null if it is not known.
static Attribute dimensionOf(Value value, int64_t dim, func::FuncOp main) {
  auto type = cast<RankedTensorType>(value.getType());
  if (!type.isDynamicDim(dim))
    return Builder(main.getContext()).getI64IntegerAttr(type.getDimSize(dim));
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto shape = main.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(),
                                                  portShapeAttr);
    return shape ? shape[dim] : Attribute();
  }
  unsigned dynamic =
      llvm::count_if(type.getShape().take_front(dim), ShapedType::isDynamic);
  return llvm::TypeSwitch<Operation *, Attribute>(value.getDefiningOp())
      .Case<LinearOp, PermuteOp, EmbeddingOp, RmsNormOp, LayerNormOp, RopeOp,
            AttentionOp, ActivationOp, GluOp>([&](Operation *op) {
        // The last dimension is that of a weight or a head, and static.
        return dimensionOf(op->getOperand(0), dim, main);
      })
      .Case([&](tensor::EmptyOp empty) {
        return sizeOf(empty.getDynamicSizes()[dynamic], main);
      })
      .Case([&](tensor::CastOp cast) {
        return dimensionOf(cast.getSource(), dim, main);
      })
      .Case([&](tensor::ExpandShapeOp expand) {
        return sizeOf(expand.getMixedOutputShape()[dim], main);
      })
      .Case([&](tensor::ExtractSliceOp slice) {
        return slice.getSourceType().getRank() == type.getRank()
                   ? sizeOf(slice.getMixedSizes()[dim], main)
                   : Attribute();
      })
      .Case([&](tensor::CollapseShapeOp collapse) {
        return productOf(collapse.getSrc(),
                         collapse.getReassociationIndices()[dim], main);
      })
      .Case([&](DestinationStyleOpInterface op) {
        return dimensionOf(op.getTiedOpOperand(cast<OpResult>(value))->get(),
                           dim, main);
      })
      .Default(Attribute());
}

ArrayAttr lq::shapeOf(Value value, func::FuncOp main) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<Attribute> dims;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (Attribute dim = dimensionOf(value, i, main))
      dims.push_back(dim);
    else
      return {};
  return ArrayAttr::get(main.getContext(), dims);
}
