//===- QuantizeRtn.cpp - encode weights by rounding to nearest ------------===//

#include "passes/quantize/RoundToNearest.h"
#include "passes/quantize/WeightPass.h"

namespace lq {
#define GEN_PASS_DEF_QUANTIZERTN
#include "passes/quantize/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;

namespace {
struct QuantizeRtnPass
    : WeightPass<lq::impl::QuantizeRtnBase<QuantizeRtnPass>> {
  using WeightPass::WeightPass;

  void runOnOperation() override {
    auto round = [](const FormatDescription &format, ArrayRef<float> weights,
                    Planes &planes) {
      roundToNearest(format, weights, planes);
    };
    auto totals = encodeWeights(getOperation(), encodingOptions(),
                                [&](EncodingJob &, WeightFiles &) {
                                  return WeightQuantizer{round, {}, {}};
                                });
    if (failed(totals))
      return signalPassFailure();
    count(*totals);
  }
};
} // namespace

std::unique_ptr<Pass> lq::createQuantizeRtn(QuantizeRtnOptions options,
                                            ProgressCallback progress) {
  return std::make_unique<QuantizeRtnPass>(std::move(options),
                                           std::move(progress));
}
