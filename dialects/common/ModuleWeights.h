//===- ModuleWeights.h - Which folder a module's weights lie in -*- C++ -*-===//

#ifndef LQ_DIALECTS_COMMON_MODULEWEIGHTS_H
#define LQ_DIALECTS_COMMON_MODULEWEIGHTS_H

#include "dialects/common/WeightFile.h"
#include "mlir/IR/BuiltinOps.h"

namespace lq {

/// A string attribute of the module: the folder that relative weight paths
/// start from, itself absolute or relative to the folder of the .mlir file.
/// Without it they start from the folder of the .mlir file.
inline constexpr llvm::StringLiteral kWeightFolderAttr = "lq.weight_folder";

/// An array of strings of the module: absolute paths of further folders that
/// weights lie in. Only passes that the user gave the folder's path set it.
inline constexpr llvm::StringLiteral kMoreWeightFoldersAttr =
    "lq.more_weight_folders";

/// Lets weights of the module be addressed by absolute paths below `folder`,
/// itself absolute and canonical.
void allowWeightFolder(mlir::ModuleOp module, llvm::StringRef folder);

/// Opens the files that the weights of `module` lie in. The folder of the
/// .mlir file that the module was parsed from is found through its location,
/// and archives in it can be read as well.
llvm::Expected<std::unique_ptr<WeightFiles>>
openWeightFiles(mlir::ModuleOp module);

} // namespace lq

#endif // LQ_DIALECTS_COMMON_MODULEWEIGHTS_H
