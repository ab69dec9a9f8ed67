// RUN: lq-opt --lq-raise-general --canonicalize --split-input-file %s | FileCheck %s

// A batch of one side serves every batch of the other.

// CHECK-DAG: #[[A:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
// CHECK-DAG: #[[B:.*]] = affine_map<(d0, d1, d2, d3) -> (d3, d2)>
// CHECK-DAG: #[[C:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
// CHECK: linalg.generic {indexing_maps = [#[[A]], #[[B]], #[[C]]], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  func.func @main(%x: tensor<?x3x4xf32> {onnx.name = "x", onnx.dims = ["b", 3, 4]},
                  %y: tensor<4x5xf32> {onnx.name = "y", onnx.dims = [4, 5]}) -> tensor<?x3x5xf32> {
    %z = onnx.node "MatMul"(%x, %y) -> ["z"] : (tensor<?x3x4xf32>, tensor<4x5xf32>) -> tensor<?x3x5xf32>
    return %z : tensor<?x3x5xf32>
  }
}

// -----

// CHECK-DAG: #[[A:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d1, d4)>
// CHECK-DAG: #[[B:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d3, d1, d4)>
// CHECK: linalg.generic {indexing_maps = [#[[A]], #[[B]], #{{.*}}]
module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  func.func @main(%q: tensor<2x3x4x5xf32> {onnx.name = "q", onnx.dims = [2, 3, 4, 5]},
                  %k: tensor<2x7x4x5xf32> {onnx.name = "k", onnx.dims = [2, 7, 4, 5]}) -> tensor<2x4x3x7xf32> {
    %z = onnx.node "Einsum"(%q, %k) {equation = "bqhd,bkhd->bhqk"} -> ["z"] : (tensor<2x3x4x5xf32>, tensor<2x7x4x5xf32>) -> tensor<2x4x3x7xf32>
    return %z : tensor<2x4x3x7xf32>
  }
}
