//===- Compiler.h - from an ONNX model to an artifact -----------*- C++ -*-===//

#ifndef LQ_TOOLS_LQ_COMPILE_COMPILER_H
#define LQ_TOOLS_LQ_COMPILE_COMPILER_H

#include "dialects/common/TemporaryFolder.h"
#include "lowering/cpu/codegen/CpuLevel.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/Timing.h"
#include "runtime/tokenizer/TokenizerModel.h"
#include "tools/lq-compile/Quantization.h"
#include <optional>
#include <string>

namespace lq {

struct CompileOptions {
  /// A model folder or .onnx file.
  std::string input;
  std::string output;
  std::string name;
  /// A checkpoint that weights are taken from, and a file of names for them;
  /// empty: as the model has them.
  std::string weights, weightMap;
  /// Whether activations are rotated, which spreads outliers.
  bool rotate = false;
  Quantization quantization;
  CalibrationSource calibration;
  /// Whether weights that are quantized already are quantized again.
  bool requantize = false;
  /// A GGUF file to write the quantized model to as well; empty: none.
  std::string ggufFile;
  /// A folder to write it to as ONNX; empty: none. Weights that the operators
  /// there cannot hold are an error, unless they are to be written as numbers.
  std::string onnxFolder;
  bool exportDense = false;
  /// A folder to write it to as a checkpoint of a library; empty: none. Then
  /// tables of embeddings are not quantized, which no library does.
  std::string checkpointLibrary, checkpointFolder;
  /// Element type of caches: "f16", "f32", or "auto": f16 where weights are
  /// quantized to codes.
  std::string cacheType = "auto";
  /// Bounds; 0: from the model.
  int64_t context = 0, maxSequence = 0, maxBatch = 0;
  /// Best first.
  llvm::SmallVector<const cpu::CpuLevel *> levels;
  /// Folder to leave the IR of each stage in; empty: none.
  std::string saveStages;
  /// Say on stderr how long each stage and pass took.
  bool timing = false;
  bool quiet = false;
};

/// Compiles one model. Every failure has been reported when a step fails.
class Compiler {
public:
  Compiler(const CompileOptions &options, mlir::MLIRContext &context)
      : options(options), context(context) {
    timing.setEnabled(options.timing);
  }

  mlir::LogicalResult run();

  /// The passes between import and code generation, as lq-opt takes them.
  static void buildPipeline(mlir::OpPassManager &passes,
                            const CompileOptions &options,
                            llvm::StringRef archiveFolder);

private:
  mlir::LogicalResult readTokenizer();
  mlir::LogicalResult import();
  mlir::LogicalResult transform();
  mlir::LogicalResult write();
  mlir::LogicalResult save(llvm::StringRef stage);
  /// Says on stderr what is done now.
  void report(const llvm::Twine &step);
  mlir::LogicalResult fail(const llvm::Twine &message);

  const CompileOptions &options;
  mlir::MLIRContext &context;
  mlir::DefaultTimingManager timing;
  mlir::TimingScope stages;
  std::unique_ptr<TemporaryFolder> work;
  std::optional<TokenizerModel> tokenizer;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace lq

#endif // LQ_TOOLS_LQ_COMPILE_COMPILER_H
