//===- QuantizeRtn.cpp - encode weights by rounding to nearest ------------===//

#include "passes/quantize/Passes.h"
#include "passes/quantize/RoundToNearest.h"
#include "passes/quantize/WeightEncoder.h"

namespace lq {
#define GEN_PASS_DEF_QUANTIZERTN
#include "passes/quantize/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;

namespace {
struct QuantizeRtnPass : lq::impl::QuantizeRtnBase<QuantizeRtnPass> {
  using QuantizeRtnBase::QuantizeRtnBase;
  QuantizeRtnPass(QuantizeRtnOptions options, ProgressCallback callback)
      : QuantizeRtnBase(std::move(options)), callback(std::move(callback)) {}

  void runOnOperation() override {
    EncodingOptions options{format,
                            archive,
                            include,
                            exclude,
                            embeddings,
                            requantize,
                            callback ? callback : progressIf(progress)};
    auto round = [](const FormatDescription &format, ArrayRef<float> weights,
                    Planes &planes) {
      roundToNearest(format, weights, planes);
    };
    auto totals = encodeWeights(getOperation(), options,
                                [&](EncodingJob &, WeightFiles &) {
                                  return WeightQuantizer{round, {}, {}};
                                });
    if (failed(totals))
      return signalPassFailure();
    encodedWeights += totals->weights;
    fallbackWeights += totals->fallbacks;
    elements += totals->elements;
    storageBytes += totals->bytes;
  }

private:
  ProgressCallback callback;
};
} // namespace

std::unique_ptr<Pass> lq::createQuantizeRtn(QuantizeRtnOptions options,
                                            ProgressCallback progress) {
  return std::make_unique<QuantizeRtnPass>(std::move(options),
                                           std::move(progress));
}
