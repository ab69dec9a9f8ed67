//===- OnnxDialect.td - The onnx dialect -------------------*- tablegen -*-===//

#ifndef LQ_DIALECTS_ONNX_ONNXDIALECT
#define LQ_DIALECTS_ONNX_ONNXDIALECT

include "mlir/IR/OpBase.td"

def Onnx_Dialect : Dialect {
  let name = "onnx";
  let cppNamespace = "::lq::onnx";
  let summary = "An ONNX graph as it was exported, node for node";
  let description = [{
    This dialect holds any ONNX graph without knowing its operators: every node
    is one `onnx.node`, which keeps the operator's name, domain, attributes and
    subgraphs as they were. Meaning is given to nodes later, when they are
    raised; so an operator that nobody has heard of survives the import, and is
    named in one error if it is needed after all.

    The graph is `func.func @main`. Each argument and result carries
    `onnx.name` (its ONNX name) and, where the rank is known, `onnx.dims`: an
    array with an integer for a fixed extent, a string for a named one and
    `unit` for an unknown one. A graph input that has an initializer is
    that initializer, not an argument.

    ```mlir
    module attributes {onnx.ir_version = 8 : i64, onnx.opset_imports = {ai.onnx = 17 : i64}} {
      onnx.initializer @w : tensor<64x64xf32> from "model.onnx" at 133
      func.func @main(%x: tensor<?x64xf32> {onnx.name = "x", onnx.dims = ["batch", 64]})
          -> (tensor<?x64xf32> {onnx.name = "y", onnx.dims = ["batch", 64]}) {
        %w = onnx.get @w : tensor<64x64xf32>
        %y = onnx.node "MatMul"(%x, %w) -> ["y"] : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
        return %y : tensor<?x64xf32>
      }
    }
    ```

    Attributes of the module: `onnx.ir_version`, `onnx.opset_imports` (domain to
    version; the empty domain is called ai.onnx), `onnx.graph_name`,
    `onnx.producer_name`, `onnx.producer_version`, `onnx.domain`,
    `onnx.model_version`, `onnx.metadata_props`. `lq.weight_folder` is the
    folder that the files of initializers are relative to; without it, that is
    the folder of the .mlir file.

    Element types: INT and BOOL are signless (`i64`, `i8`, `i4`, `i2`, `i1`), UINT
    unsigned (`ui8`, `ui4`, ...), floats `f16`, `bf16`, `f32`, `f64`, `f8E4M3FN`,
    `f8E4M3FNUZ`, `f8E5M2`, `f8E5M2FNUZ`, `f8E8M0FNU`, `f4E2M1FN`, complex
    numbers `complex<f32>` and `complex<f64>`, strings `!onnx.string`.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::func::FuncDialect"];
}

#endif // LQ_DIALECTS_ONNX_ONNXDIALECT
