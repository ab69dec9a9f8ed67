//===- EntryPoints.cpp - a function for each way to call a model ----------===//

#include "lowering/exec/Passes.h"

#include "dialects/lq/LqOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace lq::exec {
#define GEN_PASS_DEF_ENTRYPOINTS
#include "lowering/exec/Passes.h.inc"
} // namespace lq::exec

using namespace lq;
using namespace lq::exec;

SmallVector<func::FuncOp> lq::exec::getEntries(ModuleOp module) {
  return llvm::filter_to_vector(
      module.getOps<func::FuncOp>(),
      [](func::FuncOp function) { return function->hasAttr(entryAttr); });
}

namespace {

//===----------------------------------------------------------------------===//
// Dimensions as affine texts
//===----------------------------------------------------------------------===//

/// Values of dimensions that are constant in an entry point.
using Constants = llvm::StringMap<int64_t>;

/// c + sum of factor * dimension, as written in `lq.shape`.
struct AffineDim {
  int64_t constant = 0;
  SmallVector<std::pair<int64_t, std::string>> terms;
};

/// Reads an entry of `lq.shape`: an integer, or "past + sequence", "2 * batch +
/// 1".
FailureOr<AffineDim> parseDim(Attribute attribute, Location loc) {
  AffineDim dim;
  if (auto number = dyn_cast<IntegerAttr>(attribute)) {
    dim.constant = number.getInt();
    return dim;
  }
  auto text = dyn_cast<StringAttr>(attribute);
  if (!text)
    return emitError(loc)
           << "expected lq.shape to hold integers and texts, got " << attribute;
  for (StringRef term : llvm::split(text.getValue(), '+')) {
    auto [left, right] = term.trim().split('*');
    int64_t factor = 1;
    StringRef name = left.trim();
    if (!right.empty()) {
      if (left.trim().getAsInteger(10, factor))
        return emitError(loc)
               << "expected 'number * dimension' in lq.shape, got '" << term
               << "'";
      name = right.trim();
    }
    int64_t number;
    if (!name.getAsInteger(10, number))
      dim.constant += factor * number;
    else
      dim.terms.emplace_back(factor, name.str());
  }
  return dim;
}

void foldConstants(AffineDim &dim, const Constants &constants) {
  llvm::erase_if(dim.terms, [&](auto &term) {
    auto known = constants.find(term.second);
    if (known == constants.end())
      return false;
    dim.constant += term.first * known->second;
    return true;
  });
}

/// The dimension's value as an index.
Value materialize(const AffineDim &dim, OpBuilder &builder, Location loc) {
  Value sum;
  for (auto &[factor, name] : dim.terms) {
    Value term =
        ExtentOp::create(builder, loc, builder.getIndexType(),
                         FlatSymbolRefAttr::get(builder.getContext(), name));
    if (factor != 1)
      term = arith::MulIOp::create(
          builder, loc, term,
          arith::ConstantIndexOp::create(builder, loc, factor));
    sum = sum ? arith::AddIOp::create(builder, loc, sum, term) : term;
  }
  if (dim.constant || !sum) {
    Value constant = arith::ConstantIndexOp::create(builder, loc, dim.constant);
    sum = sum ? arith::AddIOp::create(builder, loc, sum, constant) : constant;
  }
  return sum;
}

//===----------------------------------------------------------------------===//
// What is constant in an entry becomes constant in its types
//===----------------------------------------------------------------------===//

/// `type` with the leading dimensions of `model`, but for the last `keep`.
RankedTensorType withLeadingDims(RankedTensorType type, RankedTensorType model,
                                 int64_t keep) {
  SmallVector<int64_t> shape(model.getShape().drop_back(keep));
  llvm::append_range(shape, type.getShape().take_back(keep));
  return RankedTensorType::get(shape, type.getElementType(),
                               type.getEncoding());
}

/// The result type that the operands of an op of the lq dialect imply.
RankedTensorType inferResult(Operation *op, ValueRange operands) {
  auto result = cast<RankedTensorType>(op->getResult(0).getType());
  auto first = cast<RankedTensorType>(operands[0].getType());
  return llvm::TypeSwitch<Operation *, RankedTensorType>(op)
      .Case<LinearOp, AttentionOp>(
          [&](auto) { return withLeadingDims(result, first, 1); })
      .Case([&](EmbeddingOp) {
        SmallVector<int64_t> shape(first.getShape());
        shape.push_back(result.getShape().back());
        return RankedTensorType::get(shape, result.getElementType());
      })
      .Case<PermuteOp, QuantizeRowsOp, RmsNormOp, LayerNormOp, RopeOp,
            ActivationOp, GluOp>(
          [&](auto) { return withLeadingDims(result, first, 0); })
      .Default(result);
}

/// lq.op(cast(x)) -> cast(lq.op(x)), where x has the more static type.
struct PropagateStaticShape : RewritePattern {
  PropagateStaticShape(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), /*benefit=*/1, context) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (!isa_and_nonnull<LqDialect>(op->getDialect()) ||
        op->getNumResults() != 1 || op->getNumOperands() == 0)
      return failure();
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      auto cast = operand.getDefiningOp<tensor::CastOp>();
      bool refines = cast && tensor::preservesStaticInformation(
                                 operand.getType(), cast.getSource().getType());
      operands.push_back(refines ? cast.getSource() : operand);
    }
    if (llvm::equal(operands, op->getOperands()))
      return failure();
    RankedTensorType type = inferResult(op, operands);
    if (op->hasTrait<OpTrait::SameOperandsAndResultType>())
      for (Value &operand : operands)
        if (operand.getType() != type)
          operand =
              tensor::CastOp::create(rewriter, op->getLoc(), type, operand);
    OperationState state(op->getLoc(), op->getName(), operands, type,
                         op->getAttrs());
    state.propertiesAttr = op->getPropertiesAsAttribute();
    Operation *refined = rewriter.create(state);
    Type old = op->getResult(0).getType();
    if (type == old)
      rewriter.replaceOp(op, refined);
    else
      rewriter.replaceOpWithNewOp<tensor::CastOp>(op, old,
                                                  refined->getResult(0));
    return success();
  }
};

/// The size of a result of an lq op is the size of the operand it comes from.
struct ResolveDim : OpRewritePattern<tensor::DimOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::DimOp dim,
                                PatternRewriter &rewriter) const override {
    Operation *op = dim.getSource().getDefiningOp();
    std::optional<int64_t> index = dim.getConstantIndex();
    if (!index ||
        !isa_and_nonnull<LinearOp, AttentionOp, PermuteOp, QuantizeRowsOp,
                         RmsNormOp, LayerNormOp, RopeOp, ActivationOp, GluOp,
                         EmbeddingOp>(op))
      return failure();
    auto type = cast<RankedTensorType>(op->getOperand(0).getType());
    if (*index >= type.getRank())
      return failure();
    rewriter.replaceOpWithNewOp<tensor::DimOp>(dim, op->getOperand(0), *index);
    return success();
  }
};

/// The size of an input is the size of its buffer.
struct ResolveArgumentDim : OpRewritePattern<tensor::DimOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::DimOp dim,
                                PatternRewriter &rewriter) const override {
    auto tensor = dim.getSource().getDefiningOp<bufferization::ToTensorOp>();
    auto argument =
        tensor ? tensor.getBuffer().getDefiningOp<ArgumentOp>() : nullptr;
    std::optional<int64_t> index = dim.getConstantIndex();
    if (!argument || !index || !argument.getType().isDynamicDim(*index))
      return failure();
    unsigned dynamic =
        llvm::count_if(argument.getType().getShape().take_front(*index),
                       ShapedType::isDynamic);
    rewriter.replaceOp(dim, argument.getSizes()[dynamic]);
    return success();
  }
};

LogicalResult propagateStaticShapes(func::FuncOp entry) {
  MLIRContext *context = entry.getContext();
  RewritePatternSet patterns(context);
  patterns.add<PropagateStaticShape, ResolveDim, ResolveArgumentDim>(context);
  for (Dialect *dialect : context->getLoadedDialects())
    dialect->getCanonicalizationPatterns(patterns);
  for (RegisteredOperationName op : context->getRegisteredOperations())
    op.getCanonicalizationPatterns(patterns, context);
  return applyPatternsGreedily(entry, std::move(patterns));
}

//===----------------------------------------------------------------------===//
// Entries
//===----------------------------------------------------------------------===//

/// A way in which a model is called.
struct EntrySpec {
  StringRef name;
  Constants constants;
  int64_t leastRows, mostRows;
};

class EntryBuilder {
public:
  EntryBuilder(func::FuncOp main, const EntrySpec &spec)
      : main(main), spec(spec) {}

  LogicalResult build() {
    OpBuilder builder(main);
    entry = cast<func::FuncOp>(builder.clone(*main));
    entry.setName(("entry_" + spec.name).str());
    if (failed(replaceArguments()) || failed(replaceResults()))
      return failure();
    replaceConstants();
    entry->setAttr(entryAttr, builder.getStringAttr(spec.name));
    entry->setAttr(rowsAttr,
                   builder.getI64ArrayAttr({spec.leastRows, spec.mostRows}));
    return propagateStaticShapes(entry);
  }

private:
  /// Makes the buffer of argument `index` for a tensor with these dims.
  FailureOr<Value> makeBuffer(OpBuilder &builder, Location loc, int64_t index,
                              RankedTensorType type,
                              DictionaryAttr attributes) {
    auto dims = attributes ? attributes.getAs<ArrayAttr>("lq.shape") : nullptr;
    if (!dims || static_cast<int64_t>(dims.size()) != type.getRank())
      return emitError(loc)
             << "expected lq.shape with an entry for each of the "
             << type.getRank() << " dimensions of " << type;
    SmallVector<int64_t> shape;
    SmallVector<Value> sizes;
    for (Attribute attribute : dims) {
      FailureOr<AffineDim> dim = parseDim(attribute, loc);
      if (failed(dim))
        return failure();
      foldConstants(*dim, spec.constants);
      shape.push_back(dim->terms.empty() ? dim->constant
                                         : ShapedType::kDynamic);
      if (!dim->terms.empty())
        sizes.push_back(materialize(*dim, builder, loc));
    }
    auto buffer = MemRefType::get(shape, type.getElementType());
    return ArgumentOp::create(builder, loc, buffer,
                              builder.getI64IntegerAttr(index), sizes)
        .getResult();
  }

  Attribute describe(OpBuilder &builder, RankedTensorType type,
                     DictionaryAttr attributes) {
    return builder.getDictionaryAttr(
        {builder.getNamedAttr("name", attributes.get("lq.name")),
         builder.getNamedAttr("type", TypeAttr::get(type.getElementType())),
         builder.getNamedAttr("dims", attributes.get("lq.shape"))});
  }

  LogicalResult replaceArguments() {
    OpBuilder builder = OpBuilder::atBlockBegin(&entry.getBody().front());
    SmallVector<Attribute> inputs;
    for (BlockArgument argument : entry.getArguments()) {
      auto type = cast<RankedTensorType>(argument.getType());
      DictionaryAttr attributes = entry.getArgAttrDict(argument.getArgNumber());
      FailureOr<Value> buffer = makeBuffer(
          builder, entry.getLoc(), argument.getArgNumber(), type, attributes);
      if (failed(buffer))
        return failure();
      if (!attributes.get("lq.name"))
        return entry.emitError()
               << "expected lq.name on argument " << argument.getArgNumber();
      inputs.push_back(describe(builder, type, attributes));
      auto bufferType = cast<MemRefType>(buffer->getType());
      auto precise =
          RankedTensorType::get(bufferType.getShape(), type.getElementType());
      Value tensor = bufferization::ToTensorOp::create(
          builder, entry.getLoc(), precise, *buffer,
          /*restrict=*/true, /*writable=*/false);
      if (precise != type)
        tensor = tensor::CastOp::create(builder, entry.getLoc(), type, tensor);
      argument.replaceAllUsesWith(tensor);
    }
    entry->setAttr(inputsAttr, builder.getArrayAttr(inputs));
    return success();
  }

  LogicalResult replaceResults() {
    Operation *terminator = entry.getBody().front().getTerminator();
    OpBuilder builder(terminator);
    SmallVector<Attribute> outputs;
    int64_t first = entry.getNumArguments();
    for (OpOperand &operand : terminator->getOpOperands()) {
      auto type = cast<RankedTensorType>(operand.get().getType());
      DictionaryAttr attributes =
          entry.getResultAttrDict(operand.getOperandNumber());
      FailureOr<Value> buffer =
          makeBuffer(builder, entry.getLoc(),
                     first + operand.getOperandNumber(), type, attributes);
      if (failed(buffer))
        return failure();
      if (!attributes.get("lq.name"))
        return entry.emitError()
               << "expected lq.name on result " << operand.getOperandNumber();
      outputs.push_back(describe(builder, type, attributes));
      auto bufferType = cast<MemRefType>(buffer->getType());
      auto precise =
          RankedTensorType::get(bufferType.getShape(), type.getElementType());
      Value value = operand.get();
      if (precise != type)
        value = tensor::CastOp::create(builder, entry.getLoc(), precise, value);
      bufferization::MaterializeInDestinationOp::create(
          builder, entry.getLoc(), TypeRange(), value, *buffer,
          /*restrict=*/true,
          /*writable=*/true);
    }
    entry->setAttr(outputsAttr, builder.getArrayAttr(outputs));
    terminator->setOperands({});
    entry.getBody().front().eraseArguments([](BlockArgument) { return true; });
    entry.setType(builder.getFunctionType({}, {}));
    entry.removeArgAttrsAttr();
    entry.removeResAttrsAttr();
    return success();
  }

  void replaceConstants() {
    entry.walk([&](ExtentOp extent) {
      auto known = spec.constants.find(extent.getDimension());
      if (known == spec.constants.end())
        return;
      OpBuilder builder(extent);
      extent.replaceAllUsesWith(arith::ConstantIndexOp::create(
                                    builder, extent.getLoc(), known->second)
                                    .getResult());
      extent.erase();
    });
  }

  func::FuncOp main, entry;
  const EntrySpec &spec;
};

struct EntryPointsPass : exec::impl::EntryPointsBase<EntryPointsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>("main");
    if (!main) {
      module.emitError() << "expected a function @main, as lq-raise makes it";
      return signalPassFailure();
    }
    for (const EntrySpec &spec : getSpecs(module))
      if (failed(EntryBuilder(main, spec).build()))
        return signalPassFailure();
    main.erase();
  }

private:
  static SmallVector<EntrySpec> getSpecs(ModuleOp module) {
    auto model = module->getAttrOfType<DictionaryAttr>("lq.model");
    auto kind = model ? model.getAs<StringAttr>("kind") : nullptr;
    if (!kind || kind.getValue() != "generative")
      return {{"main", {}, 1, 1}};
    auto sequence = module.lookupSymbol<DimensionOp>("sequence");
    int64_t most = sequence ? sequence.getMax() : 1;
    EntrySpec decode{"decode", {}, 1, 1};
    decode.constants["sequence"] = 1;
    decode.constants["logits"] = 1;
    return {{"prefill", {}, 1, most}, decode};
  }
};

} // namespace
