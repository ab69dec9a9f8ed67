//===- KQuant.cpp - encode weights with searched scales -------------------===//

#include "passes/quantize/InputsOfWeights.h"
#include "passes/quantize/ScaleMethod.h"
#include "passes/quantize/WeightPass.h"

namespace lq {
#define GEN_PASS_DEF_KQUANT
#include "passes/quantize/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;

namespace {
struct KQuantPass : WeightPass<lq::impl::KQuantBase<KQuantPass>> {
  using WeightPass::WeightPass;

  void runOnOperation() override {
    std::optional<InputsOfWeights> inputs;
    if (!statistics.empty()) {
      auto opened = InputsOfWeights::open(getOperation(), statistics,
                                          InputsOfWeights::SumSquare);
      if (failed(opened))
        return signalPassFailure();
      inputs.emplace(std::move(*opened));
    }
    auto totals = encodeWeights(getOperation(), encodingOptions(),
                                [&](EncodingJob &job, WeightFiles &files) {
                                  return quantizerOf(job, files, inputs);
                                });
    if (failed(totals))
      return signalPassFailure();
    if (inputs)
      inputs->remark();
    count(*totals);
  }

private:
  FailureOr<WeightQuantizer>
  quantizerOf(EncodingJob &job, WeightFiles &files,
              std::optional<InputsOfWeights> &inputs) {
    ArrayRef<float> importance;
    if (inputs) {
      auto found = inputs->find(job.uses, files);
      if (failed(found))
        return failure();
      if (*found)
        importance = (*found)->sumSquare;
    }
    auto round = [importance](const FormatDescription &format,
                              ArrayRef<float> weights, Planes &planes) {
      roundBy(ScaleMethod::Squares, {}, format, weights, planes, importance);
    };
    return WeightQuantizer{round, {}, {}};
  }
};
} // namespace

std::unique_ptr<Pass> lq::createKQuant(KQuantOptions options,
                                       ProgressCallback progress) {
  return std::make_unique<KQuantPass>(std::move(options), std::move(progress));
}
