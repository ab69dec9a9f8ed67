//===- Pipeline.cpp - from a packed model to code for CPUs ----------------===//

#include "lowering/cpu/Pipeline.h"

#include "dialects/lq/LqOps.h"
#include "lowering/cpu/Passes.h"
#include "lowering/cpu/codegen/Codegen.h"
#include "lowering/cpu/kernels/Kernels.h"
#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/Extensions/AllExtensions.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Linalg/Transforms/SubsetInsertionOpInterfaceImpl.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/TensorInferTypeOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/SubsetInsertionOpInterfaceImpl.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void lq::cpu::registerLowering(DialectRegistry &registry) {
  registry.insert<LqDialect, exec::ExecDialect, affine::AffineDialect,
                  arith::ArithDialect, bufferization::BufferizationDialect,
                  func::FuncDialect, linalg::LinalgDialect, LLVM::LLVMDialect,
                  math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                  tensor::TensorDialect, vector::VectorDialect>();
  registerKernelDialects(registry);
  registerCodegenDialects(registry);
  exec::registerBufferization(registry);
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerSubsetOpInterfaceExternalModels(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerInferTypeOpInterfaceExternalModels(registry);
  tensor::registerSubsetOpInterfaceExternalModels(registry);
}

void lq::cpu::buildEntryPipeline(OpPassManager &passes, const CpuLevel &level) {
  passes.addPass(exec::createEntryPoints());
  passes.addPass(exec::createDecomposeActivations());
  passes.addPass(createConvertElementwiseToLinalgPass());
  passes.addNestedPass<func::FuncOp>(createLinalgGeneralizeNamedOpsPass());
  passes.addPass(createLinalgElementwiseOpFusionPass());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createQuantizeActivations());
  passes.addPass(createOutlineKernels({level.name}));
  passes.addPass(createCanonicalizerPass());
  passes.addPass(exec::createSchedule());
  passes.addPass(bufferization::createEmptyTensorEliminationPass());
  bufferization::OneShotBufferizePassOptions options;
  options.functionBoundaryTypeConversion =
      bufferization::LayoutMapOption::IdentityLayoutMap;
  passes.addPass(bufferization::createOneShotBufferizePass(options));
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createOutlineLoops());
  passes.addPass(memref::createResolveShapedTypeResultDimsPass());
  passes.addPass(createLowerAffinePass());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(exec::createInsertBarriers());
  passes.addPass(exec::createPlanBuffers());
}

void lq::cpu::buildLlvmPipeline(OpPassManager &passes) {
  passes.addPass(exec::createConvertExecToLLVM());
  buildLowerToLlvm(passes);
}

void lq::cpu::registerPipelines() {
  struct LevelOptions : PassPipelineOptions<LevelOptions> {
    Option<std::string> level{*this, "level",
                              llvm::cl::desc("CPU level to generate code for"),
                              llvm::cl::init(std::string())};
  };
  PassPipelineRegistration<LevelOptions>(
      "lq-cpu-entries",
      "from a packed model to entry points that launch derived kernels on "
      "planned buffers",
      [](OpPassManager &passes, const LevelOptions &options) {
        CpuLevel level;
        level.name = options.level;
        buildEntryPipeline(passes, level);
      });
  PassPipelineRegistration<>(
      "lq-cpu-llvm", "from entry points and kernels to the LLVM dialect",
      buildLlvmPipeline);
}
