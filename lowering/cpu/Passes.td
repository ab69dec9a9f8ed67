//===- Passes.td - lowering to CPUs --------------------------*- tablegen -*-===//

#ifndef LQ_CPU_PASSES_TD
#define LQ_CPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def QuantizeActivations : Pass<"lq-cpu-quantize-activations", "::mlir::ModuleOp"> {
  let summary = "give integer products int8 activations, shared where they can be";
  let description = [{
    A weight whose format has codes is multiplied by integer dot products, which
    want int8 activations. This pass puts one `lq.quantize_rows` behind each value
    that such linears read, for all of them (q, k and v; gate and up). Assumes
    f32 activations; a linear whose activations are quantized stays as it is.
  }];
  let dependentDialects = ["::lq::LqDialect"];
}

def OutlineKernels : Pass<"lq-cpu-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "turn each op of the lq dialect into the launch of a derived kernel";
  let description = [{
    Equal operations (the layers of a model) share one kernel function, generated
    for their shapes, the format's description and the CPU level. Assumes entry
    points with packed weights; afterwards they hold `exec.launch`, and linalg
    and tensor ops for what has no op of its own.
  }];
  let options = [Option<"level", "level", "std::string", /*default=*/"\"\"",
                        "CPU level to generate code for (default: this machine's best)">];
  let dependentDialects = ["::lq::exec::ExecDialect", "::mlir::bufferization::BufferizationDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect",
                           "::mlir::func::FuncDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect"];
}

def OutlineLoops : Pass<"lq-cpu-outline-loops", "::mlir::ModuleOp"> {
  let summary = "turn linalg ops and copies on buffers into launches of loops";
  let description = [{
    What the general lowering left as linalg becomes a kernel function of loops,
    its outermost parallel loop divided among the threads, its innermost left to
    LLVM's vectorizer. Buffers that a derived kernel needs contiguous and are not
    are copied. Assumes bufferized entry points; leaves in them launches, views
    and index arithmetic.
  }];
  let dependentDialects = ["::lq::exec::ExecDialect", "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::linalg::LinalgDialect"];
}

#endif // LQ_CPU_PASSES_TD
