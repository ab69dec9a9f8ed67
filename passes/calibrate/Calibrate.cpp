//===- Calibrate.cpp - run the model over text ----------------------------===//

#include "passes/calibrate/Calibrator.h"
#include "passes/calibrate/Imatrix.h"
#include "passes/calibrate/ModelStatistics.h"
#include "passes/calibrate/Passes.h"
#include "passes/calibrate/Samples.h"

#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"

namespace lq {
#define GEN_PASS_DEF_CALIBRATE
#include "passes/calibrate/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;

namespace {

struct CalibratePass : lq::impl::CalibrateBase<CalibratePass> {
  CalibratePass(CalibrateOptions options, ExecutorProvider executors,
                ProgressCallback callback)
      : CalibrateBase(std::move(options)), executors(std::move(executors)),
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
  std::string describeText(const Samples &samples) const;
  LogicalResult writeImportance(ModuleOp module, const Samples &samples);

  ExecutorProvider executors;
  ProgressCallback callback;
};

} // namespace

/// "128 samples of 512 tokens from wiki.txt, seed 0".
std::string CalibratePass::describeText(const Samples &chosen) const {
  std::string names =
      llvm::join(llvm::map_range(text,
                                 [](const std::string &path) {
                                   return llvm::sys::path::filename(path).str();
                                 }),
                 ", ");
  return llvm::Twine(chosen.tokens.size())
      .concat(" samples of ")
      .concat(llvm::Twine(length.getValue()))
      .concat(" tokens from ")
      .concat(names)
      .concat(", seed ")
      .concat(llvm::Twine(seed.getValue()))
      .str();
}

LogicalResult CalibratePass::writeImportance(ModuleOp module,
                                             const Samples &chosen) {
  FailureOr<StatisticsFile> statistics = openStatistics(module, output);
  if (failed(statistics))
    return failure();
  std::vector<ImatrixEntry> entries;
  for (auto &[weight, name] : ggufNamesOf(module))
    if (auto input = statistics->find(weight.getSymName()))
      entries.push_back({name, input->tokens, input->sumSquare});
  if (entries.empty())
    return emitError(module.getLoc())
           << "option imatrix: no weight of the model has a name in GGUF files";
  ImatrixSource source{{text.begin(), text.end()},
                       static_cast<uint32_t>(chosen.tokens.size()),
                       static_cast<uint32_t>(length)};
  if (llvm::Error error = writeImatrix(imatrix, entries, source))
    return emitError(module.getLoc()) << llvm::toString(std::move(error));
  return success();
}

LogicalResult CalibratePass::run(ModuleOp module) {
  if (output.empty())
    return emitError(module.getLoc())
           << "option output: the file of statistics to write is required";
  FailureOr<Samples> chosen = chooseSamples(
      module, {{text.begin(), text.end()}, samples, length, seed}, tokenizer);
  if (failed(chosen))
    return failure();
  Calibrator::Options options;
  options.output = output;
  options.work = work.empty() ? output + ".work" : work.getValue();
  options.hasProducts = products;
  options.format = format;
  if (!format.empty() && !products)
    return emitError(module.getLoc())
           << "option format: quantizing needs products";
  options.text = describeText(*chosen);
  if (!format.empty())
    options.text += ", weights before quantized to " + format;
  Calibrator calibrator(module, options, executors,
                        callback   ? callback
                        : progress ? printProgress()
                                   : ProgressCallback());
  if (failed(calibrator.run(chosen->tokens)))
    return failure();
  return imatrix.empty() ? success() : writeImportance(module, *chosen);
}

std::unique_ptr<Pass> lq::createCalibrate(CalibrateOptions options,
                                          ExecutorProvider executors,
                                          ProgressCallback progress) {
  return std::make_unique<CalibratePass>(
      std::move(options), std::move(executors), std::move(progress));
}

void lq::registerCalibratePasses(const ExecutorProvider &executors) {
  registerPass([=] { return createCalibrate({}, executors); });
}
