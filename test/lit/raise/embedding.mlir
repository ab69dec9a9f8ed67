// RUN: lq-opt %s --lq-raise=archive=%t.weights -split-input-file | FileCheck %s

// The head is the same bytes as the table, seen transposed: one weight.
// CHECK-LABEL: module
// CHECK-COUNT-1: lq.weight
// CHECK-NOT: lq.weight
// CHECK: %[[TABLE:.*]] = lq.get @table : tensor<8x4xf32>
// CHECK: %[[X:.*]] = lq.embedding %arg0, %[[TABLE]] : (tensor<?xi64>, tensor<8x4xf32>) -> tensor<?x4xf32>
// CHECK: lq.linear %[[X]], %[[TABLE]] : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @table : tensor<8x4xf32> from "embedding.mlir" at 0
  func.func @main(%ids: tensor<?xi64> {onnx.name = "ids", onnx.dims = ["rows"]}) -> tensor<?x8xf32> {
    %table = onnx.get @table : tensor<8x4xf32>
    %x = onnx.node "Gather"(%table, %ids) : (tensor<8x4xf32>, tensor<?xi64>) -> tensor<?x4xf32>
    %head = onnx.node "Transpose"(%table) {perm = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
    %y = onnx.node "MatMul"(%x, %head) : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
    return %y : tensor<?x8xf32>
  }
}

// -----

// Learned positions: the ids are 0, 1, 2, ... whatever computes them, and the
// table bounds their number.
// CHECK-LABEL: module
// CHECK: lq.weight @positions : tensor<16x4xf32>
// CHECK: lq.dimension @rows max 14
// CHECK: %[[IDS:.*]] = linalg.generic
// CHECK: linalg.index 1
// CHECK: lq.embedding %{{.*}}, %{{.*}} : (tensor<?xi64>, tensor<16x4xf32>) -> tensor<?x4xf32>
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @positions : tensor<16x4xf32> from "embedding.mlir" at 0
  func.func @main(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["rows", 4]}) -> tensor<?x4xf32> {
    %table = onnx.get @positions : tensor<16x4xf32>
    %s = onnx.node "Shape"(%x) {start = 0 : si64, end = 1 : si64} : (tensor<?x4xf32>) -> tensor<1xi64>
    %n = onnx.node "Squeeze"(%s) : (tensor<1xi64>) -> tensor<i64>
    %zero = onnx.node "Constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
    %one = onnx.node "Constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
    %two = onnx.node "Constant"() {value = dense<2> : tensor<i64>} : () -> tensor<i64>
    %r = onnx.node "Range"(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
    %ids = onnx.node "Add"(%r, %two) : (tensor<?xi64>, tensor<i64>) -> tensor<?xi64>
    %p = onnx.node "Gather"(%table, %ids) : (tensor<16x4xf32>, tensor<?xi64>) -> tensor<?x4xf32>
    %y = onnx.node "Add"(%x, %p) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}
