//===- Taps.cpp - what a block gives beside its stream --------------------===//

#include "dialects/lq/LqOps.h"
#include "passes/calibrate/BlockDimensions.h"
#include "passes/calibrate/Blocks.h"
#include "passes/calibrate/SingleCall.h"

using namespace mlir;
using namespace lq;

FailureOr<std::vector<Tap>> lq::addTaps(ModelBlock &block) {
  auto main = block.module->lookupSymbol<func::FuncOp>("main");
  Operation *terminator = main.getBody().front().getTerminator();
  llvm::MapVector<Value, Tap> taps;
  main.walk([&](LinearOp linear) {
    auto get = linear.getWeight().getDefiningOp<GetOp>();
    if (!get)
      return;
    Tap &tap = taps[linear.getX()];
    if (!llvm::is_contained(tap.weights, get.getWeight()))
      tap.weights.push_back(get.getWeight().str());
    tap.columns = linear.getX().getType().getShape().back();
  });
  Builder builder(main.getContext());
  std::vector<Tap> result;
  for (auto &[value, tap] : taps) {
    ArrayAttr shape = shapeOf(value, main);
    if (!shape)
      return emitError(value.getLoc())
             << "the size of what weight @" << tap.weights.front()
             << " is multiplied by does not follow from the inputs' shapes";
    tap.result = "tap " + std::to_string(result.size());
    unsigned index = main.getNumResults();
    (void)main.insertResult(
        index, value.getType(),
        builder.getDictionaryAttr(
            {builder.getNamedAttr(portNameAttr,
                                  builder.getStringAttr(tap.result)),
             builder.getNamedAttr(portShapeAttr, shape)}));
    terminator->insertOperands(index, value);
    result.push_back(std::move(tap));
  }
  return result;
}

void lq::dropResults(ModelBlock &block,
                     llvm::function_ref<bool(StringRef)> isDropped) {
  auto main = block.module->lookupSymbol<func::FuncOp>("main");
  Operation *terminator = main.getBody().front().getTerminator();
  BitVector dropped(main.getNumResults());
  for (unsigned i = 0; i < main.getNumResults(); ++i)
    dropped[i] = isDropped(
        main.getResultAttrOfType<StringAttr>(i, portNameAttr).getValue());
  terminator->eraseOperands(dropped);
  (void)main.eraseResults(dropped);
  eraseDead(main);
  for (auto weight :
       llvm::make_early_inc_range(block.module->getOps<WeightOp>()))
    if (SymbolTable::symbolKnownUseEmpty(weight, *block.module))
      weight.erase();
}
