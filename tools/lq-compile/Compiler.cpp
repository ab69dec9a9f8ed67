//===- Compiler.cpp - from an ONNX model to an artifact -------------------===//

#include "tools/lq-compile/Compiler.h"

#include "dialects/common/ModuleWeights.h"
#include "dialects/common/WeightArchive.h"
#include "dialects/lq/LqOps.h"
#include "dialects/lq/Storage.h"
#include "dialects/onnx/Import.h"
#include "dialects/onnx/transforms/Passes.h"
#include "lowering/artifact/Artifact.h"
#include "lowering/cpu/Compile.h"
#include "mlir/Transforms/Passes.h"
#include "passes/checkpoint/Passes.h"
#include "passes/pack/Passes.h"
#include "passes/quantize/Passes.h"
#include "passes/raise/Passes.h"
#include "passes/rotate/Passes.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/WithColor.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace lq;

LogicalResult Compiler::fail(const llvm::Twine &message) {
  llvm::errs() << "lq-compile: error: " << message << "\n";
  return failure();
}

void Compiler::report(const llvm::Twine &step) {
  if (!options.quiet)
    llvm::errs() << "lq-compile: " << step << "\n";
}

LogicalResult Compiler::run() {
  auto folder = TemporaryFolder::create(options.output);
  if (!folder)
    return fail("cannot write beside '" + options.output +
                "': " + llvm::toString(folder.takeError()) +
                "; choose another place with -o");
  work = std::move(*folder);
  stages = timing.getRootScope();
  LogicalResult result = failure();
  if (succeeded(readTokenizer()) && succeeded(import()) &&
      succeeded(transform()))
    result = write();
  stages.stop();
  module = nullptr;
  work = nullptr;
  return result;
}

/// The folder of a model: `input` itself, or the folder of the file.
static std::string modelFolder(StringRef input) {
  if (llvm::sys::fs::is_directory(input))
    return input.str();
  StringRef parent = llvm::sys::path::parent_path(input);
  return parent.empty() ? "." : parent.str();
}

LogicalResult Compiler::readTokenizer() {
  std::string folder = modelFolder(options.input);
  if (!llvm::sys::fs::exists(folder + "/tokenizer.json"))
    return success();
  Expected<TokenizerFiles> files = readTokenizerFiles(folder);
  if (!files)
    return fail(files.error().message());
  Expected<TokenizerModel> model = tokenizerModelFromJson(*files);
  if (!model)
    return fail(model.error().message());
  tokenizer = std::move(*model);
  return success();
}

LogicalResult Compiler::import() {
  report("import " + options.input);
  TimingScope scope = stages.nest("import");
  auto archive = WeightArchive::create(work->file("import.weights"));
  if (!archive)
    return fail(llvm::toString(archive.takeError()));
  onnx::ImportOptions import;
  import.archive = archive->get();
  import.outputFolder = work->path().str();
  module = onnx::importOnnx(options.input, context, import);
  if (!module)
    return failure();
  if (llvm::Error error = (*archive)->commit())
    return fail(llvm::toString(std::move(error)));
  // Passes find archives through the place of the module's text.
  module->getOperation()->setLoc(
      FileLineColLoc::get(&context, work->file("model.mlir"), 1, 1));
  return save("import");
}

void Compiler::buildPipeline(OpPassManager &passes,
                             const CompileOptions &options,
                             llvm::StringRef archiveFolder) {
  auto archive = [&](StringRef name) {
    return (archiveFolder + "/" + name).str();
  };
  passes.addPass(onnx::createInlineFunctionsPass());
  passes.addPass(onnx::createFoldConstantIfPass());
  LqRaisePassOptions raise;
  raise.archive = archive("raise.weights");
  if (options.context)
    raise.context = options.context;
  if (options.maxSequence)
    raise.maxSequence = options.maxSequence;
  if (options.maxBatch)
    raise.maxBatch = options.maxBatch;
  passes.addPass(createLqRaisePass(raise));
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createSymbolDCEPass());
  if (!options.weights.empty()) {
    ImportWeightsOptions weights;
    weights.from = options.weights;
    weights.map = options.weightMap;
    weights.archive = archive("checkpoint.weights");
    passes.addPass(createImportWeights(weights));
  }
  if (options.rotate) {
    RotateOptions rotate;
    rotate.archive = archive("rotate.weights");
    passes.addPass(createRotate(rotate, options.quiet ? ProgressCallback()
                                                      : printProgress()));
  }
  QuantizationOptions quantize;
  quantize.quantization = options.quantization;
  quantize.calibration = options.calibration;
  quantize.model = modelFolder(options.input);
  quantize.embeddings = options.checkpointFolder.empty();
  quantize.requantize = options.requantize;
  quantize.work = archiveFolder.str();
  if (!options.quiet)
    quantize.progress = printProgress();
  addQuantization(passes, quantize);
  if (!options.ggufFile.empty()) {
    ExportGgufOptions gguf;
    gguf.to = options.ggufFile;
    gguf.model = modelFolder(options.input);
    passes.addPass(createExportGguf(gguf));
  }
  if (!options.checkpointFolder.empty()) {
    ExportCheckpointOptions checkpoint;
    checkpoint.to = options.checkpointFolder;
    checkpoint.library = options.checkpointLibrary;
    checkpoint.model = modelFolder(options.input);
    passes.addPass(createExportCheckpoint(checkpoint));
  }
  if (!options.onnxFolder.empty()) {
    ExportOnnxOptions onnx;
    onnx.to = options.onnxFolder;
    onnx.model = options.input;
    onnx.dense = options.exportDense;
    passes.addPass(createExportOnnx(onnx));
  }
  SinkOrdersOptions orders;
  orders.archive = archive("orders.weights");
  passes.addPass(createSinkOrders(orders));
  CacheTypeOptions cache;
  cache.type = options.cacheType;
  passes.addPass(createCacheType(cache));
  PackOptions pack;
  pack.archive = archive("pack.weights");
  passes.addPass(createPack(pack));
}

LogicalResult Compiler::transform() {
  bool isQuantized = options.quantization.method != Quantization::Method::None;
  report(options.calibration.isToRun() ? "raise, calibrate, quantize, pack"
         : isQuantized                 ? "raise, quantize, pack"
                                       : "raise, pack");
  // What passes have to say beside errors, which the context prints.
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    bool isWarning = diagnostic.getSeverity() == DiagnosticSeverity::Warning;
    if (!isWarning && diagnostic.getSeverity() != DiagnosticSeverity::Remark)
      return failure();
    report((isWarning ? "warning: " : "") + diagnostic.str());
    return success();
  });
  TimingScope scope = stages.nest("raise, quantize, pack");
  PassManager passes(&context);
  passes.enableTiming(scope);
  buildPipeline(passes, options, work->path());
  if (failed(passes.run(*module)))
    return failure();
  return save("packed");
}

LogicalResult Compiler::write() {
  SmallVector<TargetCode> code;
  for (const cpu::CpuLevel *level : options.levels) {
    report("generate code for " + level->name);
    TimingScope scope = stages.nest("code for " + level->name);
    FailureOr<TargetCode> object = cpu::compile(*module, *level);
    if (failed(object))
      return failure();
    code.push_back(std::move(*object));
  }
  report("write " + options.output);
  TimingScope scope = stages.nest("write");
  auto files = openWeightFiles(*module);
  if (!files)
    return fail(llvm::toString(files.takeError()));
  ArtifactInfo artifact;
  artifact.name = options.name;
  artifact.producer = "lq " LQ_VERSION;
  artifact.tokenizer = tokenizer ? &*tokenizer : nullptr;
  if (llvm::Error error =
          writeArtifact(*module, **files, code, artifact, options.output))
    return fail(llvm::toString(std::move(error)));
  return success();
}

LogicalResult Compiler::save(llvm::StringRef stage) {
  if (options.saveStages.empty())
    return success();
  if (std::error_code error =
          llvm::sys::fs::create_directories(options.saveStages))
    return fail("cannot make " + options.saveStages + ": " + error.message());
  std::string path = options.saveStages + "/" + stage.str() + ".mlir";
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error);
  if (error)
    return fail("cannot write " + path + ": " + error.message());
  stream << **module;
  return success();
}
