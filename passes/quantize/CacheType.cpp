//===- CacheType.cpp - the element type of the caches ---------------------===//

#include "passes/quantize/Passes.h"

#include "dialects/lq/LqOps.h"
#include "dialects/lq/Storage.h"

using namespace mlir;

namespace lq {
#define GEN_PASS_DEF_CACHETYPE
#include "passes/quantize/Passes.h.inc"
} // namespace lq

using namespace lq;

static bool hasCodes(ModuleOp module) {
  return llvm::any_of(module.getOps<WeightOp>(), [](WeightOp weight) {
    FormatAttrInterface format = getFormat(weight.getTensorType());
    return format && format.getDescription().hasCodes();
  });
}

namespace {

struct CacheTypePass : lq::impl::CacheTypeBase<CacheTypePass> {
  using CacheTypeBase::CacheTypeBase;

  void runOnOperation() override {
    if (type != "auto" && type != "f16" && type != "f32") {
      getOperation().emitError()
          << "expected a cache type of auto, f16 or f32, got '" << type << "'";
      return signalPassFailure();
    }
    bool half = type == "f16" || (type == "auto" && hasCodes(getOperation()));
    FloatType element = half ? FloatType(Float16Type::get(&getContext()))
                             : Float32Type::get(&getContext());
    for (auto cache : getOperation().getOps<CacheOp>())
      cache.setElementType(element);
  }
};

} // namespace
