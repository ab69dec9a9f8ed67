//===- Passes.td - Passes over the imported graph ----------*- tablegen -*-===//

#ifndef LQ_DIALECTS_ONNX_TRANSFORMS_PASSES
#define LQ_DIALECTS_ONNX_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def InlineFunctionsPass : Pass<"onnx-inline-functions", "::mlir::ModuleOp"> {
  let summary = "put the bodies of model-local functions in the place of their calls";
  let description = [{
    Some exporters wrap operators in functions of their own (older dynamo exports
    call each ATen operator). Later passes know ONNX's operators only, so every node
    whose operator is an `onnx.function` is replaced by the function's body, also
    inside subgraphs and other functions. References to attributes are resolved.
    Afterwards there are no `onnx.function` ops and no `#onnx.ref` attributes.
    A node in the place of a call `n` is named `n/...`; results keep their names.
  }];
  let options = [
    Option<"maxNodes", "max-nodes", "int64_t", "1 << 20",
           "Give up when the functions expand to more nodes than this">
  ];
  let statistics = [
    Statistic<"inlined", "calls-inlined", "Number of calls inlined">
  ];
}

def FoldConstantIfPass : Pass<"onnx-fold-constant-if", "::mlir::ModuleOp"> {
  let summary = "replace an If whose condition is constant by the branch taken";
  let description = [{
    Exporters leave an `If` where they traced shape-dependent code (`squeeze`, for
    one) although the condition is a constant. The nodes of the branch taken are moved
    in front of the `If` and their values replace its results.
    A condition is constant if it is an initializer or the tensor of a `Constant`
    node, of one element.
  }];
  let statistics = [
    Statistic<"folded", "ifs-folded", "Number of If nodes folded">
  ];
}

#endif // LQ_DIALECTS_ONNX_TRANSFORMS_PASSES
