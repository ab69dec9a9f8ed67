// RUN: lq-opt --lq-raise-general --split-input-file %s | FileCheck %s

// What depends on constants alone is computed here; what depends on dimensions
// alone is made of extents.

// CHECK-LABEL: func.func @main
// CHECK-DAG: arith.constant dense<[1.000000e+00, 2.71828175]> : tensor<2xf32>
// CHECK-DAG: %[[N:.*]] = lq.extent @n
// CHECK: %[[I:.*]] = arith.index_cast %{{.*}} : index to i64
// CHECK: tensor.from_elements %[[I]] : tensor<1xi64>
// CHECK-NOT: math.exp
module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  onnx.initializer @c : tensor<2xf32> = dense<[0.0, 1.0]>
  func.func @main(%x: tensor<?xf32> {onnx.name = "x", onnx.dims = ["n"]}) -> (tensor<2xf32>, tensor<1xi64>) {
    %c = onnx.get @c : tensor<2xf32>
    %e = onnx.node "Exp"(%c) -> ["e"] : (tensor<2xf32>) -> tensor<2xf32>
    %s = onnx.node "Shape"(%x) -> ["s"] : (tensor<?xf32>) -> tensor<1xi64>
    return %e, %s : tensor<2xf32>, tensor<1xi64>
  }
}

// -----

// A large constant stays where it lies.

// CHECK: lq.weight @weight.table : tensor<512x8xf32> from "model.onnx" at 64
// CHECK-LABEL: func.func @main
// CHECK: %[[W:.*]] = lq.get @weight.table
// CHECK: linalg.generic
// CHECK: tensor.extract %[[W]]
module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  onnx.initializer @table : tensor<512x8xf32> from "model.onnx" at 64
  func.func @main(%ids: tensor<?xi64> {onnx.name = "ids", onnx.dims = ["n"]}) -> tensor<?x8xf32> {
    %table = onnx.get @table : tensor<512x8xf32>
    %y = onnx.node "Gather"(%table, %ids) -> ["y"] : (tensor<512x8xf32>, tensor<?xi64>) -> tensor<?x8xf32>
    return %y : tensor<?x8xf32>
  }
}
