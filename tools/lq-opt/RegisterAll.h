//===- RegisterAll.h - All that lq-opt knows --------------------*- C++ -*-===//
//
// The one list of dialects, extensions and passes; tools that read IR use it
// too.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_TOOLS_LQ_OPT_REGISTERALL_H
#define LQ_TOOLS_LQ_OPT_REGISTERALL_H

#include "dialects/lq/LqDialect.h"
#include "dialects/onnx/OnnxDialect.h"
#include "dialects/onnx/transforms/Passes.h"
#include "lowering/cpu/Passes.h"
#include "lowering/cpu/Pipeline.h"
#include "lowering/exec/Passes.h"
#include "lowering/execute/Execute.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "passes/allocate/Passes.h"
#include "passes/awq/Passes.h"
#include "passes/calibrate/Passes.h"
#include "passes/checkpoint/Passes.h"
#include "passes/pack/Passes.h"
#include "passes/quantize/Passes.h"
#include "passes/raise/Passes.h"
#include "passes/raise/general/Passes.h"
#include "passes/rotate/Passes.h"

namespace lq {

/// Adds the dialects of lq and of MLIR.
inline void registerAllDialects(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<onnx::OnnxDialect, LqDialect, exec::ExecDialect>();
  cpu::registerLowering(registry);
}

/// Makes the passes of lq and of MLIR known by name.
inline void registerAllPasses() {
  mlir::registerAllPasses();
  onnx::registerOnnxPasses();
  registerQuantizePasses();
  registerCheckpointPasses();
  registerCalibratePasses(hostExecutors());
  registerAllocatePasses(hostExecutors());
  registerAwqPasses(hostExecutors());
  registerPackPasses();
  registerRotatePasses();
  registerLqRaisePasses();
  registerLqRaiseGeneralPasses();
  exec::registerLqExecPasses();
  cpu::registerLqCpuPasses();
  cpu::registerPipelines();
}

} // namespace lq

#endif // LQ_TOOLS_LQ_OPT_REGISTERALL_H
