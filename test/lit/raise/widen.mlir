// RUN: lq-opt %s --lq-raise=archive=%t.weights | FileCheck %s

// A graph in f16 computes in f32; a weight keeps the type that it is stored in,
// and vectors become f32.
// CHECK: lq.weight @w : tensor<3x4xf16> from "widen.mlir" at 0 transposed
// CHECK: lq.weight @vector : tensor<3xf32> from "{{.*}}.weights" at 0
// CHECK: func.func @main(%arg0: tensor<?x4xf32> {{.*}}) -> (tensor<?x3xf32>
// CHECK: lq.linear %arg0, %{{.*}} bias %{{.*}} : (tensor<?x4xf32>, tensor<3x4xf16>, tensor<3xf32>) -> tensor<?x3xf32>
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @w : tensor<4x3xf16> from "widen.mlir" at 0
  onnx.initializer @b : tensor<3xf16> = dense<[1.0, 2.0, 3.0]>
  func.func @main(%x: tensor<?x4xf16> {onnx.name = "x", onnx.dims = ["rows", 4]}) -> tensor<?x3xf16> {
    %w = onnx.get @w : tensor<4x3xf16>
    %b = onnx.get @b : tensor<3xf16>
    %p = onnx.node "MatMul"(%x, %w) : (tensor<?x4xf16>, tensor<4x3xf16>) -> tensor<?x3xf16>
    %y = onnx.node "Add"(%p, %b) : (tensor<?x3xf16>, tensor<3xf16>) -> tensor<?x3xf16>
    %c = onnx.node "Cast"(%y) {to = 10 : si64} : (tensor<?x3xf16>) -> tensor<?x3xf16>
    return %c : tensor<?x3xf16>
  }
}
