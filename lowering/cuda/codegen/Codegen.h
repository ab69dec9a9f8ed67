//===- Codegen.h - from kernels to PTX and machine code ---------*- C++ -*-===//

#ifndef LQ_LOWERING_CUDA_CODEGEN_CODEGEN_H
#define LQ_LOWERING_CUDA_CODEGEN_CODEGEN_H

#include "lowering/cuda/codegen/Chip.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

namespace mlir {
class DialectRegistry;
class OpPassManager;
} // namespace mlir

namespace lq::cuda {

/// The dialects that `compileToPtx` needs and their translation to LLVM IR.
void registerCodegenDialects(mlir::DialectRegistry &registry);

/// Adds the passes, on a module, from the dialects of kernels to NVVM and LLVM.
/// Functions of the math library become polynomials.
void buildLowerToNvvm(mlir::OpPassManager &passes);

/// Runs them on the gpu.modules of `module`.
mlir::LogicalResult lowerToNvvm(mlir::ModuleOp module);

/// PTX of a gpu.module in the NVVM and LLVM dialects. The same module gives the
/// same text.
llvm::Expected<std::string> compileToPtx(mlir::gpu::GPUModuleOp module,
                                         const Chip &chip);

/// What ptxas says of a kernel.
struct KernelResources {
  std::string name;
  int64_t registers = 0;   // a thread
  int64_t sharedBytes = 0; // a block, known at compile time
  int64_t spillBytes = 0;  // a thread, stores and loads to local memory
  int64_t stackBytes = 0;  // a thread
};

/// Machine code for one chip.
struct Cubin {
  llvm::SmallVector<char, 0> bytes;
  std::vector<KernelResources> kernels;
};

/// The toolkit's assembler, if it is installed: $CUDA_HOME/bin/ptxas, the one on
/// the PATH, or /usr/local/cuda/bin/ptxas. Empty if there is none.
std::string findAssembler();

/// Assembles PTX with it.
llvm::Expected<Cubin> assemble(llvm::StringRef assembler, llvm::StringRef ptx,
                               const Chip &chip);

} // namespace lq::cuda

#endif // LQ_LOWERING_CUDA_CODEGEN_CODEGEN_H
