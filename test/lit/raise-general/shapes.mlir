// RUN: lq-opt --lq-raise-general --canonicalize --cse --split-input-file %s | FileCheck %s

// Shape arithmetic is gone: what is left are extents.

// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[X:.*]]: tensor<1x?x64xf32>)
// CHECK: %[[S:.*]] = lq.extent @sequence
// CHECK-NEXT: %[[Y:.*]] = tensor.expand_shape %[[X]] {{\[\[}}0], [1], [2, 3]] output_shape [1, %[[S]], 4, 16]
// CHECK-NEXT: return %[[Y]]
module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  onnx.initializer @zero : tensor<i64> = dense<0>
  onnx.initializer @one : tensor<i64> = dense<1>
  onnx.initializer @axes : tensor<1xi64> = dense<0>
  onnx.initializer @heads : tensor<2xi64> = dense<[4, -1]>
  func.func @main(%x: tensor<1x?x64xf32> {onnx.name = "x", onnx.dims = [1, "sequence", 64]}) -> tensor<?x?x?x?xf32> {
    %zero = onnx.get @zero : tensor<i64>
    %one = onnx.get @one : tensor<i64>
    %axes = onnx.get @axes : tensor<1xi64>
    %heads = onnx.get @heads : tensor<2xi64>
    %shape = onnx.node "Shape"(%x) -> ["s"] : (tensor<1x?x64xf32>) -> tensor<3xi64>
    %b = onnx.node "Gather"(%shape, %zero) -> ["b"] : (tensor<3xi64>, tensor<i64>) -> tensor<i64>
    %s = onnx.node "Gather"(%shape, %one) -> ["t"] : (tensor<3xi64>, tensor<i64>) -> tensor<i64>
    %b1 = onnx.node "Unsqueeze"(%b, %axes) -> ["b1"] : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
    %s1 = onnx.node "Unsqueeze"(%s, %axes) -> ["s1"] : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
    %to = onnx.node "Concat"(%b1, %s1, %heads) {axis = 0 : si64} -> ["to"] : (tensor<1xi64>, tensor<1xi64>, tensor<2xi64>) -> tensor<4xi64>
    %y = onnx.node "Reshape"(%x, %to) -> ["y"] : (tensor<1x?x64xf32>, tensor<4xi64>) -> tensor<?x?x?x?xf32>
    return %y : tensor<?x?x?x?xf32>
  }
}

// -----

// Two dynamic dimensions of one are split by a copy.

// CHECK-LABEL: func.func @main
// CHECK-NOT: expand_shape
// CHECK: linalg.generic
// CHECK: arith.muli
// CHECK: arith.addi
// CHECK: tensor.extract
module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  func.func @main(%x: tensor<?xf32> {onnx.name = "x", onnx.dims = ["batch*sequence"]},
                  %like: tensor<?x?xf32> {onnx.name = "like", onnx.dims = ["batch", "sequence"]}) -> tensor<?x?xf32> {
    %to = onnx.node "Shape"(%like) -> ["to"] : (tensor<?x?xf32>) -> tensor<2xi64>
    %y = onnx.node "Reshape"(%x, %to) -> ["y"] : (tensor<?xf32>, tensor<2xi64>) -> tensor<?x?xf32>
    return %y : tensor<?x?xf32>
  }
}

// -----

// A slice is a view; a start counted from the end is an extent.

// CHECK-LABEL: func.func @main
// CHECK: %[[N:.*]] = lq.extent @n
// CHECK: tensor.extract_slice %{{.*}}[%[[N]], 0] [2, 4] [1, 1] : tensor<?x4xf32> to tensor<2x4xf32>
module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  onnx.initializer @start : tensor<1xi64> = dense<-2>
  onnx.initializer @end : tensor<1xi64> = dense<9223372036854775807>
  func.func @main(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["2 + n", 4]}) -> tensor<2x4xf32> {
    %start = onnx.get @start : tensor<1xi64>
    %end = onnx.get @end : tensor<1xi64>
    %y = onnx.node "Slice"(%x, %start, %end) -> ["y"] : (tensor<?x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<2x4xf32>
    return %y : tensor<2x4xf32>
  }
}

// -----

// Backwards there is no view.

// CHECK-LABEL: func.func @main
// CHECK: linalg.generic
// CHECK: tensor.extract
module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  onnx.initializer @start : tensor<1xi64> = dense<-1>
  onnx.initializer @end : tensor<1xi64> = dense<-9223372036854775808>
  onnx.initializer @axis : tensor<1xi64> = dense<0>
  func.func @main(%x: tensor<?xf32> {onnx.name = "x", onnx.dims = ["n"]}) -> tensor<?xf32> {
    %start = onnx.get @start : tensor<1xi64>
    %end = onnx.get @end : tensor<1xi64>
    %axis = onnx.get @axis : tensor<1xi64>
    %y = onnx.node "Slice"(%x, %start, %end, %axis, %start) -> ["y"] : (tensor<?xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?xf32>
    return %y : tensor<?xf32>
  }
}
