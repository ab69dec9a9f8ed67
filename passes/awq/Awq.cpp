//===- Awq.cpp - scale weights before they are rounded --------------------===//

#include "dialects/common/TemporaryFolder.h"
#include "dialects/common/WeightArchive.h"
#include "passes/awq/BlockMeter.h"
#include "passes/awq/ClipSearch.h"
#include "passes/awq/Passes.h"
#include "passes/awq/ScaleLog.h"
#include "passes/awq/ScaledWeights.h"
#include "passes/calibrate/ModelStatistics.h"
#include "passes/calibrate/Samples.h"
#include "passes/quantize/ContextThreads.h"
#include "passes/quantize/WeightChoice.h"
#include "passes/quantize/WeightPlaces.h"
#include "runtime/Sha256.h"

#include "mlir/IR/Threading.h"
#include "llvm/Support/FormatVariadic.h"

namespace lq {
#define GEN_PASS_DEF_AWQ
#include "passes/awq/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;

namespace {

/// One run of the pass.
class AwqRun {
public:
  AwqRun(ModuleOp module, const AwqOptions &options,
         const ExecutorProvider &executors, ProgressCallback callback)
      : module(module), options(options), executors(executors),
        callback(std::move(callback)) {}

  LogicalResult run();
  int64_t scaled = 0, kept = 0, clamped = 0;

private:
  /// What a weight will be rounded to.
  struct Target {
    FormatDescription format;
    std::string formatName;
    WeightRole role;
  };

  LogicalResult fail(llvm::Error error) {
    return emitError(module.getLoc()) << llvm::toString(std::move(error));
  }
  LogicalResult open();
  LogicalResult chooseTargets();
  std::string key();
  llvm::DenseMap<Operation *, Target>::iterator findTarget(LinearOp linear);
  /// Elements of the weights that will be rounded.
  int64_t elementsOf(const ScalableInput &input);
  void leave(const ScalableInput &input, const std::string &why);
  LogicalResult searchAll();
  FailureOr<std::optional<InputStatistics>>
  statisticsOf(const ScalableInput &input);
  std::optional<ChosenScale> search(const ScalableInput &input,
                                    const InputStatistics &seen);
  std::optional<ChosenScale> searchByProducts(const ScalableInput &input,
                                              const InputStatistics &seen,
                                              ArrayRef<SearchMatrix> matrices,
                                              const ScaleFamily &family);
  std::optional<ChosenScale> searchByBlock(const ScalableInput &input,
                                           ArrayRef<SearchMatrix> matrices,
                                           const ScaleFamily &family);
  /// The names of the weights of readMatrices.
  std::vector<StringRef> namesOf(const ScalableInput &input);
  FailureOr<std::vector<SearchMatrix>> readMatrices(const ScalableInput &input);
  LogicalResult openBlocks();
  LogicalResult write();
  LogicalResult clip(WeightOp weight, const WeightScale &scale,
                     std::vector<float> &values);
  void remark();

  ModuleOp module;
  const AwqOptions &options;
  const ExecutorProvider &executors;
  ProgressCallback callback;

  std::unique_ptr<WeightFiles> files;
  std::optional<StatisticsFile> statistics;
  llvm::DenseMap<Operation *, Target> targets;
  std::vector<ScalableInput> inputs;
  std::optional<ScaleLog> log;
  /// Where errors are those of blocks: these, and a folder for their weights.
  std::unique_ptr<TemporaryFolder> work;
  std::unique_ptr<BlockMeter> meter;
  ScaledWeights weights;
  std::optional<Progress> progress;
  /// Of the inputs that were searched: errors as parts of the products' power.
  std::vector<std::pair<double, double>> errors;
  /// The first linears of inputs that were left, by the reason.
  std::map<std::string, SmallVector<LinearOp>> left;
};

} // namespace

static WeightOp weightOf(LinearOp linear) {
  return SymbolTable::lookupNearestSymbolFrom<WeightOp>(
      linear, linear.getWeight().getDefiningOp<GetOp>().getWeightAttr());
}

LogicalResult AwqRun::open() {
  auto require = [&](StringRef option, const char *what) {
    return emitError(module.getLoc())
           << "option " << option << ": " << what << " is required";
  };
  if (options.archive.empty())
    return require("archive", "the file to write scaled weights to");
  if (options.statistics.empty())
    return require("statistics",
                   "a file of statistics, as lq-calibrate makes it,");
  // What cannot be written is not searched for.
  if (auto archive = WeightArchive::append(options.archive); !archive)
    return fail(archive.takeError());
  FailureOr<StatisticsFile> opened = openStatistics(module, options.statistics);
  if (failed(opened))
    return failure();
  if (opened->isImatrix() || !opened->header().hasSumXX)
    return emitError(module.getLoc())
           << options.statistics << ": lq-awq needs sums of x x^T, which "
           << (opened->isImatrix() ? "an imatrix file has not"
                                   : "the file was made without")
           << "; run lq-calibrate for it";
  statistics.emplace(std::move(*opened));
  auto beside = openFilesBeside(module, options.archive);
  if (failed(beside))
    return failure();
  files = std::move(*beside);
  return success();
}

LogicalResult AwqRun::chooseTargets() {
  EncodingOptions encoding{options.format,
                           options.archive,
                           {options.include.begin(), options.include.end()},
                           {options.exclude.begin(), options.exclude.end()},
                           /*embeddings=*/false,
                           /*requantize=*/false,
                           {}};
  FailureOr<WeightChoice> choice = chooseWeights(module, encoding);
  if (failed(choice))
    return failure();
  WeightPlaces places(module);
  for (EncodingJob &job : choice->jobs) {
    FormatDescription format = job.format.getDescription();
    if (!job.from && format.hasCodes())
      targets[job.weight()] = {format, job.format.getFormatName().str(),
                               places.placeOf(job.uses).role};
  }
  return success();
}

/// What a linear's weight is to be rounded to, if it is.
llvm::DenseMap<Operation *, AwqRun::Target>::iterator
AwqRun::findTarget(LinearOp linear) {
  return linear.getWeight().getDefiningOp<GetOp>()
             ? targets.find(weightOf(linear))
             : targets.end();
}

int64_t AwqRun::elementsOf(const ScalableInput &input) {
  int64_t elements = 0;
  for (LinearOp linear : input.linears)
    if (findTarget(linear) != targets.end())
      elements += linear.getWeight().getType().getNumElements();
  return elements;
}

/// A digest of all that scales depend on.
std::string AwqRun::key() {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << statistics->header().text;
  if (options.objective == AwqObjective::Block) {
    stream << " " << options.searchTokens << " " << options.length << " "
           << options.seed;
    for (const std::string &path : options.text)
      stream << " " << path;
  }
  for (const StatisticsWeight &weight : statistics->header().weights)
    stream << "\n" << weight.name << " " << weight.sample;
  for (const ScalableInput &input : inputs) {
    stream << "\n" << input.obstacle;
    for (LinearOp linear : input.linears)
      if (auto target = findTarget(linear); target != targets.end())
        stream << " " << weightOf(linear).getSymName() << " "
               << target->second.formatName;
  }
  Sha256 digest;
  digest.update(text);
  for (size_t i = 0; i < statistics->header().inputs.size(); ++i) {
    InputStatistics seen = statistics->get(i);
    digest.update(
        std::string_view(reinterpret_cast<const char *>(seen.sumAbs.data()),
                         seen.sumAbs.size() * sizeof(float)));
  }
  return digest.hex();
}

void AwqRun::leave(const ScalableInput &input, const std::string &why) {
  ++kept;
  left[why].push_back(input.linears.front());
}

/// The statistics of an input, none if it has none. An error if they are of other
/// weights.
FailureOr<std::optional<InputStatistics>>
AwqRun::statisticsOf(const ScalableInput &input) {
  std::optional<InputStatistics> first;
  for (LinearOp linear : llvm::reverse(input.linears)) {
    auto found = findStatistics(*statistics, weightOf(linear), *files);
    if (failed(found))
      return failure();
    first = *found;
  }
  return first;
}

/// The matrices of an input that will be rounded.
FailureOr<std::vector<SearchMatrix>>
AwqRun::readMatrices(const ScalableInput &input) {
  std::vector<SearchMatrix> matrices;
  for (LinearOp linear : input.linears) {
    WeightOp weight = weightOf(linear);
    auto target = targets.find(weight);
    if (target == targets.end())
      continue;
    FailureOr<std::vector<float>> values = readWeight(weight, *files);
    if (failed(values))
      return failure();
    RankedTensorType type = weight.getTensorType();
    matrices.push_back({target->second.format, type.getDimSize(0),
                        type.getDimSize(1), std::move(*values)});
  }
  return matrices;
}

std::vector<StringRef> AwqRun::namesOf(const ScalableInput &input) {
  std::vector<StringRef> names;
  for (LinearOp linear : input.linears)
    if (findTarget(linear) != targets.end())
      names.push_back(weightOf(linear).getSymName());
  return names;
}

/// Scales by the errors of the products with the input, from its statistics.
std::optional<ChosenScale> AwqRun::searchByProducts(
    const ScalableInput &input, const InputStatistics &seen,
    ArrayRef<SearchMatrix> matrices, const ScaleFamily &family) {
  ContextThreads threads{module.getContext()};
  SingleThreadedBlas blas;
  double power = 0;
  for (const SearchMatrix &matrix : matrices)
    power += productPower(matrix, seen.sumXX, threads);
  return searchScale(
      family, seen.columns,
      [&](ArrayRef<float> scale) -> std::optional<double> {
        double error = 0;
        for (const SearchMatrix &matrix : matrices) {
          error += productError(matrix, roundScaled(matrix, scale, threads),
                                seen.sumXX, threads);
          progress->advance(weightOf(input.linears.front()).getSymName(),
                            static_cast<int64_t>(matrix.weights.size()));
        }
        return power > 0 ? error / power : error;
      });
}

/// Scales by the errors of the output of the block that the weights are in.
std::optional<ChosenScale>
AwqRun::searchByBlock(const ScalableInput &input,
                      ArrayRef<SearchMatrix> matrices,
                      const ScaleFamily &family) {
  ContextThreads threads{module.getContext()};
  std::vector<StringRef> names = namesOf(input);
  auto chosen = searchScale(
      family, matrices.front().columns,
      [&](ArrayRef<float> scale) -> std::optional<double> {
        for (auto [name, matrix] : llvm::zip_equal(names, matrices)) {
          if (failed(
                  meter->setWeight(name, roundScaled(matrix, scale, threads))))
            return std::nullopt;
          progress->advance(name, static_cast<int64_t>(matrix.weights.size()));
        }
        FailureOr<double> error = meter->measure();
        return failed(error) ? std::nullopt : std::optional<double>(*error);
      });
  for (auto [name, matrix] : llvm::zip_equal(names, matrices))
    if (failed(meter->setWeight(name, matrix.weights)))
      return std::nullopt;
  return chosen;
}

std::optional<ChosenScale> AwqRun::search(const ScalableInput &input,
                                          const InputStatistics &seen) {
  FailureOr<std::vector<SearchMatrix>> matrices = readMatrices(input);
  if (failed(matrices))
    return std::nullopt;
  std::vector<double> means(seen.sumAbs.begin(), seen.sumAbs.end());
  for (double &mean : means)
    mean /= static_cast<double>(seen.tokens);
  std::vector<double> magnitudes = relativeMagnitudes(*matrices);
  ScaleFamily family(means, magnitudes, input.classes, input.classCount);
  FailureOr<bool> isInBlock = false;
  if (meter)
    isInBlock = meter->enter(namesOf(input));
  if (failed(isInBlock))
    return std::nullopt;
  return *isInBlock ? searchByBlock(input, *matrices, family)
                    : searchByProducts(input, seen, *matrices, family);
}

/// Opens what errors of blocks are measured with.
LogicalResult AwqRun::openBlocks() {
  if (options.objective != AwqObjective::Block)
    return success();
  if (options.length <= 0 || options.searchTokens < options.length)
    return emitError(module.getLoc())
           << "option search-tokens: expected at least one sample of "
           << options.length << " tokens, got " << options.searchTokens;
  SampleOptions wanted{{options.text.begin(), options.text.end()},
                       options.searchTokens / options.length,
                       options.length,
                       options.seed};
  FailureOr<Samples> samples = chooseSamples(module, wanted, options.tokenizer);
  if (failed(samples))
    return failure();
  auto folder = TemporaryFolder::create(options.archive);
  if (!folder)
    return fail(folder.takeError());
  work = std::move(*folder);
  auto created = BlockMeter::create(module, std::move(samples->tokens),
                                    executors, work->path());
  if (failed(created))
    return failure();
  meter = std::move(*created);
  return success();
}

LogicalResult AwqRun::searchAll() {
  auto opened = ScaleLog::open(options.archive + ".scales", key());
  if (!opened)
    return fail(opened.takeError());
  log.emplace(std::move(*opened));
  if (log->size() > 0)
    emitRemark(UnknownLoc::get(module.getContext()))
        << "go on with " << log->size() << " scales that " << options.archive
        << ".scales has";
  for (auto [i, input] : llvm::enumerate(inputs)) {
    if (!input.obstacle.empty()) {
      leave(input, input.obstacle);
      continue;
    }
    auto seen = statisticsOf(input);
    if (failed(seen))
      return failure();
    if (!*seen) {
      leave(input, "there are no statistics of it");
      continue;
    }
    if (log->find(i)) {
      progress->skip(elementsOf(input) * (ScaleFamily::ratios + 1));
    } else {
      std::optional<ChosenScale> chosen = search(input, **seen);
      if (!chosen)
        return failure();
      if (llvm::Error error = log->add(i, *chosen))
        return fail(std::move(error));
    }
    statistics->release(**seen);
    const ChosenScale &chosen = *log->find(i);
    errors.push_back({chosen.before, chosen.after});
    if (chosen.scale.empty()) {
      leave(input, "no scale lessens the error");
      continue;
    }
    weights.scale(input, chosen.scale);
    ++scaled;
  }
  return success();
}

LogicalResult AwqRun::clip(WeightOp weight, const WeightScale &scale,
                           std::vector<float> &values) {
  auto target = targets.find(weight);
  if (!options.clip || target == targets.end() ||
      !mayClip(target->second.format))
    return success();
  // Clamping queries and keys hurts, for they meet in products.
  WeightRole role = target->second.role;
  if (role == WeightRole::Query || role == WeightRole::Key ||
      role == WeightRole::FusedAttention)
    return success();
  auto seen = findStatistics(*statistics, weight, *files);
  if (failed(seen))
    return failure();
  if (!*seen)
    return success();
  RankedTensorType type = weight.getTensorType();
  SingleThreadedBlas blas;
  SearchMatrix matrix{target->second.format, type.getDimSize(0),
                      type.getDimSize(1), std::move(values)};
  clamped += clipWeights(matrix, scale.columns, (*seen)->sumXX,
                         ContextThreads{module.getContext()});
  values = std::move(matrix.weights);
  statistics->release(**seen);
  return success();
}

LogicalResult AwqRun::write() {
  for (WeightUses &uses : collectWeightUses(module)) {
    auto target = targets.find(uses.weight);
    if (options.clip && target != targets.end() &&
        mayClip(target->second.format))
      for (OpOperand *use : uses.matrixUses)
        weights.touch(*use);
  }
  return weights.write(
      module, options.archive, *files, *progress,
      [&](WeightOp weight, const WeightScale &scale,
          std::vector<float> &values) { return clip(weight, scale, values); });
}

void AwqRun::remark() {
  for (const auto &[why, linears] : left) {
    LinearOp first = linears.front();
    bool hasWeight = !!first.getWeight().getDefiningOp<GetOp>();
    auto remark =
        emitRemark(hasWeight ? weightOf(first).getLoc() : first.getLoc())
        << "the input of ";
    if (hasWeight)
      remark << "weight @" << weightOf(first).getSymName();
    else
      remark << "a product";
    if (linears.size() > 1)
      remark << " and " << linears.size() - 1 << " more";
    remark << " is not scaled: " << why;
  }
  double before = 0, after = 0;
  for (auto [without, with] : errors) {
    before += without / static_cast<double>(errors.size());
    after += with / static_cast<double>(errors.size());
  }
  auto remark = emitRemark(UnknownLoc::get(module.getContext()))
                << "scaled " << scaled << " of " << inputs.size()
                << " inputs of linears";
  if (!errors.empty())
    remark << ": mean error of their "
           << (options.objective == AwqObjective::Block ? "layers" : "products")
           << ", rounded to " << options.format << ", "
           << llvm::formatv("{0:e3}", before).str() << " before, "
           << llvm::formatv("{0:e3}", after).str() << " after";
  if (clamped)
    remark << "; clamped " << clamped << " groups of weights";
}

LogicalResult AwqRun::run() {
  if (failed(open()) || failed(chooseTargets()))
    return failure();
  auto found = findScalableInputs(module, *files);
  if (failed(found))
    return failure();
  inputs = std::move(*found);
  // Each weight is rounded for each scale, and written.
  int64_t total = 0;
  for (auto &[weight, target] : targets)
    total += cast<WeightOp>(weight).getTensorType().getNumElements();
  for (ScalableInput &input : inputs) {
    int64_t elements = elementsOf(input);
    if (input.obstacle.empty() && elements == 0)
      input.obstacle = "none of its weights is to be rounded";
    if (input.obstacle.empty())
      total += elements * (ScaleFamily::ratios + 1);
  }
  progress.emplace("scale", total, callback);
  if (failed(openBlocks()) || failed(searchAll()) || failed(write()))
    return failure();
  // Weights that nothing scaled or clamped were not written.
  progress->finish();
  log->remove();
  remark();
  return success();
}

namespace {
struct AwqPass : lq::impl::AwqBase<AwqPass> {
  AwqPass(AwqOptions options, ExecutorProvider executors,
          ProgressCallback callback)
      : AwqBase(std::move(options)), executors(std::move(executors)),
        callback(std::move(callback)) {}

  void getDependentDialects(DialectRegistry &registry) const override {
    if (executors.registerDialects)
      executors.registerDialects(registry);
  }

  void runOnOperation() override {
    AwqOptions options{format,
                       statistics,
                       archive,
                       {include.begin(), include.end()},
                       {exclude.begin(), exclude.end()},
                       clip,
                       objective,
                       {text.begin(), text.end()},
                       tokenizer,
                       searchTokens,
                       length,
                       seed,
                       progress};
    AwqRun run(getOperation(), options, executors,
               callback ? callback : progressIf(progress));
    if (failed(run.run()))
      return signalPassFailure();
    scaledInputs += run.scaled;
    keptInputs += run.kept;
    clampedGroups += run.clamped;
  }

private:
  ExecutorProvider executors;
  ProgressCallback callback;
};
} // namespace

std::unique_ptr<Pass> lq::createAwq(AwqOptions options,
                                    ExecutorProvider executors,
                                    ProgressCallback progress) {
  return std::make_unique<AwqPass>(std::move(options), std::move(executors),
                                   std::move(progress));
}

void lq::registerAwqPasses(const ExecutorProvider &executors) {
  registerPass([=] { return createAwq({}, executors); });
}
