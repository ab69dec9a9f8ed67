// RUN: lq-opt %s --lq-raise=archive=%t.weights -split-input-file | FileCheck %s

// Keys are transposed through three dimensions, as dynamo's exporter does it;
// each key head serves two query heads; the scale is split between q and k.
// Mask and guard of empty rows are gone, for the mask is zero.
// CHECK-LABEL: module
// CHECK: %[[OUT:.*]] = lq.attention %arg0, %arg1, %arg2 {scale = 2.500000e-01 : f32} : (tensor<1x?x4x8xf32>, tensor<1x?x2x8xf32>, tensor<1x?x2x8xf32>) -> tensor<1x?x4x8xf32>
// CHECK: return %[[OUT]]
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  func.func @main(%q: tensor<1x?x4x8xf32> {onnx.name = "q", onnx.dims = [1, "rows", 4, 8]},
                  %k: tensor<1x?x2x8xf32> {onnx.name = "k", onnx.dims = [1, "rows", 2, 8]},
                  %v: tensor<1x?x2x8xf32> {onnx.name = "v", onnx.dims = [1, "rows", 2, 8]}) -> tensor<1x?x4x8xf32> {
    %half = onnx.node "Constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
    %zero = onnx.node "Constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
    %axis = onnx.node "Constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
    %groups = onnx.node "Constant"() {value = dense<[1, 2, 2, 1, 8]> : tensor<5xi64>} : () -> tensor<5xi64>
    %merged = onnx.node "Constant"() {value = dense<[1, 4, -1, 8]> : tensor<4xi64>} : () -> tensor<4xi64>
    %three = onnx.node "Constant"() {value = dense<[4, -1, 8]> : tensor<3xi64>} : () -> tensor<3xi64>
    %four = onnx.node "Constant"() {value = dense<[1, 4, 8, -1]> : tensor<4xi64>} : () -> tensor<4xi64>
    %qh = onnx.node "Transpose"(%q) {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x?x4x8xf32>) -> tensor<1x4x?x8xf32>
    %kh = onnx.node "Transpose"(%k) {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x?x2x8xf32>) -> tensor<1x2x?x8xf32>
    %vh = onnx.node "Transpose"(%v) {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x?x2x8xf32>) -> tensor<1x2x?x8xf32>
    %ku = onnx.node "Unsqueeze"(%kh, %axis) : (tensor<1x2x?x8xf32>, tensor<1xi64>) -> tensor<1x2x1x?x8xf32>
    %ke = onnx.node "Expand"(%ku, %groups) : (tensor<1x2x1x?x8xf32>, tensor<5xi64>) -> tensor<1x2x2x?x8xf32>
    %kr = onnx.node "Reshape"(%ke, %merged) : (tensor<1x2x2x?x8xf32>, tensor<4xi64>) -> tensor<1x4x?x8xf32>
    %vu = onnx.node "Unsqueeze"(%vh, %axis) : (tensor<1x2x?x8xf32>, tensor<1xi64>) -> tensor<1x2x1x?x8xf32>
    %ve = onnx.node "Expand"(%vu, %groups) : (tensor<1x2x1x?x8xf32>, tensor<5xi64>) -> tensor<1x2x2x?x8xf32>
    %vr = onnx.node "Reshape"(%ve, %merged) : (tensor<1x2x2x?x8xf32>, tensor<4xi64>) -> tensor<1x4x?x8xf32>
    %k3 = onnx.node "Reshape"(%kr, %three) : (tensor<1x4x?x8xf32>, tensor<3xi64>) -> tensor<4x?x8xf32>
    %kt = onnx.node "Transpose"(%k3) {perm = array<i64: 0, 2, 1>} : (tensor<4x?x8xf32>) -> tensor<4x8x?xf32>
    %k4 = onnx.node "Reshape"(%kt, %four) : (tensor<4x8x?xf32>, tensor<4xi64>) -> tensor<1x4x8x?xf32>
    %qs = onnx.node "Mul"(%qh, %half) : (tensor<1x4x?x8xf32>, tensor<f32>) -> tensor<1x4x?x8xf32>
    %ks = onnx.node "Mul"(%half, %k4) : (tensor<f32>, tensor<1x4x8x?xf32>) -> tensor<1x4x8x?xf32>
    %s = onnx.node "MatMul"(%qs, %ks) : (tensor<1x4x?x8xf32>, tensor<1x4x8x?xf32>) -> tensor<1x4x?x?xf32>
    %m = onnx.node "Add"(%s, %zero) : (tensor<1x4x?x?xf32>, tensor<f32>) -> tensor<1x4x?x?xf32>
    %p = onnx.node "Softmax"(%m) {axis = -1 : si64} : (tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xf32>
    %nan = onnx.node "IsNaN"(%p) : (tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xi1>
    %g = onnx.node "Where"(%nan, %zero, %p) : (tensor<1x4x?x?xi1>, tensor<f32>, tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xf32>
    %o = onnx.node "MatMul"(%g, %vr) : (tensor<1x4x?x?xf32>, tensor<1x4x?x8xf32>) -> tensor<1x4x?x8xf32>
    %y = onnx.node "Transpose"(%o) {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x4x?x8xf32>) -> tensor<1x?x4x8xf32>
    return %y : tensor<1x?x4x8xf32>
  }
}

// -----

// A mask given as an input is added; one that selects becomes numbers to add.
// CHECK-LABEL: module
// CHECK: %[[MASK:.*]] = linalg.generic
// CHECK: arith.select %{{.*}}, %[[ZERO:.*]], %[[LOW:.*]] : f32
// CHECK: lq.attention %{{.*}}, %{{.*}}, %{{.*}} mask %{{.*}} {scale = 1.250000e-01 : f32}
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  func.func @main(%q: tensor<1x4x?x8xf32> {onnx.name = "q", onnx.dims = [1, 4, "rows", 8]},
                  %k: tensor<1x4x?x8xf32> {onnx.name = "k", onnx.dims = [1, 4, "rows", 8]},
                  %v: tensor<1x4x?x8xf32> {onnx.name = "v", onnx.dims = [1, 4, "rows", 8]},
                  %mask: tensor<1x1x1x?xi1> {onnx.name = "mask", onnx.dims = [1, 1, 1, "rows"]}) -> tensor<1x4x?x8xf32> {
    %eight = onnx.node "Constant"() {value = dense<8.0> : tensor<f32>} : () -> tensor<f32>
    %low = onnx.node "Constant"() {value = dense<-10000.0> : tensor<f32>} : () -> tensor<f32>
    %kt = onnx.node "Transpose"(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x4x?x8xf32>) -> tensor<1x4x8x?xf32>
    %s = onnx.node "MatMul"(%q, %kt) : (tensor<1x4x?x8xf32>, tensor<1x4x8x?xf32>) -> tensor<1x4x?x?xf32>
    %d = onnx.node "Div"(%s, %eight) : (tensor<1x4x?x?xf32>, tensor<f32>) -> tensor<1x4x?x?xf32>
    %m = onnx.node "Where"(%mask, %d, %low) : (tensor<1x1x1x?xi1>, tensor<1x4x?x?xf32>, tensor<f32>) -> tensor<1x4x?x?xf32>
    %p = onnx.node "Softmax"(%m) {axis = 3 : si64} : (tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xf32>
    %o = onnx.node "MatMul"(%p, %v) : (tensor<1x4x?x?xf32>, tensor<1x4x?x8xf32>) -> tensor<1x4x?x8xf32>
    return %o : tensor<1x4x?x8xf32>
  }
}

// -----

// A cap on the scores is no attention that the lq dialect has.
// CHECK-LABEL: module
// CHECK-NOT: lq.attention
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  func.func @main(%q: tensor<1x4x?x8xf32> {onnx.name = "q", onnx.dims = [1, 4, "rows", 8]},
                  %k: tensor<1x4x8x?xf32> {onnx.name = "k", onnx.dims = [1, 4, 8, "rows"]},
                  %v: tensor<1x4x?x8xf32> {onnx.name = "v", onnx.dims = [1, 4, "rows", 8]}) -> tensor<1x4x?x8xf32> {
    %s = onnx.node "MatMul"(%q, %k) : (tensor<1x4x?x8xf32>, tensor<1x4x8x?xf32>) -> tensor<1x4x?x?xf32>
    %t = onnx.node "Tanh"(%s) : (tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xf32>
    %p = onnx.node "Softmax"(%t) {axis = -1 : si64} : (tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xf32>
    %o = onnx.node "MatMul"(%p, %v) : (tensor<1x4x?x?xf32>, tensor<1x4x?x8xf32>) -> tensor<1x4x?x8xf32>
    return %o : tensor<1x4x?x8xf32>
  }
}

// -----

// The operator of opset 23, with a mask of booleans.
// CHECK-LABEL: module
// CHECK: lq.attention %{{.*}}, %{{.*}}, %{{.*}} mask %{{.*}} {scale = 0.353553385 : f32}
module attributes {onnx.opset_imports = {ai.onnx = 23 : i64}} {
  func.func @main(%q: tensor<1x4x?x8xf32> {onnx.name = "q", onnx.dims = [1, 4, "rows", 8]},
                  %k: tensor<1x4x?x8xf32> {onnx.name = "k", onnx.dims = [1, 4, "rows", 8]},
                  %v: tensor<1x4x?x8xf32> {onnx.name = "v", onnx.dims = [1, 4, "rows", 8]},
                  %mask: tensor<1x1x1x?xi1> {onnx.name = "mask", onnx.dims = [1, 1, 1, "rows"]}) -> tensor<1x4x?x8xf32> {
    %o = onnx.node "Attention"(%q, %k, %v, %mask) : (tensor<1x4x?x8xf32>, tensor<1x4x?x8xf32>, tensor<1x4x?x8xf32>, tensor<1x1x1x?xi1>) -> tensor<1x4x?x8xf32>
    return %o : tensor<1x4x?x8xf32>
  }
}
