//===- GptqPass.cpp - encode weights by GPTQ ------------------------------===//

#include "passes/quantize/ContextThreads.h"
#include "passes/quantize/Gptq.h"
#include "passes/quantize/InputsOfWeights.h"
#include "passes/quantize/RoundToNearest.h"
#include "passes/quantize/WeightPass.h"

#include "llvm/Support/FormatVariadic.h"

#include <numeric>

namespace lq {
#define GEN_PASS_DEF_QUANTIZEGPTQ
#include "passes/quantize/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;

namespace {
/// Weights of a format that share an input, and what they share.
struct Shared {
  std::string input;
  FormatAttrInterface format;
  bool isTable = false;
  std::shared_ptr<const Gptq> gptq;
  std::vector<int32_t> order;
};

struct QuantizeGptqPass
    : WeightPass<lq::impl::QuantizeGptqBase<QuantizeGptqPass>> {
  using WeightPass::WeightPass;

  void runOnOperation() override {
    if (failed(run(getOperation())))
      signalPassFailure();
  }

private:
  LogicalResult run(ModuleOp module);
  FailureOr<WeightQuantizer> quantizerOf(EncodingJob &job, WeightFiles &files,
                                         InputsOfWeights &inputs);
  LogicalResult prepare(EncodingJob &job, const InputStatistics &input);
  GptqOptions optionsFor(const EncodingJob &job) const;

  /// Of the last weight.
  Shared shared;
};
} // namespace

GptqOptions QuantizeGptqPass::optionsFor(const EncodingJob &job) const {
  GptqOptions options;
  options.damping = damping;
  options.moreDamping = moreDamping;
  options.staticScales = staticScales;
  options.scales = scales;
  options.grid.norm = norm;
  // The rows of a table are looked up as well, where no input is zero.
  options.zeroDead = !job.uses.isTable;
  options.order = order == ColumnOrder::Groups    ? GptqOrder::Groups
                  : order == ColumnOrder::Columns ? GptqOrder::Columns
                                                  : GptqOrder::Given;
  return options;
}

/// Factors what weights share, unless the last one had the same.
LogicalResult QuantizeGptqPass::prepare(EncodingJob &job,
                                        const InputStatistics &input) {
  if (shared.gptq && shared.input == input.name &&
      shared.format == job.format && shared.isTable == job.uses.isTable)
    return success();
  shared = {input.name, job.format, job.uses.isTable, nullptr, {}};
  if (order == ColumnOrder::Stored && !job.uses.isTable)
    shared.order = importanceOrder(input);
  FormatAttrInterface format = job.format;
  auto gptq = Gptq::prepare(format.getDescription(),
                            {input.sumXX, {}, shared.order}, job.columns(),
                            optionsFor(job), ContextThreads{&getContext()});
  if (!gptq)
    return emitError(job.weight().getLoc())
           << "weight @" << job.weight().getSymName() << ": "
           << llvm::toString(gptq.takeError())
           << "; calibrate on more text or exclude the weight";
  if (gptq->damping() > damping)
    emitRemark(job.weight().getLoc())
        << "weight @" << job.weight().getSymName() << " needed a damping of "
        << llvm::formatv("{0:f2}", gptq->damping()).str();
  deadColumns += gptq->deadColumns();
  shared.gptq = std::make_shared<const Gptq>(std::move(*gptq));
  return success();
}

FailureOr<WeightQuantizer>
QuantizeGptqPass::quantizerOf(EncodingJob &job, WeightFiles &files,
                              InputsOfWeights &inputs) {
  auto found = inputs.find(job.uses, files, minTokens);
  if (failed(found))
    return failure();
  FormatAttrInterface format = job.format;
  if (!*found || !format.getDescription().hasCodes())
    return WeightQuantizer{[this](const FormatDescription &format,
                                  ArrayRef<float> weights, Planes &planes) {
                             roundBy(scales, {}, format, weights, planes, {});
                           },
                           {},
                           {}};
  if (failed(prepare(job, **found)))
    return failure();
  inputs.file().release(**found);
  return WeightQuantizer{
      [gptq = shared.gptq](const FormatDescription &, ArrayRef<float> weights,
                           Planes &planes) { gptq->quantize(weights, planes); },
      shared.order,
      {}};
}

LogicalResult QuantizeGptqPass::run(ModuleOp module) {
  auto inputs =
      InputsOfWeights::open(module, statistics, InputsOfWeights::SumXX);
  if (failed(inputs))
    return failure();
  SingleThreadedBlas blas;
  shared = {};
  auto totals = encodeWeights(module, encodingOptions(),
                              [&](EncodingJob &job, WeightFiles &files) {
                                return quantizerOf(job, files, *inputs);
                              });
  shared = {};
  if (failed(totals))
    return failure();
  inputs->remark();
  count(*totals);
  return success();
}

std::unique_ptr<Pass> lq::createQuantizeGptq(QuantizeGptqOptions options,
                                             ProgressCallback progress) {
  return std::make_unique<QuantizeGptqPass>(std::move(options),
                                            std::move(progress));
}
