//===- SingleCall.cpp - a model as it is called once ----------------------===//

#include "passes/calibrate/SingleCall.h"

#include "dialects/lq/LqOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/calibrate/BlockDimensions.h"

using namespace mlir;
using namespace lq;

/// Applies `map` to each dimension of the shapes of arguments and results.
static void mapShapes(func::FuncOp main,
                      llvm::function_ref<Attribute(Attribute)> map) {
  auto mapped = [&](Attribute shape) {
    return ArrayAttr::get(main.getContext(),
                          llvm::map_to_vector(cast<ArrayAttr>(shape), map));
  };
  for (unsigned i = 0; i < main.getNumArguments(); ++i)
    main.setArgAttr(i, portShapeAttr,
                    mapped(main.getArgAttr(i, portShapeAttr)));
  for (unsigned i = 0; i < main.getNumResults(); ++i)
    main.setResultAttr(i, portShapeAttr,
                       mapped(main.getResultAttr(i, portShapeAttr)));
}

/// Makes dimensions constants.
static void fixDimensions(ModuleOp module, func::FuncOp main,
                          const llvm::StringMap<int64_t> &fixed) {
  Builder attributes(module.getContext());
  main.walk([&](ExtentOp extent) {
    auto found = fixed.find(extent.getDimension());
    if (found == fixed.end())
      return;
    OpBuilder builder(extent);
    Value constant =
        arith::ConstantIndexOp::create(builder, extent.getLoc(), found->second);
    extent.replaceAllUsesWith(constant);
    extent.erase();
  });
  mapShapes(main, [&](Attribute dim) -> Attribute {
    auto text = dyn_cast<StringAttr>(dim);
    auto found = text ? fixed.find(text.getValue()) : fixed.end();
    return found == fixed.end() ? dim
                                : attributes.getI64IntegerAttr(found->second);
  });
  for (auto dimension :
       llvm::make_early_inc_range(module.getOps<DimensionOp>()))
    if (fixed.contains(dimension.getSymName()))
      dimension.erase();
}

/// Rows of logits that are left out where fewer are wanted than there are tokens.
static bool isLogitsSlice(tensor::ExtractSliceOp slice) {
  return slice.getType() == slice.getSourceType() &&
         llvm::any_of(slice.getSizes(), [](Value size) {
           auto extent = size.getDefiningOp<ExtentOp>();
           return extent && extent.getDimension() == "logits";
         });
}

/// Replaces caches by the tensors that are appended to them.
static void dropCaches(ModuleOp module) {
  module.walk([](AppendOp append) {
    append.replaceAllUsesWith(append.getX());
    append.erase();
  });
  for (auto cache : llvm::make_early_inc_range(module.getOps<CacheOp>()))
    cache.erase();
}

/// Makes a generative model one that is called once, on an empty cache, for the
/// logits of all tokens.
static void simplifyGenerative(ModuleOp module, func::FuncOp main,
                               int64_t maxSequence) {
  dropCaches(module);
  main.walk([](tensor::ExtractSliceOp slice) {
    if (isLogitsSlice(slice))
      slice.replaceAllUsesWith(slice.getSource());
  });
  main.walk([](ExtentOp extent) {
    if (extent.getDimension() == "logits")
      extent.setDimension("sequence");
  });
  Builder builder(module.getContext());
  mapShapes(main, [&](Attribute dim) -> Attribute {
    bool isLogits = dim == builder.getStringAttr("logits");
    return isLogits ? builder.getStringAttr("sequence") : dim;
  });
  for (auto dimension :
       llvm::make_early_inc_range(module.getOps<DimensionOp>()))
    if (dimension.getSymName() == "logits")
      dimension.erase();
    else if (maxSequence && dimension.getSymName() == "sequence")
      dimension.setMax(maxSequence);
  fixDimensions(module, main, {{"past", 0}});
}

void lq::makeSingleCall(ModuleOp module, func::FuncOp main,
                        const BlockOptions &options) {
  Builder builder(module.getContext());
  auto model = module->getAttrOfType<DictionaryAttr>("lq.model");
  if (model.getAs<StringAttr>("kind") == "generative")
    simplifyGenerative(module, main, options.maxSequence);
  fixDimensions(module, main, options.fixed);
  module->setAttr("lq.model", builder.getDictionaryAttr(builder.getNamedAttr(
                                  "kind", builder.getStringAttr("tensors"))));
  eraseDead(main);
}

void lq::eraseDead(func::FuncOp main) {
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(main.getBody().front())))
    if (isOpTriviallyDead(&op))
      op.erase();
}
