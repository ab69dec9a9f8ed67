//===- SequentialGptq.cpp - weights as GPTQ will leave them ---------------===//

#include "passes/calibrate/SequentialGptq.h"

#include "dialects/common/ModuleWeights.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Threading.h"
#include "passes/quantize/ContextThreads.h"
#include "passes/quantize/RoundToNearest.h"
#include "passes/quantize/WeightSource.h"

using namespace mlir;
using namespace lq;

FailureOr<SequentialGptq> SequentialGptq::create(ModuleOp module,
                                                 StringRef format) {
  // The pass that quantizes says what it does otherwise than was wanted.
  ScopedDiagnosticHandler quiet(module.getContext(), [](Diagnostic &message) {
    return success(message.getSeverity() == DiagnosticSeverity::Remark);
  });
  SequentialGptq result;
  EncodingOptions options;
  options.format = format.str();
  FailureOr<WeightChoice> choice = chooseWeights(module, options);
  if (failed(choice))
    return failure();
  auto files = openWeightFiles(module);
  if (!files)
    return emitError(module.getLoc()) << llvm::toString(files.takeError());
  result.files = std::move(*files);
  result.jobs = std::move(choice->jobs);
  for (auto [i, job] : llvm::enumerate(result.jobs)) {
    if (!job.from && job.format.getDescription().hasCodes())
      result.jobOf[job.weight().getSymName()] = i;
  }
  return result;
}

LogicalResult SequentialGptq::prepare(const EncodingJob &job,
                                      const InputStatistics &input) {
  if (gptq && preparedInput == input.name && preparedFormat == job.format)
    return success();
  WeightOp weight = job.weight();
  FormatAttrInterface format = job.format;
  GptqOptions options;
  options.zeroDead = !job.uses.isTable;
  SingleThreadedBlas blas;
  auto prepared = Gptq::prepare(format.getDescription(), {input.sumXX, {}, {}},
                                job.columns(), options,
                                ContextThreads{weight.getContext()});
  if (!prepared)
    return emitError(weight.getLoc())
           << "weight @" << weight.getSymName() << ": "
           << llvm::toString(prepared.takeError())
           << "; calibrate on more text or exclude the weight";
  gptq.emplace(std::move(*prepared));
  preparedInput = input.name;
  preparedFormat = job.format;
  return success();
}

FailureOr<std::vector<float>>
SequentialGptq::quantize(StringRef name, const InputStatistics &input) {
  auto found = jobOf.find(name);
  if (found == jobOf.end())
    return std::vector<float>();
  const EncodingJob &job = jobs[found->second];
  FailureOr<WeightSource> source = WeightSource::open(job.weight(), *files);
  if (failed(source) || failed(prepare(job, input)))
    return failure();
  constexpr int64_t slabRows = 64;
  int64_t rows = job.rows(), columns = job.columns();
  FormatAttrInterface format = job.format;
  FormatDescription description = format.getDescription();
  std::vector<float> values(rows * columns);
  ContextThreads threads{job.weight().getContext()};
  std::vector<float> factors = findSharedFactors(
      description, rows, columns,
      [&](int64_t first, int64_t count) {
        std::vector<float> own(count * columns);
        source->readRows(first, own);
        return own;
      },
      threads);
  SingleThreadedBlas blas;
  LogicalResult isFinite = failableParallelForEachN(
      job.weight().getContext(), 0, llvm::divideCeil(rows, slabRows),
      [&](size_t slab) {
        int64_t first = static_cast<int64_t>(slab) * slabRows;
        MutableArrayRef<float> own = MutableArrayRef(values).slice(
            first * columns, std::min(slabRows, rows - first) * columns);
        source->readRows(first, own);
        if (findNotFinite(own) < own.size())
          return failure();
        Planes planes;
        planes.resize(description, static_cast<int64_t>(own.size()) / columns,
                      columns);
        setSharedFactors(factors, planes);
        gptq->quantize(own, planes);
        dequantize(description, planes, own);
        return success();
      });
  source->release();
  if (failed(isFinite))
    return emitError(job.weight().getLoc())
           << "weight @" << name
           << " has a value that is not finite; exclude the weight or repair "
              "the model";
  return values;
}
