//===- Import.h - From an .onnx file to the onnx dialect --------*- C++ -*-===//

#ifndef LQ_DIALECTS_ONNX_IMPORT_H
#define LQ_DIALECTS_ONNX_IMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace lq {
class WeightArchive;
} // namespace lq

namespace lq::onnx {

struct ImportOptions {
  /// Takes the tensors of more than 1 KiB that the file does not hold as raw
  /// bytes. Without it they are inline in the IR. The caller owns it, and
  /// commits it once the IR is in its place.
  WeightArchive *archive = nullptr;
  /// The folder that the text of the IR will lie in. Where it is not the
  /// model's folder, the module says which that is (`lq.weight_folder`).
  std::string outputFolder;
  /// Keep the notes that exporters attach to nodes (metadata_props: stack
  /// traces, module names) and device configurations.
  bool keepMetadata = false;
};

/// The .onnx file meant by `path`: the file itself, or in a folder
/// "model.onnx", or else the only .onnx file. An error lists what was found.
llvm::Expected<std::string> findModel(llvm::StringRef path);

/// Imports the model that `path` names (see findModel), node for node. Weights
/// stay in their files, by reference. Returns null after an error was emitted
/// that says what was wrong with which node or tensor; the context must have
/// what it takes to load the onnx and func dialects.
mlir::OwningOpRef<mlir::ModuleOp> importOnnx(llvm::StringRef path,
                                             mlir::MLIRContext &context,
                                             const ImportOptions &options = {});

} // namespace lq::onnx

#endif // LQ_DIALECTS_ONNX_IMPORT_H
