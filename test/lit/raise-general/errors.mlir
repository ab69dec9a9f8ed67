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

// A batch would be missing.

module attributes {onnx.opset_imports = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<3x8xf32> {onnx.name = "x", onnx.dims = [3, 8]}, %c: tensor<6x2xf32> {onnx.name = "c", onnx.dims = [6, 2]}, %p: tensor<3xi64> {onnx.name = "p", onnx.dims = [3]}) -> tensor<3x8xf32> {
    // expected-error @below {{cannot lower RotaryEmbedding "y": expected an input of rank 3 or 4 with rows of a fixed size}}
    %y = onnx.node "RotaryEmbedding"(%x, %c, %c, %p) {num_heads = 2 : si64} -> ["y"] : (tensor<3x8xf32>, tensor<6x2xf32>, tensor<6x2xf32>, tensor<3xi64>) -> tensor<3x8xf32>
    return %y : tensor<3x8xf32>
  }
}

// -----

// Rows of each batch, and positions.

module attributes {onnx.opset_imports = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<1x3x8xf32> {onnx.name = "x", onnx.dims = [1, 3, 8]}, %c: tensor<1x6x2xf32> {onnx.name = "c", onnx.dims = [1, 6, 2]}, %p: tensor<1x3xi64> {onnx.name = "p", onnx.dims = [1, 3]}) -> tensor<1x3x8xf32> {
    // expected-error @below {{cannot lower RotaryEmbedding "y": expected two tables of one fixed width, with a row for each position}}
    %y = onnx.node "RotaryEmbedding"(%x, %c, %c, %p) {num_heads = 2 : si64} -> ["y"] : (tensor<1x3x8xf32>, tensor<1x6x2xf32>, tensor<1x6x2xf32>, tensor<1x3xi64>) -> tensor<1x3x8xf32>
    return %y : tensor<1x3x8xf32>
  }
}

// -----

// Tables without a width.

module attributes {onnx.opset_imports = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<1x3x8xf32> {onnx.name = "x", onnx.dims = [1, 3, 8]}, %c: tensor<6x0xf32> {onnx.name = "c", onnx.dims = [6, 0]}, %p: tensor<1x3xi64> {onnx.name = "p", onnx.dims = [1, 3]}) -> tensor<1x3x8xf32> {
    // expected-error @below {{cannot lower RotaryEmbedding "y": expected two tables of one fixed width, with a row for each position}}
    %y = onnx.node "RotaryEmbedding"(%x, %c, %c, %p) {num_heads = 2 : si64} -> ["y"] : (tensor<1x3x8xf32>, tensor<6x0xf32>, tensor<6x0xf32>, tensor<1x3xi64>) -> tensor<1x3x8xf32>
    return %y : tensor<1x3x8xf32>
  }
}

// -----

// More rotated than a head has, so that there is no head.

module attributes {onnx.opset_imports = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<1x3x8xf32> {onnx.name = "x", onnx.dims = [1, 3, 8]}, %c: tensor<6x8xf32> {onnx.name = "c", onnx.dims = [6, 8]}, %p: tensor<1x3xi64> {onnx.name = "p", onnx.dims = [1, 3]}) -> tensor<1x3x8xf32> {
    // expected-error @below {{cannot lower RotaryEmbedding "y": expected heads that divide the rows of the input}}
    %y = onnx.node "RotaryEmbedding"(%x, %c, %c, %p) {num_heads = 0 : si64} -> ["y"] : (tensor<1x3x8xf32>, tensor<6x8xf32>, tensor<6x8xf32>, tensor<1x3xi64>) -> tensor<1x3x8xf32>
    return %y : tensor<1x3x8xf32>
  }
}

// -----

// Heads that do not divide.

module attributes {onnx.opset_imports = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<1x3x8xf32> {onnx.name = "x", onnx.dims = [1, 3, 8]}, %c: tensor<6x2xf32> {onnx.name = "c", onnx.dims = [6, 2]}, %p: tensor<1x3xi64> {onnx.name = "p", onnx.dims = [1, 3]}) -> tensor<1x3x8xf32> {
    // expected-error @below {{cannot lower RotaryEmbedding "y": expected heads that divide the rows of the input}}
    %y = onnx.node "RotaryEmbedding"(%x, %c, %c, %p) {num_heads = 3 : si64} -> ["y"] : (tensor<1x3x8xf32>, tensor<6x2xf32>, tensor<6x2xf32>, tensor<1x3xi64>) -> tensor<1x3x8xf32>
    return %y : tensor<1x3x8xf32>
  }
}

// -----

// Positions of three dimensions.

module attributes {onnx.opset_imports = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<1x3x8xf32> {onnx.name = "x", onnx.dims = [1, 3, 8]}, %c: tensor<6x2xf32> {onnx.name = "c", onnx.dims = [6, 2]}, %p: tensor<1x3x1xi64> {onnx.name = "p", onnx.dims = [1, 3, 1]}) -> tensor<1x3x8xf32> {
    // expected-error @below {{cannot lower RotaryEmbedding "y": expected positions that are a vector or a matrix of integers}}
    %y = onnx.node "RotaryEmbedding"(%x, %c, %c, %p) {num_heads = 2 : si64} -> ["y"] : (tensor<1x3x8xf32>, tensor<6x2xf32>, tensor<6x2xf32>, tensor<1x3x1xi64>) -> tensor<1x3x8xf32>
    return %y : tensor<1x3x8xf32>
  }
}

// -----

// Positions between rows.

module attributes {onnx.opset_imports = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<1x3x8xf32> {onnx.name = "x", onnx.dims = [1, 3, 8]}, %c: tensor<6x2xf32> {onnx.name = "c", onnx.dims = [6, 2]}, %p: tensor<1x3xf32> {onnx.name = "p", onnx.dims = [1, 3]}) -> tensor<1x3x8xf32> {
    // expected-error @below {{cannot lower RotaryEmbedding "y": expected positions that are a vector or a matrix of integers}}
    %y = onnx.node "RotaryEmbedding"(%x, %c, %c, %p) {num_heads = 2 : si64} -> ["y"] : (tensor<1x3x8xf32>, tensor<6x2xf32>, tensor<6x2xf32>, tensor<1x3xf32>) -> tensor<1x3x8xf32>
    return %y : tensor<1x3x8xf32>
  }
}

// -----

// A mask of more dimensions than scores have.

module attributes {onnx.opset_imports = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<1x3x8xf32> {onnx.name = "x", onnx.dims = [1, 3, 8]}, %p: tensor<1x1x1x3x3xf32> {onnx.name = "p", onnx.dims = [1, 1, 1, 3, 3]}) -> tensor<1x3x8xf32> {
    // expected-error @below {{cannot lower Attention "y": expected a mask of rank 1 to 4}}
    %y = onnx.node "Attention"(%x, %x, %x, %p) {q_num_heads = 2 : si64, kv_num_heads = 2 : si64} -> ["y"] : (tensor<1x3x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32>, tensor<1x1x1x3x3xf32>) -> tensor<1x3x8xf32>
    return %y : tensor<1x3x8xf32>
  }
}

// -----

// expected-error @below {{expected a function @main}}
module {
}
