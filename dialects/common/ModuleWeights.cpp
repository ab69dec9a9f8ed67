//===- ModuleWeights.cpp - Which folder a module's weights lie in ---------===//

#include "dialects/common/ModuleWeights.h"

#include "mlir/IR/Builders.h"
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

static SmallVector<StringRef> moreFolders(mlir::ModuleOp module) {
  SmallVector<StringRef> folders;
  if (auto list =
          module->getAttrOfType<mlir::ArrayAttr>(kMoreWeightFoldersAttr))
    for (auto folder : list.getAsRange<mlir::Attribute>())
      if (auto text = dyn_cast<mlir::StringAttr>(folder))
        folders.push_back(text.getValue());
  return folders;
}

void lq::allowWeightFolder(mlir::ModuleOp module, StringRef folder) {
  SmallVector<StringRef> folders = moreFolders(module);
  if (is_contained(folders, folder))
    return;
  folders.push_back(folder);
  module->setAttr(kMoreWeightFoldersAttr,
                  mlir::Builder(module.getContext()).getStrArrayAttr(folders));
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
  for (StringRef more : moreFolders(module))
    if (Error error = (*files)->allow(more))
      return std::move(error);
  return files;
}
