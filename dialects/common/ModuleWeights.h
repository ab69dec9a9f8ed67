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

/// Opens the files that the weights of `module` lie in. The folder of the
/// .mlir file that the module was parsed from is found through its location,
/// and archives in it can be read as well.
llvm::Expected<std::unique_ptr<WeightFiles>>
openWeightFiles(mlir::ModuleOp module);

} // namespace lq

#endif // LQ_DIALECTS_COMMON_MODULEWEIGHTS_H
