//===- QuantizeActivations.cpp - int8 activations for integer products ----===//

#include "lowering/cpu/Passes.h"

#include "dialects/lq/LqOps.h"
#include "dialects/lq/Storage.h"
#include "dialects/lq/Tile.h"

using namespace mlir;

namespace lq::cpu {
#define GEN_PASS_DEF_QUANTIZEACTIVATIONS
#include "lowering/cpu/Passes.h.inc"
} // namespace lq::cpu

using namespace lq;

namespace {

struct QuantizeActivationsPass
    : cpu::impl::QuantizeActivationsBase<QuantizeActivationsPass> {
  void runOnOperation() override {
    // Quantized activations by what they quantize.
    DenseMap<Value, Value> shared;
    getOperation().walk([&](LinearOp linear) {
      auto type = cast<RankedTensorType>(linear.getX().getType());
      FormatAttrInterface format =
          getFormat(cast<RankedTensorType>(linear.getWeight().getType()));
      if (!format || !format.getDescription().hasCodes() || type.getEncoding())
        return;
      Value &quantized = shared[linear.getX()];
      if (!quantized) {
        OpBuilder builder(&getContext());
        builder.setInsertionPointAfterValue(linear.getX());
        auto encoded = RankedTensorType::get(
            type.getShape(), type.getElementType(),
            Int8RowsAttr::get(&getContext(), tileColumns));
        // An order costs nothing where the activations are read anyway.
        auto permute = linear.getX().getDefiningOp<PermuteOp>();
        quantized =
            QuantizeRowsOp::create(builder, linear.getLoc(), encoded,
                                   permute ? permute.getX() : linear.getX(),
                                   permute ? permute.getOrder() : Value());
      }
      linear.getXMutable().assign(quantized);
    });
    getOperation().walk([](PermuteOp permute) {
      if (permute->use_empty())
        permute.erase();
    });
  }
};

} // namespace
