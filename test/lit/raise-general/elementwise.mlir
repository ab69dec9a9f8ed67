// RUN: lq-opt --lq-raise-general --canonicalize --split-input-file %s | FileCheck %s

// Broadcasting is an index map; a dimension that is 1 whatever the model is
// called with is read at 0.

// CHECK: #[[FULL:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK: #[[ONE:.*]] = affine_map<(d0, d1) -> (d0, 0)>
// CHECK: lq.dimension @n max 512
// CHECK-LABEL: func.func @main
// CHECK: linalg.generic {indexing_maps = [#[[FULL]], #[[ONE]], #[[FULL]]]
module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  func.func @main(%x: tensor<?x8xf32> {onnx.name = "x", onnx.dims = ["n", 8]},
                  %y: tensor<?x1xf32> {onnx.name = "y", onnx.dims = ["n", 1]}) -> tensor<?x8xf32> {
    %z = onnx.node "Mul"(%x, %y) -> ["z"] : (tensor<?x8xf32>, tensor<?x1xf32>) -> tensor<?x8xf32>
    return %z : tensor<?x8xf32>
  }
}

// -----

// Half precision is stored narrow and computed wide.

// CHECK-LABEL: func.func @main
// CHECK: linalg.generic
// CHECK: %[[WIDE:.*]] = arith.extf %{{.*}} : f16 to f32
// CHECK: %[[EXP:.*]] = math.exp %[[WIDE]] : f32
// CHECK: arith.truncf %[[EXP]] : f32 to f16
module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  func.func @main(%x: tensor<4xf16> {onnx.name = "x", onnx.dims = [4]}) -> tensor<4xf16> {
    %y = onnx.node "Exp"(%x) -> ["y"] : (tensor<4xf16>) -> tensor<4xf16>
    return %y : tensor<4xf16>
  }
}

// -----

// A machine's division by zero would stop the program.

// CHECK-LABEL: func.func @main
// CHECK: arith.select
// CHECK: arith.divsi
module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  func.func @main(%x: tensor<4xi64> {onnx.name = "x", onnx.dims = [4]},
                  %y: tensor<4xi64> {onnx.name = "y", onnx.dims = [4]}) -> tensor<4xi64> {
    %z = onnx.node "Div"(%x, %y) -> ["z"] : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
    return %z : tensor<4xi64>
  }
}

// -----

// A known exponent needs no power.

// CHECK-LABEL: func.func @main
// CHECK: linalg.generic
// CHECK-NEXT: ^bb0(%[[X:.*]]: f32, %{{.*}}: f32, %{{.*}}: f32):
// CHECK-NEXT: arith.mulf %[[X]], %[[X]]
// CHECK-NOT: math.powf
module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  onnx.initializer @two : tensor<f32> = dense<2.0>
  func.func @main(%x: tensor<4xf32> {onnx.name = "x", onnx.dims = [4]}) -> tensor<4xf32> {
    %two = onnx.get @two : tensor<f32>
    %y = onnx.node "Pow"(%x, %two) -> ["y"] : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
    return %y : tensor<4xf32>
  }
}
