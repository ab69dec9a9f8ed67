//===- Bounds.cpp - bounds of index values --------------------------------===//

#include "lowering/exec/Bounds.h"

#include "dialects/lq/LqOps.h"
#include "lowering/exec/ExecDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace lq::exec;

static Interval add(Interval a, Interval b) {
  return {a.least + b.least, a.most + b.most};
}

static Interval multiply(Interval a, Interval b) {
  auto [least, most] = std::minmax(
      {a.least * b.least, a.least * b.most, a.most * b.least, a.most * b.most});
  return {least, most};
}

/// Bounds of an affine expression over operands that have bounds.
static std::optional<Interval> boundExpression(AffineExpr expression,
                                               unsigned dims,
                                               ArrayRef<Interval> operands) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expression))
    return Interval{constant.getValue(), constant.getValue()};
  if (auto dim = dyn_cast<AffineDimExpr>(expression))
    return operands[dim.getPosition()];
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expression))
    return operands[dims + symbol.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(expression);
  auto left = boundExpression(binary.getLHS(), dims, operands);
  auto right = boundExpression(binary.getRHS(), dims, operands);
  if (!left || !right)
    return std::nullopt;
  switch (expression.getKind()) {
  case AffineExprKind::Add:
    return add(*left, *right);
  case AffineExprKind::Mul:
    return multiply(*left, *right);
  case AffineExprKind::FloorDiv:
  case AffineExprKind::CeilDiv:
    // Divisors are positive constants in affine maps.
    return Interval{std::min<int64_t>(left->least, 0),
                    std::max<int64_t>(left->most, 0)};
  default:
    return Interval{0, right->most - 1};
  }
}

static std::optional<Interval> boundApply(affine::AffineApplyOp apply) {
  SmallVector<Interval> operands;
  for (Value operand : apply.getOperands()) {
    auto bound = boundIndex(operand);
    if (!bound)
      return std::nullopt;
    operands.push_back(*bound);
  }
  AffineMap map = apply.getAffineMap();
  return boundExpression(map.getResult(0), map.getNumDims(), operands);
}

std::optional<Interval> lq::exec::boundDimension(Value source,
                                                 int64_t dimension) {
  auto type = cast<ShapedType>(source.getType());
  if (!type.isDynamicDim(dimension))
    return Interval{type.getDimSize(dimension), type.getDimSize(dimension)};
  Operation *op = source.getDefiningOp();
  if (!op)
    return std::nullopt;
  unsigned dynamic = llvm::count_if(type.getShape().take_front(dimension),
                                    ShapedType::isDynamic);
  auto boundSlice = [&](auto slice) -> std::optional<Interval> {
    if (slice.getSourceType().getRank() != slice.getType().getRank())
      return std::nullopt;
    return boundIndex(cast<Value>(slice.getMixedSizes()[dimension]));
  };
  auto boundCollapse = [&](auto view) -> std::optional<Interval> {
    Interval product{1, 1};
    SmallVector<ReassociationIndices> groups = view.getReassociationIndices();
    for (int64_t part : groups[dimension]) {
      auto bound = boundDimension(view.getSrc(), part);
      if (!bound)
        return std::nullopt;
      product = multiply(product, *bound);
    }
    return product;
  };
  auto boundExpand = [&](auto view) {
    return boundIndex(cast<Value>(view.getMixedOutputShape()[dimension]));
  };
  return llvm::TypeSwitch<Operation *, std::optional<Interval>>(op)
      .Case<ArgumentOp, ArenaOp>(
          [&](auto buffer) { return boundIndex(buffer.getSizes()[dynamic]); })
      .Case<memref::AllocOp, tensor::EmptyOp>([&](auto empty) {
        return boundIndex(empty.getDynamicSizes()[dynamic]);
      })
      .Case<memref::CastOp, tensor::CastOp>([&](auto view) {
        return boundDimension(view.getSource(), dimension);
      })
      .Case([&](bufferization::ToTensorOp view) {
        return boundDimension(view.getBuffer(), dimension);
      })
      .Case<memref::ExpandShapeOp, tensor::ExpandShapeOp>(boundExpand)
      .Case<memref::SubViewOp, tensor::ExtractSliceOp>(boundSlice)
      .Case<memref::CollapseShapeOp, tensor::CollapseShapeOp>(boundCollapse)
      .Case([&](DestinationStyleOpInterface op) {
        return boundDimension(
            op.getTiedOpOperand(cast<OpResult>(source))->get(), dimension);
      })
      .Default(std::optional<Interval>());
}

std::optional<Interval> lq::exec::boundIndex(Value value) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return Interval{constant.getSExtValue(), constant.getSExtValue()};
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  auto binary = [&](auto &&combine) -> std::optional<Interval> {
    auto left = boundIndex(op->getOperand(0)),
         right = boundIndex(op->getOperand(1));
    if (!left || !right)
      return std::nullopt;
    return combine(*left, *right);
  };
  return llvm::TypeSwitch<Operation *, std::optional<Interval>>(op)
      .Case([&](ExtentOp extent) -> std::optional<Interval> {
        auto dimension = SymbolTable::lookupNearestSymbolFrom<DimensionOp>(
            extent, extent.getDimensionAttr());
        return Interval{0, static_cast<int64_t>(dimension.getMax())};
      })
      .Case([&](arith::AddIOp) { return binary(add); })
      .Case([&](arith::SubIOp) {
        return binary([](Interval a, Interval b) {
          return Interval{a.least - b.most, a.most - b.least};
        });
      })
      .Case([&](arith::MulIOp) { return binary(multiply); })
      .Case([&](arith::MaxSIOp) {
        return binary([](Interval a, Interval b) {
          return Interval{std::max(a.least, b.least), std::max(a.most, b.most)};
        });
      })
      .Case([&](arith::MinSIOp) {
        return binary([](Interval a, Interval b) {
          return Interval{std::min(a.least, b.least), std::min(a.most, b.most)};
        });
      })
      .Case<arith::DivSIOp, arith::DivUIOp, arith::FloorDivSIOp,
            arith::CeilDivSIOp>([&](Operation *) -> std::optional<Interval> {
        auto left = boundIndex(op->getOperand(0)),
             right = boundIndex(op->getOperand(1));
        if (!left || !right || left->least < 0 || right->least < 1)
          return std::nullopt;
        return Interval{left->least / right->most,
                        (left->most + right->least - 1) / right->least};
      })
      .Case<arith::IndexCastOp, arith::ExtSIOp, arith::ExtUIOp>(
          [&](Operation *) { return boundIndex(op->getOperand(0)); })
      .Case([&](affine::AffineApplyOp apply) { return boundApply(apply); })
      .Case<memref::DimOp, tensor::DimOp>(
          [&](auto dim) -> std::optional<Interval> {
            auto index = dim.getConstantIndex();
            return index ? boundDimension(dim.getSource(), *index)
                         : std::nullopt;
          })
      .Default(std::optional<Interval>());
}
