//===- QuantizeActivations.cpp - int8 activations for integer products ----===//

#include "lowering/cpu/Passes.h"

#include "dialects/lq/LqOps.h"
#include "dialects/lq/Storage.h"

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
    // Quantized activations by what they quantize and their group.
    DenseMap<std::pair<Value, int64_t>, Value> shared;
    getOperation().walk([&](LinearOp linear) {
      auto type = cast<RankedTensorType>(linear.getX().getType());
      FormatAttrInterface format =
          getFormat(cast<RankedTensorType>(linear.getWeight().getType()));
      if (!format || !format.getDescription().hasCodes() || type.getEncoding())
        return;
      int64_t group = format.getDescription().group;
      Value &quantized = shared[{linear.getX(), group}];
      if (!quantized) {
        OpBuilder builder(&getContext());
        builder.setInsertionPointAfterValue(linear.getX());
        auto encoded =
            RankedTensorType::get(type.getShape(), type.getElementType(),
                                  Int8RowsAttr::get(&getContext(), group));
        quantized = QuantizeRowsOp::create(builder, linear.getLoc(), encoded,
                                           linear.getX());
      }
      linear.getXMutable().assign(quantized);
    });
  }
};

} // namespace
