//===- Exl2Pass.cpp - encode weights as EXL2 under a budget ---------------===//

#include "passes/quantize/ContextThreads.h"
#include "passes/quantize/Exl2Candidates.h"
#include "passes/quantize/InputsOfWeights.h"
#include "passes/quantize/RoundToNearest.h"
#include "passes/quantize/WeightPass.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

namespace lq {
#define GEN_PASS_DEF_QUANTIZEEXL2
#include "passes/quantize/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;

namespace {
/// A weight, the statistics of its input, and what it may become.
struct Matrix {
  EncodingJob job;
  InputStatistics input;
  std::vector<FormatAttrInterface> candidates;
};

struct QuantizeExl2Pass
    : WeightPass<lq::impl::QuantizeExl2Base<QuantizeExl2Pass>> {
  using WeightPass::WeightPass;

  void runOnOperation() override {
    if (failed(run(getOperation())))
      signalPassFailure();
  }

private:
  LogicalResult run(ModuleOp module);
  LogicalResult checkOptions(ModuleOp module);
  FailureOr<std::vector<Matrix>> findMatrices(ModuleOp module,
                                              const EncodingOptions &options,
                                              InputsOfWeights &inputs);
  FailureOr<std::vector<Choice>> measure(Matrix &matrix, WeightFiles &files);
  LogicalResult choose(ModuleOp module, MutableArrayRef<Matrix> matrices,
                       const EncodingOptions &options);
  LogicalResult encode(ModuleOp module, MutableArrayRef<Matrix> matrices,
                       const EncodingOptions &options);
  FailureOr<Gptq> prepare(Matrix &matrix, FormatAttrInterface format,
                          ScaleMethod scales, ArrayRef<int32_t> order);
  std::vector<int32_t> orderOf(const Matrix &matrix) const {
    return importanceOrder(matrix.input);
  }

  /// Keeps the sums of inputs mapped.
  std::shared_ptr<InputsOfWeights> inputs;
};
} // namespace

LogicalResult QuantizeExl2Pass::checkOptions(ModuleOp module) {
  if (!(bits > 0))
    return emitError(module.getLoc())
           << "option bits: expected how many bits a weight may take, got "
           << llvm::formatv("{0}", bits.getValue()).str();
  if (group < 32 || group % 32 != 0)
    return emitError(module.getLoc())
           << "option group: expected a multiple of 32 columns, got "
           << group.getValue();
  if (sampleRows < 1)
    return emitError(module.getLoc())
           << "option sample-rows: expected at least one row, got "
           << sampleRows.getValue();
  return success();
}

FailureOr<std::vector<Matrix>>
QuantizeExl2Pass::findMatrices(ModuleOp module, const EncodingOptions &options,
                               InputsOfWeights &inputs) {
  FailureOr<WeightChoice> choice = chooseWeights(module, options);
  auto files = openFilesBeside(module, options.archive);
  if (failed(choice) || failed(files))
    return failure();
  fallbackWeights += choice->fallbacks;
  std::vector<Matrix> matrices;
  for (EncodingJob &job : choice->jobs) {
    auto found = inputs.find(job.uses, **files, minTokens);
    if (failed(found))
      return failure();
    if (*found)
      matrices.push_back(
          {job, **found,
           mixedBitsCandidates(getContext(), job.columns(), group)});
  }
  inputs.remark("left dense");
  return matrices;
}

FailureOr<Gptq> QuantizeExl2Pass::prepare(Matrix &matrix,
                                          FormatAttrInterface format,
                                          ScaleMethod scales,
                                          ArrayRef<int32_t> order) {
  GptqOptions options;
  options.damping = damping;
  options.moreDamping = moreDamping;
  options.order = GptqOrder::Given;
  options.scales = scales;
  options.grid.steps = 30;
  auto gptq = Gptq::prepare(
      format.getDescription(), {matrix.input.sumXX, {}, order},
      matrix.job.columns(), options, ContextThreads{&getContext()});
  if (!gptq)
    return emitError(matrix.job.weight().getLoc())
           << "weight @" << matrix.job.weight().getSymName() << ": "
           << llvm::toString(gptq.takeError())
           << "; calibrate on more text or exclude the weight";
  return std::move(*gptq);
}

/// What each candidate takes and costs, by a sample of rows.
FailureOr<std::vector<Choice>> QuantizeExl2Pass::measure(Matrix &matrix,
                                                         WeightFiles &files) {
  const EncodingJob &job = matrix.job;
  FailureOr<WeightSource> source = WeightSource::open(job.weight(), files);
  if (failed(source))
    return failure();
  int64_t columns = job.columns(), rows = std::min(job.rows(), +sampleRows);
  std::vector<int32_t> order = orderOf(matrix);
  std::vector<float> given, stored;
  for (int64_t i = 0; i < rows; ++i) {
    int64_t row = i * job.rows() / rows;
    llvm::append_range(given, WeightEncoder::readRows(*source, job, row, 1));
    llvm::append_range(stored,
                       WeightEncoder::readRows(*source, job, row, 1, order));
  }
  source->release();
  FailureOr<Gptq> gptq =
      prepare(matrix, matrix.candidates.front(), ScaleMethod::Rule, order);
  if (failed(gptq))
    return failure();
  // Encoding says which number it is.
  if (size_t bad = findNotFinite(given); bad < given.size())
    std::fill(given.begin(), given.end(), 0.0f), stored = given;
  double square =
      squareIn(matrix.input.sumXX.data(), given.data(), rows, columns);
  std::vector<double> errors = measureCandidates(
      matrix.candidates, *gptq, stored, square, ContextThreads{&getContext()});
  std::vector<Choice> choices;
  for (auto [candidate, error] : llvm::zip_equal(matrix.candidates, errors))
    choices.push_back({job.rows() * candidate.getRowBytes(columns), error});
  return choices;
}

/// Measures all and sets each job's format.
LogicalResult QuantizeExl2Pass::choose(ModuleOp module,
                                       MutableArrayRef<Matrix> matrices,
                                       const EncodingOptions &options) {
  auto files = openFilesBeside(module, options.archive);
  if (failed(files))
    return failure();
  // Matrices of the same input share the order of its columns.
  llvm::StringSet<> ordered;
  int64_t elementCount = 0, orderBytes = 0;
  for (Matrix &matrix : matrices) {
    elementCount += matrix.job.rows() * matrix.job.columns();
    if (ordered.insert(matrix.input.name).second)
      orderBytes += matrix.job.columns() * 4;
  }
  Progress meter("measure", elementCount, shownProgress());
  std::vector<std::vector<Choice>> items;
  for (Matrix &matrix : matrices) {
    FailureOr<std::vector<Choice>> choices = measure(matrix, **files);
    if (failed(choices))
      return failure();
    items.push_back(std::move(*choices));
    inputs->file().release(matrix.input);
    meter.advance(matrix.job.weight().getSymName(),
                  matrix.job.rows() * matrix.job.columns());
  }
  Knapsack knapsack(std::move(items));
  auto count = static_cast<double>(elementCount);
  auto budget = static_cast<int64_t>(bits * count / 8) - orderBytes;
  std::optional<Selection> selection = knapsack.solve(budget);
  if (!selection) {
    // Rounded up, so that what is named can be met.
    double least =
        8 * static_cast<double>(knapsack.smallestSize() + orderBytes) / count;
    return emitError(module.getLoc())
           << "option bits: no choice of bits takes as few as "
           << llvm::formatv("{0}", bits.getValue()).str()
           << " a weight; the smallest takes "
           << llvm::formatv("{0:f3}", std::ceil(least * 1000) / 1000).str();
  }
  for (auto [matrix, chosen] : llvm::zip_equal(matrices, selection->choices))
    matrix.job.format = matrix.candidates[chosen];
  emitRemark(UnknownLoc::get(&getContext()))
      << "chose bits for " << matrices.size()
      << " weights: mean relative error of products "
      << llvm::formatv("{0:f5}",
                       selection->cost / static_cast<double>(matrices.size()))
             .str();
  return success();
}

LogicalResult QuantizeExl2Pass::encode(ModuleOp module,
                                       MutableArrayRef<Matrix> matrices,
                                       const EncodingOptions &options) {
  std::vector<EncodingJob> jobs;
  for (Matrix &matrix : matrices)
    jobs.push_back(matrix.job);
  WeightEncoder encoder(module, options);
  if (failed(encoder.open(jobs)))
    return failure();
  for (Matrix &matrix : matrices) {
    std::vector<int32_t> order = orderOf(matrix);
    FailureOr<Gptq> gptq =
        prepare(matrix, matrix.job.format, ScaleMethod::Squares, order);
    if (failed(gptq))
      return failure();
    inputs->file().release(matrix.input);
    auto quantize = [&](const FormatDescription &, ArrayRef<float> weights,
                        Planes &planes) { gptq->quantize(weights, planes); };
    if (failed(encoder.encode(matrix.job, {quantize, order, {}})))
      return failure();
  }
  FailureOr<EncodedTotals> totals = encoder.finish();
  if (failed(totals))
    return failure();
  count(*totals);
  remarkOn(*totals, "exl2", getContext());
  return success();
}

LogicalResult QuantizeExl2Pass::run(ModuleOp module) {
  // What stands for all mixes where columns are checked.
  EncodingOptions options{"exl2_4_g32", archive,    include,        exclude,
                          false,        requantize, shownProgress()};
  auto opened =
      InputsOfWeights::open(module, statistics, InputsOfWeights::SumXX);
  if (failed(checkOptions(module)) || failed(opened))
    return failure();
  inputs = std::make_shared<InputsOfWeights>(std::move(*opened));
  SingleThreadedBlas blas;
  auto matrices = findMatrices(module, options, *inputs);
  if (failed(matrices) ||
      (!matrices->empty() && (failed(choose(module, *matrices, options)) ||
                              failed(encode(module, *matrices, options)))))
    return failure();
  inputs.reset();
  return success();
}

std::unique_ptr<Pass> lq::createQuantizeExl2(QuantizeExl2Options options,
                                             ProgressCallback progress) {
  return std::make_unique<QuantizeExl2Pass>(std::move(options),
                                            std::move(progress));
}
