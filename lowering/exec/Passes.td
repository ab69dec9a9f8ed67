//===- Passes.td - passes on entry points --------------------*- tablegen -*-===//

#ifndef LQ_EXEC_PASSES_TD
#define LQ_EXEC_PASSES_TD

include "mlir/Pass/PassBase.td"

def EntryPoints : Pass<"lq-entry-points", "::mlir::ModuleOp"> {
  let summary = "make one function for each way in which a model is called";
  let description = [{
    A generative model is called with many tokens (`prefill`) and with one
    (`decode`); any other model has the entry `main`. Assumes one `@main` with
    `lq.name` and `lq.shape` on its arguments and results; afterwards each entry
    has no arguments: it reads and writes `exec.argument` buffers, and what is
    constant in it (one row, in `decode`) is constant in its types.
  }];
  let dependentDialects = ["::lq::exec::ExecDialect",
                           "::mlir::bufferization::BufferizationDialect",
                           "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

def DecomposeActivations : Pass<"lq-decompose-activations", "::mlir::ModuleOp"> {
  let summary = "activations and gates as linalg.generic";
  let description = [{
    Lets upstream elementwise fusion join `lq.activation` and `lq.glu` with their
    neighbours. Assumes f32 activations; leaves no op of the two kinds.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

def Schedule : Pass<"lq-schedule", "::mlir::ModuleOp"> {
  let summary = "put launches that do not need each other side by side";
  let description = [{
    Threads meet between a kernel and those that read what it wrote. Ordering the
    launches of an entry by how many such meetings must come before them makes
    the meetings as few as they can be: q, k and v, or gate and up, follow each
    other without one. Assumes launches on tensors; changes nothing but the order.
  }];
}

def PlanBuffers : Pass<"lq-plan-buffers", "::mlir::ModuleOp"> {
  let summary = "give every buffer of an entry point its place in the arena";
  let description = [{
    Nothing is allocated while tokens are produced. An entry point is straight-line
    code, so a buffer lives from its first to its last use, and two buffers share
    memory when their lives are apart. Dynamic sizes are bounded through the
    bounds of `lq.dimension`. Between two barriers threads are at different
    places, so lives are counted from barrier to barrier. Assumes bufferized
    entries with barriers; afterwards every `memref.alloc` in them is an
    `exec.arena`.
  }];
  let dependentDialects = ["::lq::exec::ExecDialect"];
}

def InsertBarriers : Pass<"lq-insert-barriers", "::mlir::ModuleOp"> {
  let summary = "make threads meet where one kernel needs what another wrote";
  let description = [{
    Walks each entry in order and puts an `exec.barrier` before an operation that
    reads or writes bytes written, or writes bytes read, since the last one.
    Kernels without such a conflict (q, k and v of one input) run without waiting
    between them. Assumes bufferized entries whose buffers do not share memory
    yet.
  }];
  let dependentDialects = ["::lq::exec::ExecDialect"];
}

def ConvertExecToLLVM : Pass<"convert-exec-to-llvm", "::mlir::ModuleOp"> {
  let summary = "entry points as functions of the runtime's calling contract";
  let description = [{
    Each entry becomes `lq_entry_<name>(call, thread, threads)` (runtime/Abi.h) and
    reads buffers and extents from the call. Kernels stay as they are.
    Weights, caches and dimensions get their numbers in the order of the symbols
    in the module, which is the order of the manifest.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect"];
}

#endif // LQ_EXEC_PASSES_TD
