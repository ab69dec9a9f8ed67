//===- ExecDialect.td - the exec dialect ---------------------*- tablegen -*-===//

#ifndef EXEC_DIALECT_TD
#define EXEC_DIALECT_TD

include "mlir/IR/OpBase.td"

def Exec_Dialect : Dialect {
  let name = "exec";
  let cppNamespace = "::lq::exec";
  let summary = "An entry point as a program of kernel launches on buffers";
  let description = [{
    Between a model (the lq dialect, on tensors) and machine code stands a
    straight-line program: each entry point of an artifact is a `func.func` that
    launches kernels, one after another. Every thread of a team runs the whole
    program; a kernel divides its work by thread number and `exec.barrier`
    stands where one kernel reads what another wrote.

    `exec.launch` is in destination-passing style, so that upstream
    bufferization decides what is written in place. After it, `exec.arena`
    names the place of every intermediate buffer, planned at compile time.
  }];
}

#endif // EXEC_DIALECT_TD
