//===- ModuleWeights.cpp - Which folder a module's weights lie in ---------===//

#include "dialects/common/ModuleWeights.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace lq;

/// The folder of the text that `module` was parsed from, "." if unknown.
static StringRef textFolder(mlir::ModuleOp module) {
  auto location = module.getLoc()->findInstanceOf<mlir::FileLineColLoc>();
  if (!location)
    return ".";
  StringRef parent = sys::path::parent_path(location.getFilename());
  return parent.empty() ? "." : parent;
}

Expected<std::unique_ptr<WeightFiles>>
lq::openWeightFiles(mlir::ModuleOp module) {
  SmallString<256> folder(textFolder(module));
  if (auto given = module->getAttrOfType<mlir::StringAttr>(kWeightFolderAttr)) {
    if (sys::path::is_absolute(given.getValue()))
      folder = given.getValue();
    else
      sys::path::append(folder, given.getValue());
  }
  auto files = WeightFiles::open(folder);
  if (!files)
    return files.takeError();
  if (Error error = (*files)->allow(textFolder(module)))
    return std::move(error);
  return files;
}
