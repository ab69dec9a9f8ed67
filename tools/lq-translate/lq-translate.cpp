//===- lq-translate.cpp - Make IR from other files ------------------------===//

#include "dialects/common/WeightArchive.h"
#include "dialects/common/WeightFile.h"
#include "dialects/onnx/Import.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/WithColor.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

static cl::OptionCategory category("lq-translate options");

namespace {
enum class Action { ImportOnnx };
} // namespace

static cl::opt<Action> action(
    cl::desc("What to do:"), cl::Required, cl::cat(category),
    cl::values(clEnumValN(Action::ImportOnnx, "import-onnx",
                          "read an ONNX model into the onnx dialect, node for "
                          "node; weights stay in their files")));

static cl::opt<std::string>
    inputPath(cl::Positional, cl::Required, cl::cat(category),
              cl::desc("<.onnx file, or a folder with one>"));

static cl::opt<std::string> outputPath("o", cl::init("-"), cl::cat(category),
                                       cl::value_desc("file"),
                                       cl::desc("Where the IR goes"));

static cl::opt<std::string> archivePath(
    "archive", cl::cat(category), cl::value_desc("file"),
    cl::desc("Where tensors of more than 1 KiB go that the model does not hold "
             "as raw bytes (default: the output's name with .weights added; "
             "they stay in the IR when that is printed)"));

static cl::opt<bool>
    keepMetadata("keep-metadata", cl::cat(category),
                 cl::desc("Keep the notes that exporters attach to nodes"));

/// One line a diagnostic: the file, what kind it is, what is wrong.
static LogicalResult report(mlir::Diagnostic &diagnostic) {
  auto file = diagnostic.getLocation()->findInstanceOf<mlir::FileLineColLoc>();
  if (file)
    errs() << file.getFilename().getValue() << ": ";
  if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error)
    WithColor::error(errs());
  else
    WithColor::warning(errs());
  errs() << diagnostic.str() << "\n";
  return success();
}

/// Prints the module and then puts the archive in its place, so that no IR
/// appears that refers to bytes which are not there.
static Error print(mlir::ModuleOp module, lq::WeightArchive *archive,
                   raw_ostream &os) {
  module->print(os);
  os << "\n";
  os.flush();
  // All that this is called with is a file; LLVM has no cast that knows.
  auto &file = static_cast<raw_fd_ostream &>(os);
  std::error_code error = file.error();
  file.clear_error();
  if (error)
    return createStringError(error, "cannot write " + lq::quoted(outputPath) +
                                        ": " + error.message());
  return archive && archive->size() > 0 ? archive->commit() : Error::success();
}

/// Writes a regular file under a temporary name first; devices and pipes are
/// written directly, as renaming would replace them.
static Error writeOutput(mlir::ModuleOp module, lq::WeightArchive *archive) {
  auto write = [&](raw_ostream &os) { return print(module, archive, os); };
  sys::fs::file_status status;
  bool special = !sys::fs::status(outputPath, status) &&
                 sys::fs::exists(status) && !sys::fs::is_regular_file(status);
  if (outputPath == "-" || !special)
    return writeToOutput(outputPath, write);
  std::error_code error;
  raw_fd_ostream os(outputPath, error);
  if (error)
    return createFileError(outputPath, error);
  return write(os);
}

static Error run(mlir::MLIRContext &context, bool &reported) {
  lq::onnx::ImportOptions options;
  options.keepMetadata = keepMetadata;
  if (archivePath.empty() && outputPath != "-")
    archivePath = outputPath + ".weights";
  if (outputPath != "-") {
    StringRef parent = sys::path::parent_path(outputPath);
    options.outputFolder = parent.empty() ? "." : parent.str();
  }
  std::unique_ptr<lq::WeightArchive> archive;
  if (!archivePath.empty()) {
    auto created = lq::WeightArchive::create(archivePath);
    if (!created)
      return created.takeError();
    archive = std::move(*created);
    options.archive = archive.get();
  }
  auto module = lq::onnx::importOnnx(inputPath, context, options);
  reported = !module;
  return module ? writeOutput(*module, archive.get()) : Error::success();
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  mlir::registerAsmPrinterCLOptions();
  cl::ParseCommandLineOptions(argc, argv, "lq-translate: make IR of a model\n");
  mlir::MLIRContext context;
  mlir::ScopedDiagnosticHandler handler(&context, report);
  bool reported = false;
  if (Error error = run(context, reported)) {
    WithColor::error(errs()) << toString(std::move(error)) << "\n";
    return 1;
  }
  return reported ? 1 : 0;
}
