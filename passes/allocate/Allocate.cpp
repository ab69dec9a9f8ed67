//===- Allocate.cpp - a format for each weight by its damage --------------===//

#include "passes/allocate/DivergenceMeter.h"
#include "passes/allocate/Knapsack.h"
#include "passes/allocate/Passes.h"
#include "passes/allocate/RoundingError.h"
#include "passes/calibrate/ModelStatistics.h"
#include "passes/calibrate/Samples.h"
#include "passes/quantize/Recipe.h"
#include "passes/quantize/WeightChoice.h"
#include "passes/quantize/WeightSource.h"

#include "mlir/IR/Threading.h"
#include "mlir/Pass/PassRegistry.h"
#include "runtime/AtomicFile.h"
#include "runtime/Sha256.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

namespace lq {
#define GEN_PASS_DEF_ALLOCATE
#include "passes/allocate/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;

/// Rows of a weight that the errors of formats are measured on.
static constexpr int64_t sampledRows = 128;

namespace {

/// A weight and the formats that it can have.
struct Candidate {
  WeightOp weight;
  WeightSource source;
  std::vector<float> importance;
  std::vector<FormatAttrInterface> formats;
  /// By format: the error of rounding, and bytes and damage.
  std::vector<double> errors;
  std::vector<Choice> choices;
  /// The format whose damage is measured.
  size_t probe = 0;

  MatrixSource matrix() const {
    ArrayRef<int64_t> shape = WeightOp(weight).getTensorType().getShape();
    return {&source, shape[0], shape[1], importance};
  }
  int64_t elements() const { return matrix().rows * matrix().columns; }
  int64_t bytesAs(FormatAttrInterface format) const {
    return matrix().rows * format.getRowBytes(matrix().columns);
  }

  LogicalResult dropUnfit();
  void chooseProbe(double bits);
};

struct AllocatePass : lq::impl::AllocateBase<AllocatePass> {
  AllocatePass(AllocateOptions options, ExecutorProvider executors,
               ProgressCallback callback)
      : AllocateBase(std::move(options)), executors(std::move(executors)),
        callback(std::move(callback)) {}

  void getDependentDialects(DialectRegistry &registry) const override {
    executors.registerDialects(registry);
  }

  void runOnOperation() override {
    if (failed(run(getOperation())))
      signalPassFailure();
    markAllAnalysesPreserved();
  }

private:
  LogicalResult run(ModuleOp module);
  LogicalResult checkOptions(ModuleOp module);
  FailureOr<std::vector<FormatAttrInterface>> findFormats(ModuleOp module);
  LogicalResult collect(ModuleOp module);
  LogicalResult weighColumns(ModuleOp module);
  LogicalResult measureErrors(ModuleOp module);
  LogicalResult measureDamage(ModuleOp module);
  LogicalResult choose(ModuleOp module);
  LogicalResult writeRecipe(ModuleOp module, const Knapsack &problem,
                            const Selection &selection);
  Knapsack knapsack() const;
  double bitsOf(int64_t bytes) const {
    return 8.0 * static_cast<double>(bytes) / static_cast<double>(elements);
  }
  ProgressCallback meter() const {
    return callback ? callback : progressIf(progress);
  }

  ExecutorProvider executors;
  ProgressCallback callback;
  /// Shared, since passes are copied before they run.
  std::shared_ptr<WeightFiles> files;
  std::vector<Candidate> candidates;
  int64_t elements = 0;
};

} // namespace

LogicalResult AllocatePass::checkOptions(ModuleOp module) {
  if (recipe.empty() || !Recipe::isFileName(recipe))
    return emitError(module.getLoc())
           << "option recipe: the file to write, *.yaml, is required";
  if (!(bits > 0))
    return emitError(module.getLoc())
           << "option bits: the budget, in bits a weight, is required";
  return success();
}

//===----------------------------------------------------------------------===//
// Weights and formats
//===----------------------------------------------------------------------===//

/// The formats that the user names, or all with codes.
FailureOr<std::vector<FormatAttrInterface>>
AllocatePass::findFormats(ModuleOp module) {
  MLIRContext &context = getContext();
  std::vector<FormatAttrInterface> found;
  for (const std::string &name : formats) {
    FormatAttrInterface format = lookupFormat(context, name);
    if (!format)
      return emitError(module.getLoc())
             << "option formats: unknown format \"" << name << "\"";
    found.push_back(format);
  }
  if (formats.empty())
    llvm::copy_if(listFormats(context), std::back_inserter(found),
                  [](FormatAttrInterface format) {
                    return format.getDescription().hasCodes();
                  });
  return found;
}

/// Finds the weights, and which formats each can have.
LogicalResult AllocatePass::collect(ModuleOp module) {
  EncodingOptions options;
  options.include = include;
  options.exclude = exclude;
  options.embeddings = embeddings;
  FailureOr<std::vector<FormatAttrInterface>> all = findFormats(module);
  FailureOr<std::vector<WeightUses>> selected = selectWeights(module, options);
  if (failed(all) || failed(selected))
    return failure();
  FailureOr<std::unique_ptr<WeightFiles>> opened =
      openFilesBeside(module, recipe);
  if (failed(opened))
    return failure();
  files = std::move(*opened);
  for (const WeightUses &uses : *selected) {
    WeightOp weight = uses.weight;
    RankedTensorType type = weight.getTensorType();
    if (type.getEncoding())
      continue;
    FailureOr<WeightSource> source = WeightSource::open(weight, *files);
    if (failed(source))
      return failure();
    Candidate candidate{weight, *source, {}, {}, {}, {}, 0};
    for (FormatAttrInterface format : *all)
      if (format.checkColumns(type.getDimSize(1)).empty())
        candidate.formats.push_back(format);
    if (candidate.formats.empty()) {
      emitRemark(weight.getLoc())
          << "weight @" << weight.getSymName() << " stays dense: its "
          << type.getDimSize(1) << " columns fit none of the formats";
      continue;
    }
    elements += type.getNumElements();
    candidates.push_back(std::move(candidate));
  }
  if (candidates.empty())
    return emitError(module.getLoc()) << "no weight to choose a format for";
  return success();
}

/// Takes from the statistics how much the columns count.
LogicalResult AllocatePass::weighColumns(ModuleOp module) {
  if (statisticsFile.empty())
    return success();
  FailureOr<StatisticsFile> statistics = openStatistics(module, statisticsFile);
  if (failed(statistics))
    return failure();
  for (Candidate &candidate : candidates) {
    auto found = findStatistics(*statistics, candidate.weight, *files);
    if (failed(found))
      return failure();
    if (*found)
      candidate.importance = (*found)->sumSquare.vec();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Damage
//===----------------------------------------------------------------------===//

/// Leaves out the formats that cannot hold the weight's values.
LogicalResult Candidate::dropUnfit() {
  size_t kept = 0;
  for (size_t i = 0; i < formats.size(); ++i)
    if (std::isfinite(errors[i])) {
      formats[kept] = formats[i];
      errors[kept++] = errors[i];
    }
  formats.resize(kept);
  errors.resize(kept);
  if (kept > 0)
    return success();
  return emitError(weight.getLoc())
         << "weight @" << weight.getSymName()
         << " has a value that is not finite, or too large for all formats; "
            "exclude the weight or repair the model";
}

/// Of the formats that are nearest to so many bits a weight the best one.
void Candidate::chooseProbe(double bits) {
  auto distance = [&](size_t i) {
    double own = 8.0 * static_cast<double>(bytesAs(formats[i])) /
                 static_cast<double>(elements());
    return std::pair(std::fabs(own - bits), errors[i]);
  };
  for (size_t i = 0; i < formats.size(); ++i)
    if (distance(i) < distance(probe))
      probe = i;
}

/// Measures what each format does to each weight, and chooses the probes.
LogicalResult AllocatePass::measureErrors(ModuleOp module) {
  Progress done("round", elements, meter());
  for (Candidate &candidate : candidates) {
    MatrixSource matrix = candidate.matrix();
    size_t count = candidate.formats.size();
    candidate.errors.resize(count);
    parallelFor(&getContext(), 0, count, [&](size_t i) {
      candidate.errors[i] = measureRoundingError(
          candidate.formats[i].getDescription(), matrix, sampledRows);
    });
    candidate.source.release();
    if (failed(candidate.dropUnfit()))
      return failure();
    candidate.chooseProbe(bits);
    done.advance(candidate.weight.getSymName(), candidate.elements());
  }
  return success();
}

/// Runs the model with the probes, and fills in the choices of each weight.
LogicalResult AllocatePass::measureDamage(ModuleOp module) {
  FailureOr<Samples> chosen = chooseSamples(
      module, {{text.begin(), text.end()}, samples, length, seed}, tokenizer);
  if (failed(chosen))
    return failure();
  std::vector<WeightChange> changes;
  for (Candidate &candidate : candidates) {
    FormatAttrInterface probe = candidate.formats[candidate.probe];
    // Rounding depends on how much columns count.
    std::string importance = sha256Hex(std::string_view(
        reinterpret_cast<const char *>(candidate.importance.data()),
        candidate.importance.size() * sizeof(float)));
    changes.push_back(
        {candidate.weight.getSymName().str(),
         probe.getFormatName().str() + " " + importance,
         [&candidate, probe]() mutable {
           MatrixSource matrix = candidate.matrix();
           std::vector<float> values =
               roundMatrix(probe.getContext(), probe.getDescription(), matrix);
           candidate.source.release();
           return FailureOr<std::vector<float>>(std::move(values));
         }});
  }
  std::string folder = work.empty() ? recipe + ".work" : work.getValue();
  DivergenceMeter divergence(module, executors, {folder, meter()});
  FailureOr<std::vector<double>> damages =
      divergence.measure(chosen->tokens, changes);
  if (failed(damages))
    return failure();
  for (auto [candidate, damage] : llvm::zip_equal(candidates, *damages)) {
    double unit = candidate.errors[candidate.probe];
    for (auto [format, error] :
         llvm::zip_equal(candidate.formats, candidate.errors))
      // What the probe holds exactly is measured by its error alone.
      candidate.choices.push_back({candidate.bytesAs(format),
                                   unit > 0 ? damage * error / unit : error});
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Choice
//===----------------------------------------------------------------------===//

Knapsack AllocatePass::knapsack() const {
  std::vector<std::vector<Choice>> items;
  for (const Candidate &candidate : candidates)
    items.push_back(candidate.choices);
  return Knapsack(std::move(items));
}

LogicalResult AllocatePass::choose(ModuleOp module) {
  Knapsack problem = knapsack();
  auto budget =
      static_cast<int64_t>(bits * static_cast<double>(elements) / 8.0);
  std::optional<Selection> selection = problem.solve(budget);
  if (!selection)
    return emitError(module.getLoc())
           << "option bits: the budget of "
           << llvm::formatv("{0:f3}", bits.getValue()).str()
           << " bits a weight cannot be met; the formats take at least "
           << llvm::formatv("{0:f3}", bitsOf(problem.smallestSize())).str();
  return writeRecipe(module, problem, *selection);
}

/// What other budgets would buy: a line for each of some sizes.
static std::string describeTrade(ArrayRef<Selection> trace,
                                 llvm::function_ref<double(int64_t)> bitsOf) {
  constexpr size_t lines = 16;
  std::string text = "What other budgets buy (bits a weight, predicted "
                     "divergence in nats):\n";
  double first = bitsOf(trace.front().size), last = bitsOf(trace.back().size);
  size_t at = 0;
  for (size_t line = 0; line <= lines; ++line) {
    double wanted = first + (last - first) * double(line) / double(lines);
    while (at + 1 < trace.size() && bitsOf(trace[at + 1].size) <= wanted)
      ++at;
    text += llvm::formatv("  {0:f3}  {1:e3}\n", bitsOf(trace[at].size),
                          trace[at].cost);
  }
  return text;
}

LogicalResult AllocatePass::writeRecipe(ModuleOp module,
                                        const Knapsack &problem,
                                        const Selection &selection) {
  Recipe result;
  for (auto [candidate, choice] :
       llvm::zip_equal(candidates, selection.choices))
    result.weights.push_back({matchExactly(candidate.weight.getSymName()),
                              candidate.formats[choice].getFormatName().str()});
  std::string summary =
      llvm::formatv("{0} weights, {1:f3} bits a weight, predicted divergence "
                    "{2:e3} nats",
                    candidates.size(), bitsOf(selection.size), selection.cost);
  std::string trade = describeTrade(
      problem.tradeOff(), [&](int64_t bytes) { return bitsOf(bytes); });
  if (lq::Error error = writeFileAtomically(
          recipe, result.print("lq-allocate: " + summary + "\n" + trade)))
    return emitError(module.getLoc()) << error.message();
  emitRemark(UnknownLoc::get(&getContext())) << "chose formats for " << summary;
  return success();
}

LogicalResult AllocatePass::run(ModuleOp module) {
  candidates.clear();
  elements = 0;
  return success(
      succeeded(checkOptions(module)) && succeeded(collect(module)) &&
      succeeded(weighColumns(module)) && succeeded(measureErrors(module)) &&
      succeeded(measureDamage(module)) && succeeded(choose(module)));
}

std::unique_ptr<Pass> lq::createAllocate(AllocateOptions options,
                                         ExecutorProvider executors,
                                         ProgressCallback progress) {
  return std::make_unique<AllocatePass>(
      std::move(options), std::move(executors), std::move(progress));
}

void lq::registerAllocatePasses(const ExecutorProvider &executors) {
  registerPass([=] { return createAllocate({}, executors); });
}
