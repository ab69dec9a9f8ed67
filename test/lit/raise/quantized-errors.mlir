// RUN: lq-opt %s --lq-raise=archive=%t.weights -split-input-file -verify-diagnostics

// A product of quantized weights whose attributes contradict its tensors is
// refused with the name of the tensor.

// Sizes that no product has.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  onnx.initializer @w : tensor<4x3x8xui8> from "a.bin" at 0
  onnx.initializer @s : tensor<12xf32> from "a.bin" at 0
  func.func @main(%x: tensor<?x40xf32> {onnx.name = "x", onnx.dims = ["rows", 40]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<4x3x8xui8>
    %s = onnx.get @s : tensor<12xf32>
    // expected-error @below {{cannot raise com.microsoft::MatMulNBits "q": expected its attribute K to be 1 to 2^31, got 0}}
    %y = onnx.node "MatMulNBits"(%x, %w, %s) {K = 0 : si64, N = 4 : si64, bits = 4 : si64, block_size = 16 : si64} domain "com.microsoft" name "q" : (tensor<?x40xf32>, tensor<4x3x8xui8>, tensor<12xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// N rows of K columns overflow 64 bits.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  onnx.initializer @w : tensor<4x3x8xui8> from "a.bin" at 0
  onnx.initializer @s : tensor<12xf32> from "a.bin" at 0
  func.func @main(%x: tensor<?x40xf32> {onnx.name = "x", onnx.dims = ["rows", 40]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<4x3x8xui8>
    %s = onnx.get @s : tensor<12xf32>
    // expected-error @below {{cannot raise com.microsoft::MatMulNBits "q": expected its attribute N to be 1 to 2^31, got 4611686018427387904}}
    %y = onnx.node "MatMulNBits"(%x, %w, %s) {K = 40 : si64, N = 4611686018427387904 : si64, bits = 4 : si64, block_size = 16 : si64} domain "com.microsoft" name "q" : (tensor<?x40xf32>, tensor<4x3x8xui8>, tensor<12xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// Blocks that no whole bytes hold.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  onnx.initializer @w : tensor<4x3x8xui8> from "a.bin" at 0
  onnx.initializer @s : tensor<12xf32> from "a.bin" at 0
  func.func @main(%x: tensor<?x40xf32> {onnx.name = "x", onnx.dims = ["rows", 40]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<4x3x8xui8>
    %s = onnx.get @s : tensor<12xf32>
    // expected-error @below {{cannot raise com.microsoft::MatMulNBits "q": expected its attribute block_size to be a power of two of at least 16, got 24}}
    %y = onnx.node "MatMulNBits"(%x, %w, %s) {K = 40 : si64, N = 4 : si64, bits = 4 : si64, block_size = 24 : si64} domain "com.microsoft" name "q" : (tensor<?x40xf32>, tensor<4x3x8xui8>, tensor<12xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// Nothing is wrong, but there is no kernel.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  onnx.initializer @w : tensor<4x3x8xui8> from "a.bin" at 0
  onnx.initializer @s : tensor<12xf32> from "a.bin" at 0
  func.func @main(%x: tensor<?x40xf32> {onnx.name = "x", onnx.dims = ["rows", 40]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<4x3x8xui8>
    %s = onnx.get @s : tensor<12xf32>
    // expected-error @below {{cannot raise com.microsoft::MatMulNBits "q": no kernel computes it: columns must be a multiple of 32}}
    %y = onnx.node "MatMulNBits"(%x, %w, %s) {K = 40 : si64, N = 4 : si64, bits = 4 : si64, block_size = 16 : si64} domain "com.microsoft" name "q" : (tensor<?x40xf32>, tensor<4x3x8xui8>, tensor<12xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// Codes of a width that there is none of.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  onnx.initializer @w : tensor<4x3x8xui8> from "a.bin" at 0
  onnx.initializer @s : tensor<12xf32> from "a.bin" at 0
  func.func @main(%x: tensor<?x40xf32> {onnx.name = "x", onnx.dims = ["rows", 40]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<4x3x8xui8>
    %s = onnx.get @s : tensor<12xf32>
    // expected-error @below {{cannot raise com.microsoft::MatMulNBits "q": expected its attribute bits to be 2, 4 or 8, got 5}}
    %y = onnx.node "MatMulNBits"(%x, %w, %s) {K = 40 : si64, N = 4 : si64, bits = 5 : si64, block_size = 16 : si64} domain "com.microsoft" name "q" : (tensor<?x40xf32>, tensor<4x3x8xui8>, tensor<12xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// K is not the width of the input.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  onnx.initializer @w : tensor<4x3x8xui8> from "a.bin" at 0
  onnx.initializer @s : tensor<12xf32> from "a.bin" at 0
  func.func @main(%x: tensor<?x40xf32> {onnx.name = "x", onnx.dims = ["rows", 40]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<4x3x8xui8>
    %s = onnx.get @s : tensor<12xf32>
    // expected-error @below {{cannot raise com.microsoft::MatMulNBits "q": its input has rows of 40 numbers, but K is 48}}
    %y = onnx.node "MatMulNBits"(%x, %w, %s) {K = 48 : si64, N = 4 : si64, bits = 4 : si64, block_size = 16 : si64} domain "com.microsoft" name "q" : (tensor<?x40xf32>, tensor<4x3x8xui8>, tensor<12xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// Codes of another width than the attribute says.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  onnx.initializer @w : tensor<4x3x8xui8> from "a.bin" at 0
  onnx.initializer @s : tensor<12xf32> from "a.bin" at 0
  func.func @main(%x: tensor<?x40xf32> {onnx.name = "x", onnx.dims = ["rows", 40]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<4x3x8xui8>
    %s = onnx.get @s : tensor<12xf32>
    // expected-error @below {{cannot raise com.microsoft::MatMulNBits "q": initializer "w" is tensor<4x3x8xui8>, but N = 4, K = 40, bits = 8 and block_size = 16 need 4 x 48 elements}}
    %y = onnx.node "MatMulNBits"(%x, %w, %s) {K = 40 : si64, N = 4 : si64, bits = 8 : si64, block_size = 16 : si64} domain "com.microsoft" name "q" : (tensor<?x40xf32>, tensor<4x3x8xui8>, tensor<12xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// Fewer rows than N.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  onnx.initializer @w : tensor<4x3x8xui8> from "a.bin" at 0
  onnx.initializer @s : tensor<12xf32> from "a.bin" at 0
  func.func @main(%x: tensor<?x40xf32> {onnx.name = "x", onnx.dims = ["rows", 40]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<4x3x8xui8>
    %s = onnx.get @s : tensor<12xf32>
    // expected-error @below {{cannot raise com.microsoft::MatMulNBits "q": initializer "w" is tensor<4x3x8xui8>, but N = 5}}
    %y = onnx.node "MatMulNBits"(%x, %w, %s) {K = 40 : si64, N = 5 : si64, bits = 4 : si64, block_size = 16 : si64} domain "com.microsoft" name "q" : (tensor<?x40xf32>, tensor<4x3x8xui8>, tensor<12xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// Scales of other blocks.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  onnx.initializer @w : tensor<4x3x8xui8> from "a.bin" at 0
  onnx.initializer @s : tensor<8xf32> from "a.bin" at 0
  func.func @main(%x: tensor<?x40xf32> {onnx.name = "x", onnx.dims = ["rows", 40]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<4x3x8xui8>
    %s = onnx.get @s : tensor<8xf32>
    // expected-error @below {{cannot raise com.microsoft::MatMulNBits "q": initializer "s" is tensor<8xf32>, but N = 4, K = 40, bits = 4 and block_size = 16 need 4 x 3 elements}}
    %y = onnx.node "MatMulNBits"(%x, %w, %s) {K = 40 : si64, N = 4 : si64, bits = 4 : si64, block_size = 16 : si64} domain "com.microsoft" name "q" : (tensor<?x40xf32>, tensor<4x3x8xui8>, tensor<8xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// Scales are numbers.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  onnx.initializer @w : tensor<4x3x8xui8> from "a.bin" at 0
  onnx.initializer @s : tensor<12xi32> from "a.bin" at 0
  func.func @main(%x: tensor<?x40xf32> {onnx.name = "x", onnx.dims = ["rows", 40]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<4x3x8xui8>
    %s = onnx.get @s : tensor<12xi32>
    // expected-error @below {{cannot raise com.microsoft::MatMulNBits "q": expected initializer "s" to be of f32, f16 or bf16}}
    %y = onnx.node "MatMulNBits"(%x, %w, %s) {K = 40 : si64, N = 4 : si64, bits = 4 : si64, block_size = 16 : si64} domain "com.microsoft" name "q" : (tensor<?x40xf32>, tensor<4x3x8xui8>, tensor<12xi32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// Zero points are two nibbles a byte, each row for itself.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  onnx.initializer @w : tensor<4x3x8xui8> from "a.bin" at 0
  onnx.initializer @s : tensor<12xf32> from "a.bin" at 0
  onnx.initializer @z : tensor<6xui8> from "a.bin" at 0
  func.func @main(%x: tensor<?x40xf32> {onnx.name = "x", onnx.dims = ["rows", 40]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<4x3x8xui8>
    %s = onnx.get @s : tensor<12xf32>
    %z = onnx.get @z : tensor<6xui8>
    // expected-error @below {{cannot raise com.microsoft::MatMulNBits "q": initializer "z" is tensor<6xui8>, but N = 4, K = 40, bits = 4 and block_size = 16 need 4 x 2 elements}}
    %y = onnx.node "MatMulNBits"(%x, %w, %s, %z) {K = 40 : si64, N = 4 : si64, bits = 4 : si64, block_size = 16 : si64} domain "com.microsoft" name "q" : (tensor<?x40xf32>, tensor<4x3x8xui8>, tensor<12xf32>, tensor<6xui8>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// Unpacked zero points have the type of the scales.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  onnx.initializer @w : tensor<4x3x8xui8> from "a.bin" at 0
  onnx.initializer @s : tensor<12xf32> from "a.bin" at 0
  onnx.initializer @z : tensor<4x2xf32> from "a.bin" at 0
  func.func @main(%x: tensor<?x40xf32> {onnx.name = "x", onnx.dims = ["rows", 40]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<4x3x8xui8>
    %s = onnx.get @s : tensor<12xf32>
    %z = onnx.get @z : tensor<4x2xf32>
    // expected-error @below {{cannot raise com.microsoft::MatMulNBits "q": initializer "z" is tensor<4x2xf32>, but}}
    %y = onnx.node "MatMulNBits"(%x, %w, %s, %z) {K = 40 : si64, N = 4 : si64, bits = 4 : si64, block_size = 16 : si64} domain "com.microsoft" name "q" : (tensor<?x40xf32>, tensor<4x3x8xui8>, tensor<12xf32>, tensor<4x2xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// Blocks of 16 along 32 columns are two.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64}} {
  onnx.initializer @w : tensor<32x4xi4> from "a.bin" at 0
  onnx.initializer @s : tensor<3x4xf32> from "a.bin" at 0
  func.func @main(%x: tensor<?x32xf32> {onnx.name = "x", onnx.dims = ["rows", 32]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<32x4xi4>
    %s = onnx.get @s : tensor<3x4xf32>
    // expected-error @below {{DequantizeLinear "d": initializer "s" is 'tensor<3x4xf32>', which are no scales of codes of 32x4 with axis = 0 and block_size = 16}}
    %d = onnx.node "DequantizeLinear"(%w, %s) {axis = 0 : si64, block_size = 16 : si64} name "d" : (tensor<32x4xi4>, tensor<3x4xf32>) -> tensor<32x4xf32>
    %y = onnx.node "MatMul"(%x, %d) : (tensor<?x32xf32>, tensor<32x4xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// The other axis.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64}} {
  onnx.initializer @w : tensor<32x4xi4> from "a.bin" at 0
  onnx.initializer @s : tensor<32x2xf32> from "a.bin" at 0
  func.func @main(%x: tensor<?x32xf32> {onnx.name = "x", onnx.dims = ["rows", 32]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<32x4xi4>
    %s = onnx.get @s : tensor<32x2xf32>
    // expected-error @below {{initializer "s" is 'tensor<32x2xf32>', which are no scales}}
    %d = onnx.node "DequantizeLinear"(%w, %s) {axis = 0 : si64, block_size = 16 : si64} name "d" : (tensor<32x4xi4>, tensor<32x2xf32>) -> tensor<32x4xf32>
    %y = onnx.node "MatMul"(%x, %d) : (tensor<?x32xf32>, tensor<32x4xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// One scale for each row without blocks.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64}} {
  onnx.initializer @w : tensor<32x4xi4> from "a.bin" at 0
  onnx.initializer @s : tensor<4xf32> from "a.bin" at 0
  func.func @main(%x: tensor<?x32xf32> {onnx.name = "x", onnx.dims = ["rows", 32]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<32x4xi4>
    %s = onnx.get @s : tensor<4xf32>
    // expected-error @below {{which are no scales of codes of 32x4 with axis = 0 and block_size = 0}}
    %d = onnx.node "DequantizeLinear"(%w, %s) {axis = 0 : si64, block_size = 0 : si64} name "d" : (tensor<32x4xi4>, tensor<4xf32>) -> tensor<32x4xf32>
    %y = onnx.node "MatMul"(%x, %d) : (tensor<?x32xf32>, tensor<32x4xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// An axis that there is none of.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64}} {
  onnx.initializer @w : tensor<32x4xi4> from "a.bin" at 0
  onnx.initializer @s : tensor<2x4xf32> from "a.bin" at 0
  func.func @main(%x: tensor<?x32xf32> {onnx.name = "x", onnx.dims = ["rows", 32]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<32x4xi4>
    %s = onnx.get @s : tensor<2x4xf32>
    // expected-error @below {{which are no scales of codes of 32x4 with axis = 2 and block_size = 16}}
    %d = onnx.node "DequantizeLinear"(%w, %s) {axis = 2 : si64, block_size = 16 : si64} name "d" : (tensor<32x4xi4>, tensor<2x4xf32>) -> tensor<32x4xf32>
    %y = onnx.node "MatMul"(%x, %d) : (tensor<?x32xf32>, tensor<32x4xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// A negative block.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64}} {
  onnx.initializer @w : tensor<32x4xi4> from "a.bin" at 0
  onnx.initializer @s : tensor<2x4xf32> from "a.bin" at 0
  func.func @main(%x: tensor<?x32xf32> {onnx.name = "x", onnx.dims = ["rows", 32]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<32x4xi4>
    %s = onnx.get @s : tensor<2x4xf32>
    // expected-error @below {{with axis = 0 and block_size = -16}}
    %d = onnx.node "DequantizeLinear"(%w, %s) {axis = 0 : si64, block_size = -16 : si64} name "d" : (tensor<32x4xi4>, tensor<2x4xf32>) -> tensor<32x4xf32>
    %y = onnx.node "MatMul"(%x, %d) : (tensor<?x32xf32>, tensor<32x4xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}

// -----

// Zero points of another shape.
module attributes {onnx.opset_imports = {ai.onnx = 21 : i64}} {
  onnx.initializer @w : tensor<32x4xi4> from "a.bin" at 0
  onnx.initializer @s : tensor<2x4xf32> from "a.bin" at 0
  onnx.initializer @z : tensor<4x2xi4> from "a.bin" at 0
  func.func @main(%x: tensor<?x32xf32> {onnx.name = "x", onnx.dims = ["rows", 32]}) -> tensor<?x4xf32> {
    %w = onnx.get @w : tensor<32x4xi4>
    %s = onnx.get @s : tensor<2x4xf32>
    %z = onnx.get @z : tensor<4x2xi4>
    // expected-error @below {{initializer "z" is 'tensor<4x2xi4>', but its zero points must have the shape of its scales, 2x4}}
    %d = onnx.node "DequantizeLinear"(%w, %s, %z) {axis = 0 : si64, block_size = 16 : si64} name "d" : (tensor<32x4xi4>, tensor<2x4xf32>, tensor<4x2xi4>) -> tensor<32x4xf32>
    %y = onnx.node "MatMul"(%x, %d) : (tensor<?x32xf32>, tensor<32x4xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }
}
