// RUN: lq-opt %s --lq-raise=archive=%t.weights -split-input-file | FileCheck %s

// GELU by erf, its factors in an unusual order.
// CHECK-LABEL: module
// CHECK: lq.activation gelu %arg0 : tensor<?x64xf32>
// CHECK-NOT: linalg
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  func.func @main(%x: tensor<?x64xf32> {onnx.name = "x", onnx.dims = ["rows", 64]}) -> tensor<?x64xf32> {
    %half = onnx.node "Constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
    %one = onnx.node "Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %root = onnx.node "Constant"() {value = dense<1.41421354> : tensor<f32>} : () -> tensor<f32>
    %d = onnx.node "Div"(%x, %root) : (tensor<?x64xf32>, tensor<f32>) -> tensor<?x64xf32>
    %e = onnx.node "Erf"(%d) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %a = onnx.node "Add"(%one, %e) : (tensor<f32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    %h = onnx.node "Mul"(%a, %half) : (tensor<?x64xf32>, tensor<f32>) -> tensor<?x64xf32>
    %y = onnx.node "Mul"(%h, %x) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    return %y : tensor<?x64xf32>
  }
}

// -----

// CHECK-LABEL: module
// CHECK: lq.activation gelu_tanh %arg0 : tensor<?x64xf32>
// CHECK-NOT: linalg
module attributes {onnx.opset_imports = {ai.onnx = 20 : i64}} {
  func.func @main(%x: tensor<?x64xf32> {onnx.name = "x", onnx.dims = ["rows", 64]}) -> tensor<?x64xf32> {
    %y = onnx.node "Gelu"(%x) {approximate = "tanh"} : (tensor<?x64xf32>) -> tensor<?x64xf32>
    return %y : tensor<?x64xf32>
  }
}

// -----

// Squared ReLU is one function, not two.
// CHECK-LABEL: module
// CHECK: lq.activation relu2 %arg0 : tensor<?x64xf32>
// CHECK-NOT: lq.activation
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  func.func @main(%x: tensor<?x64xf32> {onnx.name = "x", onnx.dims = ["rows", 64]}) -> tensor<?x64xf32> {
    %r = onnx.node "Relu"(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %y = onnx.node "Mul"(%r, %r) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    return %y : tensor<?x64xf32>
  }
}

// -----

// The gate of a gated unit may stand on either side.
// CHECK-LABEL: module
// CHECK: lq.glu silu %arg1, %arg0 : tensor<?x64xf32>
// CHECK-NOT: linalg
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  func.func @main(%up: tensor<?x64xf32> {onnx.name = "up", onnx.dims = ["rows", 64]},
                  %gate: tensor<?x64xf32> {onnx.name = "gate", onnx.dims = ["rows", 64]}) -> tensor<?x64xf32> {
    %s = onnx.node "Sigmoid"(%gate) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %g = onnx.node "Mul"(%gate, %s) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    %y = onnx.node "Mul"(%up, %g) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    return %y : tensor<?x64xf32>
  }
}

// -----

// A function close to a known one is not taken for it: 1.6 is not QuickGELU's
// 1.702.
// CHECK-LABEL: module
// CHECK-NOT: lq.activation quick_gelu
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  func.func @main(%x: tensor<?x64xf32> {onnx.name = "x", onnx.dims = ["rows", 64]}) -> tensor<?x64xf32> {
    %c = onnx.node "Constant"() {value = dense<1.6> : tensor<f32>} : () -> tensor<f32>
    %m = onnx.node "Mul"(%x, %c) : (tensor<?x64xf32>, tensor<f32>) -> tensor<?x64xf32>
    %s = onnx.node "Sigmoid"(%m) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %y = onnx.node "Mul"(%x, %s) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    return %y : tensor<?x64xf32>
  }
}
