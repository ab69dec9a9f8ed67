//===- DecomposeActivations.cpp - activations as linalg.generic -----------===//

#include "lowering/exec/Passes.h"

#include "dialects/lq/LqOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"
#include <numbers>

using namespace mlir;

namespace lq::exec {
#define GEN_PASS_DEF_DECOMPOSEACTIVATIONS
#include "lowering/exec/Passes.h.inc"
} // namespace lq::exec

using namespace lq;

namespace {

/// Scalar arithmetic on f32 at one place.
struct Scalars {
  OpBuilder &builder;
  Location loc;

  Value constant(double value) const {
    return arith::ConstantOp::create(builder, loc,
                                     builder.getF32FloatAttr(value));
  }
  Value add(Value a, Value b) const {
    return arith::AddFOp::create(builder, loc, a, b);
  }
  Value multiply(Value a, Value b) const {
    return arith::MulFOp::create(builder, loc, a, b);
  }
  Value tanh(Value x) const { return math::TanhOp::create(builder, loc, x); }
  Value relu(Value x) const {
    return arith::MaximumFOp::create(builder, loc, x, constant(0));
  }
  /// 1 / (1 + exp(-slope x))
  Value sigmoid(Value x, double slope = 1) const {
    Value power =
        math::ExpOp::create(builder, loc, multiply(x, constant(-slope)));
    return arith::DivFOp::create(builder, loc, constant(1),
                                 add(power, constant(1)));
  }
};

Value activate(const Scalars &f, ActivationKind kind, Value x) {
  switch (kind) {
  case ActivationKind::Silu:
    return f.multiply(x, f.sigmoid(x));
  case ActivationKind::Gelu: {
    Value erf = math::ErfOp::create(
        f.builder, f.loc, f.multiply(x, f.constant(std::numbers::sqrt2 / 2)));
    return f.multiply(f.multiply(x, f.constant(0.5)),
                      f.add(erf, f.constant(1)));
  }
  case ActivationKind::GeluTanh: {
    // 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), Hendrycks and Gimpel
    // 2016.
    Value square = f.multiply(x, x);
    Value inner = f.multiply(
        x, f.add(f.multiply(square, f.constant(0.044715)), f.constant(1)));
    Value scaled = f.multiply(inner, f.constant(0.7978845608028654));
    return f.multiply(f.multiply(x, f.constant(0.5)),
                      f.add(f.tanh(scaled), f.constant(1)));
  }
  case ActivationKind::QuickGelu:
    return f.multiply(x, f.sigmoid(x, 1.702));
  case ActivationKind::Relu:
    return f.relu(x);
  case ActivationKind::Relu2:
    return f.multiply(f.relu(x), f.relu(x));
  case ActivationKind::Tanh:
    return f.tanh(x);
  case ActivationKind::Sigmoid:
    return f.sigmoid(x);
  }
  llvm_unreachable("all kinds are handled");
}

template <typename Body>
Value mapElements(PatternRewriter &rewriter, Location loc, ValueRange inputs,
                  Body body) {
  auto type = cast<RankedTensorType>(inputs[0].getType());
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(rewriter, loc, inputs[0]);
  Value empty =
      tensor::EmptyOp::create(rewriter, loc, sizes, type.getElementType());
  SmallVector<AffineMap> maps(inputs.size() + 1,
                              rewriter.getMultiDimIdentityMap(type.getRank()));
  SmallVector<utils::IteratorType> iterators(type.getRank(),
                                             utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      rewriter, loc, type, inputs, empty, maps, iterators,
      [&](OpBuilder &builder, Location inner, ValueRange elements) {
        linalg::YieldOp::create(builder, inner,
                                body(Scalars{builder, inner}, elements));
      });
  return generic.getResult(0);
}

struct DecomposeActivation : OpRewritePattern<ActivationOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ActivationOp op,
                                PatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, mapElements(rewriter, op.getLoc(), op.getX(),
                                       [&](Scalars f, ValueRange elements) {
                                         return activate(f, op.getKind(),
                                                         elements[0]);
                                       }));
    return success();
  }
};

struct DecomposeGlu : OpRewritePattern<GluOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(GluOp op,
                                PatternRewriter &rewriter) const override {
    auto body = [&](Scalars f, ValueRange elements) {
      return f.multiply(activate(f, op.getKind(), elements[0]), elements[1]);
    };
    rewriter.replaceOp(
        op, mapElements(rewriter, op.getLoc(), op->getOperands(), body));
    return success();
  }
};

struct DecomposeActivationsPass
    : exec::impl::DecomposeActivationsBase<DecomposeActivationsPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<DecomposeActivation, DecomposeGlu>(&getContext());
    walkAndApplyPatterns(getOperation(), std::move(patterns));
  }
};

} // namespace
