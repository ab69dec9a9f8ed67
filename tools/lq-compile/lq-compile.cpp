//===- lq-compile.cpp - compile an ONNX model to one file -----------------===//

#include "dialects/lq/LqOps.h"
#include "lowering/cpu/Pipeline.h"
#include "passes/quantize/FormatChoice.h"
#include "tools/lq-compile/Compiler.h"
#include "tools/lq-compile/StopSignals.h"
#include "tools/lq-opt/RegisterAll.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/TargetSelect.h"

using namespace lq;
namespace cl = llvm::cl;

static cl::OptionCategory category("lq-compile options");

static cl::opt<std::string> input(cl::Positional, cl::Required,
                                  cl::desc("<model folder or .onnx file>"),
                                  cl::cat(category));
static cl::opt<std::string>
    output("o", cl::desc("The artifact to write (default: model.lq)"),
           cl::value_desc("file"), cl::init("model.lq"), cl::cat(category));
static cl::opt<std::string> quantize(
    "quantize",
    cl::desc("A format or mix of formats ('help' lists them), a recipe "
             "(*.yaml), gptq:<bits>[,group=128][,asym][,act_order], "
             "awq:<bits>[,group=128][,sym], gptq: or awq: with a format, mix "
             "or recipe, exl2:<bits>bpw, or auto:<bits>bpw (default: as in the "
             "model)"),
    cl::value_desc("how"), cl::cat(category));
static cl::list<std::string> calibrate(
    "calibrate",
    cl::desc("Text to run the model over, for quantizers that look at "
             "activations; with a format alone, errors are weighed by them"),
    cl::value_desc("files"), cl::CommaSeparated, cl::cat(category));
static cl::opt<int64_t> samples("calibration-samples",
                                cl::desc("Samples of that text (default: 128)"),
                                cl::init(128), cl::cat(category));
static cl::opt<int64_t>
    sampleLength("calibration-length",
                 cl::desc("Tokens of a sample (default: 512)"), cl::init(512),
                 cl::cat(category));
static cl::opt<uint64_t>
    seed("seed", cl::desc("Another number chooses other samples (default: 0)"),
         cl::init(0), cl::cat(category));
static cl::opt<std::string> statistics(
    "statistics",
    cl::desc("A file of what calibration saw, or an imatrix file of llama.cpp; "
             "with --calibrate it is written if it is not there"),
    cl::value_desc("file"), cl::cat(category));
static cl::alias imatrix("imatrix", cl::desc("The same as --statistics"),
                         cl::aliasopt(statistics), cl::cat(category));
static cl::opt<bool>
    rotate("rotate",
           cl::desc("Rotate activations and the weights around them before "
                    "quantizing, which spreads outliers"),
           cl::cat(category));
static cl::opt<bool> requantize(
    "requantize",
    cl::desc("Quantize weights again that are quantized already, where "
             "--quantize cannot keep their codes"),
    cl::cat(category));
static cl::opt<std::string> weights(
    "weights",
    cl::desc(
        "Take the weights from a checkpoint of the same model: a folder "
        "of safetensors files (dense, GPTQ, AWQ, compressed-tensors, EXL2) "
        "or a .gguf file"),
    cl::value_desc("folder or file"), cl::cat(category));
static cl::opt<std::string> weightMap(
    "weights-map",
    cl::desc("JSON pairs [\"regular expression over weight names\", \"name in "
             "the checkpoint\"], for names that are not found"),
    cl::value_desc("file"), cl::cat(category));
static cl::opt<std::string> ggufFile(
    "export-gguf",
    cl::desc("Write the quantized model to this GGUF file too, for llama.cpp"),
    cl::value_desc("file"), cl::cat(category));
static cl::opt<std::string> checkpointOption(
    "export-checkpoint",
    cl::desc("Write the quantized model to this folder too, as a checkpoint of "
             "gptq, awq, compressed-tensors or exl2; embeddings stay as they "
             "are"),
    cl::value_desc("library:folder"), cl::cat(category));
static cl::opt<std::string> onnxFolder(
    "export-onnx",
    cl::desc("Write the quantized model to this folder too, as ONNX for ONNX "
             "Runtime (MatMulNBits)"),
    cl::value_desc("folder"), cl::cat(category));
static cl::opt<bool> exportDense(
    "export-dense",
    cl::desc("Let --export-onnx write weights as numbers that MatMulNBits "
             "cannot hold, instead of failing"),
    cl::cat(category));
static cl::list<std::string>
    targets("target",
            cl::desc("What to generate code for: 'host' (this machine's best "
                     "level), 'x86-64' or 'aarch64' (every level), or levels "
                     "by name; several with commas (default: every level of "
                     "this machine's architecture)"),
            cl::value_desc("targets"), cl::CommaSeparated, cl::cat(category));
static cl::opt<std::string>
    cacheType("kv",
              cl::desc("Element type of the key/value cache: auto (f16 "
                       "where weights are quantized), f16, f32"),
              cl::init("auto"), cl::value_desc("type"), cl::cat(category));
static cl::opt<int64_t>
    contextLength("context",
                  cl::desc("Most positions a session can have (default: the "
                           "model's, at most 2048)"),
                  cl::init(0), cl::cat(category));
static cl::opt<int64_t>
    maxSequence("max-sequence",
                cl::desc("Most tokens of one prefill call (default: 512)"),
                cl::init(0), cl::cat(category));
static cl::opt<int64_t>
    maxBatch("max-batch",
             cl::desc("Most rows of a batch, for models that are not "
                      "generative (default: 1)"),
             cl::init(0), cl::cat(category));
static cl::opt<std::string>
    name("name",
         cl::desc("Name of the model in the artifact (default: "
                  "that of the folder or file)"),
         cl::cat(category));
static cl::opt<std::string>
    saveStages("save-stages",
               cl::desc("Leave the IR of each stage in this folder"),
               cl::value_desc("folder"), cl::cat(category));
static cl::opt<bool>
    printPipeline("print-pipeline",
                  cl::desc("Print the passes as an lq-opt pipeline and stop"),
                  cl::cat(category));
static cl::opt<bool>
    timing("timing", cl::desc("Print how long each stage and pass takes"),
           cl::cat(category));
static cl::opt<bool> quiet("quiet", cl::desc("Report errors only"),
                           cl::cat(category));

static int fail(const llvm::Twine &message) {
  llvm::errs() << "lq-compile: error: " << message << "\n";
  return 1;
}

/// "model" of "folder/model.onnx", "folder" of "folder/".
static std::string defaultName(llvm::StringRef path) {
  llvm::SmallString<256> absolute(path);
  llvm::sys::fs::make_absolute(absolute);
  llvm::sys::path::remove_dots(absolute, /*remove_dot_dot=*/true);
  llvm::StringRef last(absolute);
  if (llvm::sys::path::filename(last) == "model.onnx")
    last = llvm::sys::path::parent_path(last);
  return llvm::sys::fs::is_directory(path)
             ? llvm::sys::path::filename(last).str()
             : llvm::sys::path::stem(last).str();
}

/// The levels that the --target texts name, best first; empty after an error.
static llvm::SmallVector<const cpu::CpuLevel *> chooseLevels() {
  llvm::SmallVector<const cpu::CpuLevel *> chosen;
  auto isNamed = [&](llvm::StringRef name) {
    return llvm::is_contained(targets, name);
  };
  bool host = isNamed("host");
  llvm::SetVector<llvm::StringRef> names;
  for (const cpu::CpuLevel &level : cpu::CpuLevel::all()) {
    bool isHost = host && level.availableOnHost();
    host &= !isHost;
    llvm::StringRef architecture = cpu::getName(level.architecture);
    bool isDefault =
        targets.empty() && level.architecture == cpu::hostArchitecture();
    if (isDefault || isHost || isNamed(architecture) || isNamed(level.name))
      chosen.push_back(&level);
    names.insert(architecture);
    names.insert(level.name);
  }
  for (const std::string &target : targets) {
    if (names.contains(target) || (target == "host" && !host))
      continue;
    std::string known = "host, " + llvm::join(names, ", ");
    fail(target == "host"
             ? "no level of code that lq generates runs on this machine; known "
               "targets: " +
                   known
             : "unknown target '" + target + "'; expected one of " + known);
    return {};
  }
  return chosen;
}

static int listFormatNames(mlir::MLIRContext &context) {
  for (const std::string &name : FormatChoice::names(context))
    llvm::outs() << name << "\n";
  return 0;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(
      argc, argv,
      "Compiles an ONNX language model to one file that lq-run runs.\n");
  handleStopSignals();
  mlir::DialectRegistry registry;
  lq::registerAllDialects(registry);
  cpu::registerLowering(registry);
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  if (quantize == "help")
    return listFormatNames(context);

  CompileOptions options;
  options.input = input;
  options.output = output;
  options.name = name.empty() ? defaultName(input) : name;
  llvm::Expected<Quantization> quantization =
      Quantization::parse(context, quantize);
  if (!quantization)
    return fail("--quantize: " + llvm::toString(quantization.takeError()));
  options.quantization = *quantization;
  options.calibration = {{calibrate.begin(), calibrate.end()},
                         samples,
                         sampleLength,
                         seed,
                         statistics};
  options.rotate = rotate;
  options.requantize = requantize;
  options.weights = weights;
  options.weightMap = weightMap;
  options.ggufFile = ggufFile;
  auto [library, folder] = llvm::StringRef(checkpointOption).split(':');
  options.checkpointLibrary = library.str();
  options.checkpointFolder = folder.str();
  if (!checkpointOption.empty() && folder.empty())
    return fail("--export-checkpoint takes a library and a folder, as in "
                "gptq:my-model-gptq");
  options.onnxFolder = onnxFolder;
  options.exportDense = exportDense;
  options.cacheType = cacheType;
  options.context = contextLength;
  options.maxSequence = maxSequence;
  options.maxBatch = maxBatch;
  options.saveStages = saveStages;
  options.timing = timing;
  options.quiet = quiet;
  options.levels = chooseLevels();
  if (options.levels.empty())
    return 1;
  bool isQuantized = options.quantization.method != Quantization::Method::None;
  if (options.requantize && !isQuantized)
    return fail("--requantize needs a format, --quantize");
  if (options.calibration.exists() && !isQuantized)
    return fail("--calibrate and --statistics need to know for what, "
                "--quantize");
  if (options.quantization.needsText() && calibrate.empty())
    return fail("--quantize=" + quantize +
                " runs the model: give text with --calibrate");
  if (options.quantization.needsStatistics() && !options.calibration.exists())
    return fail("--quantize=" + quantize +
                " needs to know the model's activations: give text with "
                "--calibrate, or --statistics");
  if (printPipeline) {
    mlir::PassManager passes(&context);
    Compiler::buildPipeline(passes, options, ".");
    passes.printAsTextualPipeline(llvm::outs());
    llvm::outs() << "\n";
    return 0;
  }
  return mlir::failed(Compiler(options, context).run());
}
