// RUN: lq-opt %s --lq-raise=archive=%t.weights -split-input-file | FileCheck %s

// CHECK-LABEL: module
// CHECK: lq.rms_norm %arg0, %{{.*}} {epsilon = 9.99999997E-7 : f32} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
// CHECK-NOT: linalg
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @gamma : tensor<4xf32> = dense<[1.0, 2.0, 3.0, 4.0]>
  func.func @main(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["rows", 4]}) -> tensor<?x4xf32> {
    %gamma = onnx.get @gamma : tensor<4xf32>
    %two = onnx.node "Constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
    %one = onnx.node "Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %epsilon = onnx.node "Constant"() {value = dense<1.0e-6> : tensor<f32>} : () -> tensor<f32>
    %axes = onnx.node "Constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
    %s = onnx.node "Pow"(%x, %two) : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
    %m = onnx.node "ReduceMean"(%s, %axes) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1xf32>
    %a = onnx.node "Add"(%m, %epsilon) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
    %q = onnx.node "Sqrt"(%a) : (tensor<?x1xf32>) -> tensor<?x1xf32>
    %i = onnx.node "Div"(%one, %q) : (tensor<f32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %n = onnx.node "Mul"(%x, %i) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
    %y = onnx.node "Mul"(%gamma, %n) : (tensor<4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// Gemma multiplies by 1 + gamma: the sum is evaluated. Squares are x * x, and
// the root divides.
// CHECK-LABEL: module
// CHECK: lq.weight @vector : tensor<2xf32> from "{{.*}}.weights" at 0
// CHECK: lq.rms_norm
// CHECK-NOT: linalg
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @gamma : tensor<2xf32> = dense<[0.5, 0.25]>
  func.func @main(%x: tensor<?x2xf32> {onnx.name = "x", onnx.dims = ["rows", 2]}) -> tensor<?x2xf32> {
    %gamma = onnx.get @gamma : tensor<2xf32>
    %one = onnx.node "Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %epsilon = onnx.node "Constant"() {value = dense<1.0e-6> : tensor<f32>} : () -> tensor<f32>
    %g = onnx.node "Add"(%gamma, %one) : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
    %s = onnx.node "Mul"(%x, %x) : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
    %m = onnx.node "ReduceMean"(%s) {axes = array<i64: 1>} : (tensor<?x2xf32>) -> tensor<?x1xf32>
    %a = onnx.node "Add"(%epsilon, %m) : (tensor<f32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %q = onnx.node "Sqrt"(%a) : (tensor<?x1xf32>) -> tensor<?x1xf32>
    %n = onnx.node "Div"(%x, %q) : (tensor<?x2xf32>, tensor<?x1xf32>) -> tensor<?x2xf32>
    %y = onnx.node "Mul"(%n, %g) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
    return %y : tensor<?x2xf32>
  }
}

// -----

// CHECK-LABEL: module
// CHECK: lq.layer_norm %arg0, %{{.*}}, %{{.*}} {epsilon = 9.99999974E-6 : f32} : (tensor<?x2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
// CHECK-NOT: linalg
module attributes {onnx.opset_imports = {ai.onnx = 11 : i64}} {
  onnx.initializer @gamma : tensor<2xf32> = dense<[0.5, 0.25]>
  onnx.initializer @beta : tensor<2xf32> = dense<[1.0, 2.0]>
  func.func @main(%x: tensor<?x2xf32> {onnx.name = "x", onnx.dims = ["rows", 2]}) -> tensor<?x2xf32> {
    %gamma = onnx.get @gamma : tensor<2xf32>
    %beta = onnx.get @beta : tensor<2xf32>
    %two = onnx.node "Constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
    %epsilon = onnx.node "Constant"() {value = dense<1.0e-5> : tensor<f32>} : () -> tensor<f32>
    %mean = onnx.node "ReduceMean"(%x) {axes = array<i64: -1>} : (tensor<?x2xf32>) -> tensor<?x1xf32>
    %d = onnx.node "Sub"(%x, %mean) : (tensor<?x2xf32>, tensor<?x1xf32>) -> tensor<?x2xf32>
    %s = onnx.node "Pow"(%d, %two) : (tensor<?x2xf32>, tensor<f32>) -> tensor<?x2xf32>
    %m = onnx.node "ReduceMean"(%s) {axes = array<i64: -1>} : (tensor<?x2xf32>) -> tensor<?x1xf32>
    %a = onnx.node "Add"(%m, %epsilon) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
    %q = onnx.node "Sqrt"(%a) : (tensor<?x1xf32>) -> tensor<?x1xf32>
    %n = onnx.node "Div"(%d, %q) : (tensor<?x2xf32>, tensor<?x1xf32>) -> tensor<?x2xf32>
    %p = onnx.node "Mul"(%n, %gamma) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
    %y = onnx.node "Add"(%p, %beta) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
    return %y : tensor<?x2xf32>
  }
}

// -----

// The mean over another axis, or the square of something else, is no norm.
// CHECK-LABEL: module
// CHECK-NOT: lq.rms_norm
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @gamma : tensor<2xf32> = dense<[0.5, 0.25]>
  func.func @main(%x: tensor<?x2xf32> {onnx.name = "x", onnx.dims = ["rows", 2]},
                  %z: tensor<?x2xf32> {onnx.name = "z", onnx.dims = ["rows", 2]}) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
    %gamma = onnx.get @gamma : tensor<2xf32>
    %epsilon = onnx.node "Constant"() {value = dense<1.0e-6> : tensor<f32>} : () -> tensor<f32>
    %s = onnx.node "Mul"(%x, %x) : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
    %m = onnx.node "ReduceMean"(%s) {axes = array<i64: 0>} : (tensor<?x2xf32>) -> tensor<1x2xf32>
    %a = onnx.node "Add"(%m, %epsilon) : (tensor<1x2xf32>, tensor<f32>) -> tensor<1x2xf32>
    %q = onnx.node "Sqrt"(%a) : (tensor<1x2xf32>) -> tensor<1x2xf32>
    %n = onnx.node "Div"(%x, %q) : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x2xf32>
    %y = onnx.node "Mul"(%n, %gamma) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
    %m2 = onnx.node "ReduceMean"(%s) {axes = array<i64: -1>} : (tensor<?x2xf32>) -> tensor<?x1xf32>
    %a2 = onnx.node "Add"(%m2, %epsilon) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
    %q2 = onnx.node "Sqrt"(%a2) : (tensor<?x1xf32>) -> tensor<?x1xf32>
    %n2 = onnx.node "Div"(%z, %q2) : (tensor<?x2xf32>, tensor<?x1xf32>) -> tensor<?x2xf32>
    %y2 = onnx.node "Mul"(%n2, %gamma) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
    return %y, %y2 : tensor<?x2xf32>, tensor<?x2xf32>
  }
}

// -----

// The input is a product itself, as Gemma's scaled embeddings are.
// CHECK-LABEL: module
// CHECK: %[[X:.*]] = linalg.generic
// CHECK: lq.rms_norm %[[X]], %{{.*}} {epsilon = 9.99999997E-7 : f32}
// CHECK-NOT: linalg
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @gamma : tensor<2xf32> = dense<[0.5, 0.25]>
  func.func @main(%x: tensor<?x2xf32> {onnx.name = "x", onnx.dims = ["rows", 2]}) -> tensor<?x2xf32> {
    %gamma = onnx.get @gamma : tensor<2xf32>
    %scale = onnx.node "Constant"() {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
    %two = onnx.node "Constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
    %one = onnx.node "Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %epsilon = onnx.node "Constant"() {value = dense<1.0e-6> : tensor<f32>} : () -> tensor<f32>
    %axes = onnx.node "Constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
    %z = onnx.node "Mul"(%x, %scale) : (tensor<?x2xf32>, tensor<f32>) -> tensor<?x2xf32>
    %s = onnx.node "Pow"(%z, %two) : (tensor<?x2xf32>, tensor<f32>) -> tensor<?x2xf32>
    %m = onnx.node "ReduceMean"(%s, %axes) : (tensor<?x2xf32>, tensor<1xi64>) -> tensor<?x1xf32>
    %a = onnx.node "Add"(%m, %epsilon) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
    %q = onnx.node "Sqrt"(%a) : (tensor<?x1xf32>) -> tensor<?x1xf32>
    %i = onnx.node "Div"(%one, %q) : (tensor<f32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %n = onnx.node "Mul"(%z, %i) : (tensor<?x2xf32>, tensor<?x1xf32>) -> tensor<?x2xf32>
    %y = onnx.node "Mul"(%n, %gamma) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
    return %y : tensor<?x2xf32>
  }
}
