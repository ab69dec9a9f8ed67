//===- Passes.td - The general lowering as a pass ------------*- tablegen -*-===//

#ifndef LQ_PASSES_RAISE_GENERAL_PASSES
#define LQ_PASSES_RAISE_GENERAL_PASSES

include "mlir/Pass/PassBase.td"

def RaiseGeneral : Pass<"lq-raise-general", "::mlir::ModuleOp"> {
  let summary = "lower an ONNX graph node by node, without looking for idioms";
  let description = [{
    What `lq-raise` does with the nodes that no idiom covers, done to a whole
    graph: each `onnx.node` of `@main` becomes tensor, linalg, arith and math
    operations; shape arithmetic disappears into affine expressions of
    `lq.extent`. It serves to see, and to test, how a node is lowered.

    Assumes that the inputs' `onnx.dims` are what the model is called with.
    Guarantees a `@main` without onnx operations. Nodes that have no lowering are
    listed in one error, with their number and the name of one.

    ```mlir
    func.func @main(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["n", 4]}) -> tensor<?x4xf32> {
      %y = onnx.node "Exp"(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
      return %y : tensor<?x4xf32>
    }
    ```
  }];
  let options = [
    Option<"max", "max", "int64_t", /*default=*/"512",
           "bound of every dimension that the inputs leave open">];
  let dependentDialects = [
    "::lq::LqDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
    "::mlir::tensor::TensorDialect"];
}

#endif // LQ_PASSES_RAISE_GENERAL_PASSES
