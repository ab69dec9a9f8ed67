//===- HqqPass.cpp - the pass, and the plugin that brings it --------------===//

#include "Hqq.h"
#include "passes/quantize/WeightEncoder.h"

#include "mlir/Pass/Pass.h"
#include "mlir/Tools/Plugins/PassPlugin.h"

using namespace mlir;

namespace {
struct HqqPass : PassWrapper<HqqPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(HqqPass)

  HqqPass() = default;
  HqqPass(const HqqPass &other) : PassWrapper(other) {}

  StringRef getArgument() const final { return "hqq"; }
  StringRef getDescription() const final {
    return "encode weights with the offsets of least sum |error|^p, without "
           "calibration text";
  }
  void runOnOperation() override;

  Option<std::string> format{
      *this, "format",
      llvm::cl::desc("Format to encode weights as, with an offset a group")};
  Option<std::string> archive{
      *this, "archive",
      llvm::cl::desc("File that the encoded weights are appended to")};
  ListOption<std::string> exclude{
      *this, "exclude",
      llvm::cl::desc("Leave weights whose name matches one of these")};
  Option<double> norm{*this, "norm", llvm::cl::init(0.7),
                      llvm::cl::desc("The exponent p, above 0, at most 1")};
  Option<int> iterations{*this, "iterations", llvm::cl::init(20),
                         llvm::cl::desc("Steps of the search, at most")};
};
} // namespace

void HqqPass::runOnOperation() {
  if (!(norm > 0 && norm <= 1)) {
    emitError(getOperation().getLoc())
        << "option norm: expected a number above 0 and at most 1";
    return signalPassFailure();
  }
  hqq::Options options{static_cast<float>(norm), iterations};
  lq::EncodingOptions encoding;
  encoding.format = format;
  encoding.archive = archive;
  encoding.exclude.assign(exclude.begin(), exclude.end());

  // Asked for each weight, right before it is encoded.
  auto quantizerOf = [&](lq::EncodingJob &job,
                         lq::WeightFiles &) -> FailureOr<lq::WeightQuantizer> {
    if (!hqq::isSupported(job.format.getDescription()))
      return emitError(job.weight().getLoc())
             << "weight @" << job.weight().getSymName() << ": "
             << job.format.getFormatName()
             << " has no offset to search for; choose a format with a scale "
                "and an offset a group, such as q4_1 or uint4_g64";
    auto quantize = [options](const lq::FormatDescription &format,
                              ArrayRef<float> weights, lq::Planes &planes) {
      hqq::quantize(format, weights, options, planes);
    };
    return lq::WeightQuantizer{quantize, {}, {}};
  };
  if (failed(lq::encodeWeights(getOperation(), encoding, quantizerOf)))
    signalPassFailure();
}

extern "C" LLVM_ATTRIBUTE_WEAK PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "HqqPlugin", "0.1",
          [] { PassRegistration<HqqPass>(); }};
}
