//===- MathToPolynomials.cpp - math functions without a library -----------===//

#include "lowering/codegen/MathToPolynomials.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace {

/// exp in f32, for scalars and vectors: e^x = 2^n e^r, n = round(x log2 e),
/// |r| <= ln 2 / 2, with the reduction of Cody and Waite (1980) in two steps
/// and a polynomial of degree 6 for e^r. Within 1.1 units in the last place
/// where the result is normal; smaller results are 0.
struct ExpToPolynomial : OpRewritePattern<math::ExpOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::ExpOp op,
                                PatternRewriter &rewriter) const override {
    Type type = op.getType();
    if (!getElementTypeOrSelf(type).isF32())
      return rewriter.notifyMatchFailure(op, "expected f32");
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(op, expand(b, type, op.getOperand()));
    return success();
  }

private:
  static Value constant(ImplicitLocOpBuilder &b, Type type, float value) {
    TypedAttr attr = b.getF32FloatAttr(value);
    if (auto shaped = dyn_cast<ShapedType>(type))
      attr = DenseElementsAttr::get(shaped, attr);
    return arith::ConstantOp::create(b, attr);
  }

  static Value constant(ImplicitLocOpBuilder &b, Type type, int32_t value) {
    TypedAttr attr = b.getI32IntegerAttr(value);
    if (auto shaped = dyn_cast<ShapedType>(type))
      attr = DenseElementsAttr::get(shaped, attr);
    return arith::ConstantOp::create(b, attr);
  }

  static Value expand(ImplicitLocOpBuilder &b, Type type, Value x) {
    Type integers = b.getI32Type();
    if (auto shaped = dyn_cast<ShapedType>(type))
      integers = shaped.clone(integers);
    auto f32 = [&](float value) { return constant(b, type, value); };
    auto select = [&](arith::CmpFPredicate predicate, Value lhs, Value rhs,
                      Value ifTrue, Value ifFalse) -> Value {
      Value test = arith::CmpFOp::create(b, predicate, lhs, rhs);
      return arith::SelectOp::create(b, test, ifTrue, ifFalse);
    };
    // Beyond these the result is 0 or infinite; a NaN passes through, as it
    // compares false and stays in the second operand.
    Value low = f32(-87.0f), high = f32(89.0f);
    Value inside = select(arith::CmpFPredicate::OGT, low, x, low, x);
    inside = select(arith::CmpFPredicate::OLT, high, inside, high, inside);

    Value scaled = arith::MulFOp::create(b, inside, f32(1.44269504088896341f));
    Value n = math::RoundEvenOp::create(b, scaled);
    Value r = math::FmaOp::create(b, n, f32(-0.693359375f), inside);
    r = math::FmaOp::create(b, n, f32(2.12194440e-4f), r);

    // Coefficients of the minimax fit of (e^r - 1 - r) / r^2 on |r| <= ln 2
    // / 2.
    constexpr float coefficients[] = {1.3981999507e-3f, 8.3334519073e-3f,
                                      4.1665795894e-2f, 1.6666665459e-1f,
                                      5.0000001201e-1f};
    Value p = f32(1.9875691500e-4f);
    for (float c : coefficients)
      p = math::FmaOp::create(b, p, r, f32(c));
    Value square = arith::MulFOp::create(b, r, r);
    p = math::FmaOp::create(b, p, square, r);
    p = arith::AddFOp::create(b, p, f32(1.0f));

    // 2^(n-1) twice: n may be 128.
    Value exponent = arith::FPToSIOp::create(b, integers, n);
    exponent = arith::AddIOp::create(b, exponent, constant(b, integers, 126));
    exponent = arith::ShLIOp::create(b, exponent, constant(b, integers, 23));
    Value power = arith::BitcastOp::create(b, type, exponent);
    Value result = arith::MulFOp::create(b, p, power);
    result = arith::AddFOp::create(b, result, result);
    return select(arith::CmpFPredicate::OLT, x, f32(-86.9f), f32(0.0f), result);
  }
};

/// Functions that have an instruction, or become plain arithmetic in
/// math-to-llvm.
bool isNative(StringRef name) {
  static const llvm::StringSet<> names = {
      "math.absf",  "math.absi", "math.ceil",  "math.copysign",
      "math.floor", "math.fma",  "math.rsqrt", "math.roundeven",
      "math.sqrt",  "math.trunc"};
  return names.contains(name);
}

struct MathToPolynomialsPass
    : PassWrapper<MathToPolynomialsPass, OperationPass<>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(MathToPolynomialsPass)

  StringRef getArgument() const final { return "lq-math-to-polynomials"; }
  StringRef getDescription() const final {
    return "Functions of the math library as polynomials: code that calls no "
           "library";
  }
  void getDependentDialects(DialectRegistry &registry) const final {
    registry.insert<arith::ArithDialect, math::MathDialect,
                    vector::VectorDialect>();
  }
  void runOnOperation() final {
    RewritePatternSet patterns(&getContext());
    lq::populateMathToPolynomialsPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace

void lq::populateMathToPolynomialsPatterns(RewritePatternSet &patterns) {
  patterns.add<ExpToPolynomial>(patterns.getContext(), /*benefit=*/10);
  auto expanded = [](StringRef name) { return !isNative(name); };
  populateMathF32ExpansionPatterns(patterns, expanded);
  populateMathPolynomialApproximationPatterns(patterns, [](StringRef name) {
    return !isNative(name) && name != "math.exp";
  });
  math::populateExpansionPatterns(patterns, {"sinh", "cosh", "tan", "asinh",
                                             "acosh", "atanh", "powf", "fpowi",
                                             "exp2", "round", "clampf"});
}

std::unique_ptr<Pass> lq::createMathToPolynomialsPass() {
  return std::make_unique<MathToPolynomialsPass>();
}
