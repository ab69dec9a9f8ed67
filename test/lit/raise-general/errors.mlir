// RUN: lq-opt --lq-raise-general --split-input-file --verify-diagnostics %s

// All operators without a lowering are in one error.

module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  // expected-error @below {{operators without a lowering: LSTM (2, such as}}
  func.func @main(%x: tensor<4xf32> {onnx.name = "x", onnx.dims = [4]}) -> tensor<4xf32> {
    %a = onnx.node "LSTM"(%x) name "first" -> ["a"] : (tensor<4xf32>) -> tensor<4xf32>
    %b = onnx.node "LSTM"(%a) -> ["b"] : (tensor<4xf32>) -> tensor<4xf32>
    %c = onnx.node "Mystery"(%b) domain "my.domain" -> ["c"] : (tensor<4xf32>) -> tensor<4xf32>
    return %c : tensor<4xf32>
  }
}

// -----

// What the result does not need is not missed.

module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  func.func @main(%x: tensor<4xf32> {onnx.name = "x", onnx.dims = [4]}) -> tensor<4xf32> {
    %a = onnx.node "LSTM"(%x) -> ["a"] : (tensor<4xf32>) -> tensor<4xf32>
    %b = onnx.node "Exp"(%x) -> ["b"] : (tensor<4xf32>) -> tensor<4xf32>
    return %b : tensor<4xf32>
  }
}

// -----

// An axis that depends on the input.

module attributes {onnx.opset_imports = {ai.onnx = 17 : i64}} {
  func.func @main(%x: tensor<2x2xi64> {onnx.name = "x", onnx.dims = [2, 2]},
                  %axis: tensor<i64> {onnx.name = "axis", onnx.dims = []}) -> tensor<2x2xi64> {
    // expected-error @below {{cannot lower CumSum "y": expected a constant axis}}
    %y = onnx.node "CumSum"(%x, %axis) -> ["y"] : (tensor<2x2xi64>, tensor<i64>) -> tensor<2x2xi64>
    return %y : tensor<2x2xi64>
  }
}

// -----

// expected-error @below {{expected a function @main}}
module {
}
