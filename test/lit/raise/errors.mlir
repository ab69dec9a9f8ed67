// RUN: lq-opt %s --lq-raise=archive=%t.weights -split-input-file -verify-diagnostics
// RUN: not lq-opt %s --lq-raise=kind=vision 2>&1 | FileCheck %s --check-prefix=KIND
// RUN: not lq-opt %s --lq-raise=cache-type=q8 2>&1 | FileCheck %s --check-prefix=CACHE
// RUN: not lq-opt %s --lq-raise=context=0 2>&1 | FileCheck %s --check-prefix=CONTEXT

// KIND: error: expected kind to be auto, generative or tensors, got vision
// CACHE: error: expected cache-type to be f32 or f16, got q8
// CONTEXT: error: expected context, max-sequence and max-batch to be positive

// All operators that cannot be handled are listed at once.
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  // expected-error @below {{cannot raise or lower these operators: Frobnicate (1), com.example::Whirl (2)}}
  func.func @main(%x: tensor<4xf32> {onnx.name = "x", onnx.dims = [4]}) -> tensor<4xf32> {
    // expected-note @below {{the first one is com.example::Whirl "first"}}
    %a = onnx.node "Whirl"(%x) domain "com.example" name "first" : (tensor<4xf32>) -> tensor<4xf32>
    %b = onnx.node "Frobnicate"(%a) : (tensor<4xf32>) -> tensor<4xf32>
    %c = onnx.node "Whirl"(%b) domain "com.example" : (tensor<4xf32>) -> tensor<4xf32>
    return %c : tensor<4xf32>
  }
}

// -----

// expected-error @below {{expected an ONNX graph as func.func @main}}
module {
}

// -----

// A past that no attention uses: it cannot be a cache.
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @table : tensor<8x4xf32> = dense<0.5>
  func.func @main(%ids: tensor<1x?xi64> {onnx.name = "input_ids", onnx.dims = [1, "s"]},
                  %past: tensor<1x2x?x2xf32> {onnx.name = "past.0.key", onnx.dims = [1, 2, "p", 2]})
      -> (tensor<1x?x4xf32> {onnx.name = "logits", onnx.dims = [1, "s", 4]}) {
    %table = onnx.get @table : tensor<8x4xf32>
    %x = onnx.node "Gather"(%table, %ids) : (tensor<8x4xf32>, tensor<1x?xi64>) -> tensor<1x?x4xf32>
    %axes = onnx.node "Constant"() {value = dense<[1, 2, 3]> : tensor<3xi64>} : () -> tensor<3xi64>
    // expected-error @below {{cannot raise to a generative model: no attention was recognised that explains this use of the input 'past.0.key'}}
    %m = onnx.node "ReduceMean"(%past, %axes) {keepdims = 0 : si64} : (tensor<1x2x?x2xf32>, tensor<3xi64>) -> tensor<1xf32>
    %y = onnx.node "Add"(%x, %m) : (tensor<1x?x4xf32>, tensor<1xf32>) -> tensor<1x?x4xf32>
    return %y : tensor<1x?x4xf32>
  }
}

// -----

// No type has such a product, so the output has no shape.
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @w : tensor<4x3xf32> from "errors.mlir" at 0
  // expected-error @below {{the shape of the output "y" does not follow from the inputs' dimensions}}
  func.func @main(%x: tensor<?x4xui8> {onnx.name = "x", onnx.dims = ["n", 4]}) -> (tensor<?x3xf32> {onnx.name = "y"}) {
    %w = onnx.get @w : tensor<4x3xf32>
    %y = onnx.node "MatMul"(%x, %w) : (tensor<?x4xui8>, tensor<4x3xf32>) -> tensor<?x3xf32>
    return %y : tensor<?x3xf32>
  }
}

// -----

// A few bytes of a file may not ask for more memory than there is.
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  func.func @main(%x: tensor<?x1048576xf32> {onnx.name = "x", onnx.dims = ["n", 1048576]}) -> tensor<?x1048576xf32> {
    %s = onnx.node "Constant"() {value = dense<[1048576, 1048576]> : tensor<2xi64>} : () -> tensor<2xi64>
    %w = onnx.node "ConstantOfShape"(%s) {value = dense<1.5> : tensor<1xf32>} : (tensor<2xi64>) -> tensor<1048576x1048576xf32>
    // expected-error @below {{cannot evaluate the constant matrix of this node}}
    %y = onnx.node "MatMul"(%x, %w) : (tensor<?x1048576xf32>, tensor<1048576x1048576xf32>) -> tensor<?x1048576xf32>
    return %y : tensor<?x1048576xf32>
  }
}

// -----

// 2^64 elements, which no number counts.
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @table : tensor<5x4xf32> from "errors.mlir" at 0
  // expected-error @below {{the shape of the output "y" does not follow from the inputs' dimensions}}
  func.func @main(%x: tensor<2305843009213693952x2xi64> {onnx.name = "x", onnx.dims = [2305843009213693952, 2]}) -> (tensor<2305843009213693952x2x4xf32> {onnx.name = "y"}) {
    %t = onnx.get @table : tensor<5x4xf32>
    %y = onnx.node "Gather"(%t, %x) : (tensor<5x4xf32>, tensor<2305843009213693952x2xi64>) -> tensor<2305843009213693952x2x4xf32>
    return %y : tensor<2305843009213693952x2x4xf32>
  }
}
