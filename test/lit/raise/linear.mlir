// RUN: lq-opt %s --lq-raise=archive=%t.weights -split-input-file | FileCheck %s

// The second operand of a MatMul is [K, N]: its transpose is the weight.
// CHECK-LABEL: module
// CHECK: lq.weight @w : tensor<3x4xf32> from "linear.mlir" at 0 transposed
// CHECK: %[[W:.*]] = lq.get @w : tensor<3x4xf32>
// CHECK: lq.linear %{{.*}}, %[[W]] : (tensor<?x4xf32>, tensor<3x4xf32>) -> tensor<?x3xf32>
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @w : tensor<4x3xf32> from "linear.mlir" at 0
  func.func @main(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["rows", 4]}) -> tensor<?x3xf32> {
    %w = onnx.get @w : tensor<4x3xf32>
    %y = onnx.node "MatMul"(%x, %w) : (tensor<?x4xf32>, tensor<4x3xf32>) -> tensor<?x3xf32>
    return %y : tensor<?x3xf32>
  }
}

// -----

// Transposed once more, it lies as it is; the bias is added on either side.
// CHECK-LABEL: module
// CHECK: lq.weight @w : tensor<3x4xf32> from "linear.mlir" at 64
// CHECK-NOT: transposed
// CHECK: lq.weight @b : tensor<3xf32> from "linear.mlir" at 16
// CHECK: lq.linear %{{.*}}, %{{.*}} bias %{{.*}} : (tensor<?x4xf32>, tensor<3x4xf32>, tensor<3xf32>) -> tensor<?x3xf32>
// CHECK-NOT: linalg.generic
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @w : tensor<3x4xf32> from "linear.mlir" at 64
  onnx.initializer @b : tensor<3xf32> from "linear.mlir" at 16
  func.func @main(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["rows", 4]}) -> tensor<?x3xf32> {
    %w = onnx.get @w : tensor<3x4xf32>
    %b = onnx.get @b : tensor<3xf32>
    %t = onnx.node "Transpose"(%w) {perm = array<i64: 1, 0>} : (tensor<3x4xf32>) -> tensor<4x3xf32>
    %p = onnx.node "MatMul"(%x, %t) : (tensor<?x4xf32>, tensor<4x3xf32>) -> tensor<?x3xf32>
    %y = onnx.node "Add"(%b, %p) : (tensor<3xf32>, tensor<?x3xf32>) -> tensor<?x3xf32>
    return %y : tensor<?x3xf32>
  }
}

// -----

// GPT-2's Conv1D flattens the rows around a Gemm.
// CHECK-LABEL: module
// CHECK: lq.weight @w : tensor<3x4xf32> from "linear.mlir" at 0 transposed
// CHECK: lq.linear %{{.*}} : (tensor<?x?x4xf32>, tensor<3x4xf32>, tensor<3xf32>) -> tensor<?x?x3xf32>
// CHECK-NOT: tensor.collapse_shape
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @w : tensor<4x3xf32> from "linear.mlir" at 0
  onnx.initializer @b : tensor<3xf32> from "linear.mlir" at 16
  func.func @main(%x: tensor<?x?x4xf32> {onnx.name = "x", onnx.dims = ["batch", "rows", 4]}) -> tensor<?x?x3xf32> {
    %w = onnx.get @w : tensor<4x3xf32>
    %b = onnx.get @b : tensor<3xf32>
    %flat = onnx.node "Constant"() {value = dense<[-1, 4]> : tensor<2xi64>} : () -> tensor<2xi64>
    %f = onnx.node "Reshape"(%x, %flat) : (tensor<?x?x4xf32>, tensor<2xi64>) -> tensor<?x4xf32>
    %g = onnx.node "Gemm"(%f, %w, %b) {alpha = 1.0 : f32, beta = 1.0 : f32} : (tensor<?x4xf32>, tensor<4x3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
    %s = onnx.node "Shape"(%x) {start = 0 : si64, end = 2 : si64} : (tensor<?x?x4xf32>) -> tensor<2xi64>
    %n = onnx.node "Constant"() {value = dense<[3]> : tensor<1xi64>} : () -> tensor<1xi64>
    %to = onnx.node "Concat"(%s, %n) {axis = 0 : si64} : (tensor<2xi64>, tensor<1xi64>) -> tensor<3xi64>
    %y = onnx.node "Reshape"(%g, %to) : (tensor<?x3xf32>, tensor<3xi64>) -> tensor<?x?x3xf32>
    return %y : tensor<?x?x3xf32>
  }
}

// -----

// A matrix that the graph computes is evaluated and put into the archive.
// CHECK-LABEL: module
// CHECK: lq.weight @weight : tensor<2x2xf32> from "{{.*}}.weights" at 0
// CHECK: lq.linear
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @w : tensor<2x2xf32> = dense<[[1.0, 2.0], [3.0, 4.0]]>
  func.func @main(%x: tensor<?x2xf32> {onnx.name = "x", onnx.dims = ["rows", 2]}) -> tensor<?x2xf32> {
    %w = onnx.get @w : tensor<2x2xf32>
    %d = onnx.node "Add"(%w, %w) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
    %y = onnx.node "MatMul"(%x, %d) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
    return %y : tensor<?x2xf32>
  }
}

// -----

// Neither a product of two inputs nor one with a factor is a linear.
// CHECK-LABEL: module
// CHECK-NOT: lq.linear
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @w : tensor<4x4xf32> from "linear.mlir" at 0
  func.func @main(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["rows", 4]},
                  %y: tensor<4x4xf32> {onnx.name = "y", onnx.dims = [4, 4]}) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
    %w = onnx.get @w : tensor<4x4xf32>
    %a = onnx.node "MatMul"(%x, %y) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %b = onnx.node "Gemm"(%x, %w) {alpha = 2.0 : f32} : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    return %a, %b : tensor<?x4xf32>, tensor<?x4xf32>
  }
}
