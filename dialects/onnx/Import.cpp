//===- Import.cpp - From an .onnx file to the onnx dialect ----------------===//

#include "dialects/onnx/Import.h"
#include "dialects/common/ModuleWeights.h"
#include "dialects/onnx/ImportContext.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace lq;
using namespace lq::onnx;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

static llvm::Error fail(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

/// The names of the .onnx files in a folder, sorted.
static llvm::Expected<std::vector<std::string>> listModels(StringRef folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; it != end && !error;
       it.increment(error))
    if (path::extension(it->path()) == ".onnx")
      names.push_back(path::filename(it->path()).str());
  if (error)
    return fail("cannot list " + quoted(folder) + ": " + error.message());
  llvm::sort(names);
  return names;
}

llvm::Expected<std::string> lq::onnx::findModel(StringRef model) {
  fs::file_status status;
  if (std::error_code error = fs::status(model, status))
    return fail("cannot open " + quoted(model) + ": " + error.message());
  if (!fs::is_directory(status))
    return model.str();
  auto names = listModels(model);
  if (!names)
    return names.takeError();
  StringRef chosen;
  if (llvm::is_contained(*names, "model.onnx"))
    chosen = "model.onnx";
  else if (names->size() == 1)
    chosen = names->front();
  else if (names->empty())
    return fail("no .onnx file in " + quoted(model));
  else
    return fail("expected model.onnx or a single .onnx file in " +
                quoted(model) + ", found " + llvm::join(*names, ", ") +
                "; name one of them");
  SmallString<256> result(model);
  path::append(result, chosen);
  return result.str().str();
}

/// What the model says about itself, as attributes of the module.
static LogicalResult describeModel(ImportContext &import,
                                   const pb::ModelProto &model) {
  Builder b(&import.context);
  ModuleOp module = import.module;
  auto set = [&](StringRef name, StringRef text) {
    if (!text.empty())
      module->setAttr(name, import.text(text));
  };
  if (model.has_ir_version())
    module->setAttr(kIrVersionAttr, b.getI64IntegerAttr(model.ir_version()));
  auto opsets = importOpsets(import, model.opset_import(), "opset_import");
  if (failed(opsets))
    return failure();
  module->setAttr(kOpsetImportsAttr, *opsets);
  set("onnx.graph_name", model.graph().name());
  set("onnx.producer_name", model.producer_name());
  set("onnx.producer_version", model.producer_version());
  set("onnx.domain", model.domain());
  if (model.model_version())
    module->setAttr("onnx.model_version",
                    b.getI64IntegerAttr(model.model_version()));
  auto metadata =
      importEntries(import, model.metadata_props(), "metadata_props");
  if (failed(metadata))
    return failure();
  if (!metadata->empty())
    module->setAttr(kMetadataPropsAttr, *metadata);
  return success();
}

static LogicalResult importModel(ImportContext &import,
                                 const pb::ModelProto &model) {
  if (!model.has_graph())
    return emitError(import.file)
           << "the file has no graph; this is not an ONNX model, or an empty "
              "one";
  if (failed(describeModel(import, model)) ||
      failed(importMain(import, model.graph())))
    return failure();
  for (const auto &[index, function] : llvm::enumerate(model.functions()))
    if (failed(importFunction(import, function,
                              ("functions[" + Twine(index) + "]").str())))
      return failure();
  if (model.training_info_size() > 0)
    emitWarning(import.file) << "the training graphs of the model are left out";
  return success();
}

/// Says in the module where its weights are, unless a reader of its text
/// will look there anyway.
static void setWeightFolder(ModuleOp module, StringRef modelFolder,
                            StringRef outputFolder) {
  SmallString<256> canonical;
  if (!outputFolder.empty() && !fs::real_path(outputFolder, canonical) &&
      canonical == modelFolder)
    return;
  module->setAttr(kWeightFolderAttr,
                  StringAttr::get(module.getContext(), modelFolder));
}

namespace {
/// An open model file.
struct OpenModel {
  std::unique_ptr<WeightFiles> files;
  /// The file, relative to the folder of `files`.
  std::string name;
  std::unique_ptr<pb::ModelProto> model;
};
} // namespace

static llvm::Expected<OpenModel> openModel(StringRef file) {
  // The user may name the model through links; what the model itself names
  // may not go through any.
  SmallString<256> canonical;
  if (std::error_code error = fs::real_path(file, canonical))
    return fail(error.message());
  OpenModel result;
  auto files = WeightFiles::open(path::parent_path(canonical));
  if (!files)
    return files.takeError();
  result.files = std::move(*files);
  result.name = path::filename(canonical).str();
  auto size = result.files->size(result.name);
  if (!size)
    return size.takeError();
  auto bytes = result.files->read(result.name, 0, *size);
  if (!bytes)
    return bytes.takeError();
  auto model = parseModel(*bytes);
  if (!model)
    return model.takeError();
  result.model = std::move(*model);
  return result;
}

OwningOpRef<ModuleOp> lq::onnx::importOnnx(StringRef model,
                                           MLIRContext &context,
                                           const ImportOptions &options) {
  context.loadDialect<OnnxDialect, func::FuncDialect>();
  auto file = findModel(model);
  if (!file) {
    emitError(FileLineColLoc::get(&context, model, 0, 0))
        << toString(file.takeError());
    return {};
  }
  Location location = FileLineColLoc::get(&context, *file, 0, 0);
  auto open = openModel(*file);
  if (!open) {
    emitError(location) << toString(open.takeError());
    return {};
  }
  OwningOpRef<ModuleOp> module = ModuleOp::create(location);
  ImportContext import(context, options, *open->files, open->name, location,
                       *module);
  if (failed(importModel(import, *open->model)))
    return {};
  setWeightFolder(*module, open->files->folder(), options.outputFolder);
  if (failed(verify(*module)))
    return {};
  return module;
}
