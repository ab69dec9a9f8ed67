// RUN: lq-opt %s -split-input-file -verify-diagnostics

// expected-error@+1 {{expected both a file and an offset, or neither}}
"onnx.initializer"() <{sym_name = "w", type = tensor<4xf32>, file = "model.onnx"}> : () -> ()

// -----

// expected-error@+1 {{expected an address ('from "file" at offset') or a value ('= dense<...>')}}
onnx.initializer @w : tensor<4xf32>

// -----

// expected-error@+1 {{expected an inline value, as elements of type '!onnx.string' have no byte form}}
onnx.initializer @w : tensor<4x!onnx.string> from "model.onnx" at 3

// -----

// expected-error@+1 {{expected a tensor of less than 2^63 bits}}
onnx.initializer @w : tensor<4294967296x4294967296xf32> from "model.onnx" at 3

// -----

// expected-error@+1 {{expected an offset of at least 0, got -3}}
onnx.initializer @w : tensor<4xf32> from "model.onnx" at -3

// -----

// expected-error@+1 {{expected a dense or sparse value, got "text"}}
onnx.initializer @w : tensor<4xf32> = "text"

// -----

func.func @f() {
  // expected-error@+1 {{expected @w to name an onnx.initializer}}
  %w = onnx.get @w : tensor<4xf32>
  return
}

// -----

onnx.initializer @w : tensor<4xf32> from "model.onnx" at 3
func.func @f() {
  // expected-error@+1 {{expected the type 'tensor<4xf32>' of the initializer}}
  %w = onnx.get @w : tensor<5xf32>
  return
}

// -----

func.func @f() {
  // expected-error@+1 {{expected @w to name an onnx.initializer}}
  %c = onnx.node "Constant"() {value = @w} : () -> tensor<4xf32>
  return
}

// -----

func.func @f() {
  // expected-error@+1 {{expected the name of an operator}}
  onnx.node ""() : () -> ()
  return
}

// -----

func.func @f() {
  // expected-error@+1 {{expected 1 output names, got 2}}
  %y = onnx.node "A"() -> ["a", "b"] : () -> tensor<4xf32>
  return
}

// -----

func.func @f(%c: tensor<i1>) {
  // expected-error@+1 {{expected 1 block arguments, one for each input name, got 0}}
  onnx.node "Loop"(%c) : (tensor<i1>) -> () graph <"body", -1, "", ["i"] -> []> {
    onnx.return
  }
  return
}

// -----

func.func @f(%c: tensor<i1>) {
  onnx.node "Loop"(%c) : (tensor<i1>) -> () graph <"body", -1, "", [] -> ["a"]> {
    // expected-error@+1 {{expected 1 operands, one for each output name, got 0}}
    onnx.return
  }
  return
}

// -----

func.func @f(%c: tensor<i1>) {
  // expected-error@+1 {{expected a body that ends with onnx.return}}
  onnx.node "Loop"(%c) : (tensor<i1>) -> () graph <"body", -1, "", [] -> []> {
    %none = onnx.none : none
  }
  return
}

// -----

// expected-error@+1 {{expected 1 block arguments, one for each input name, got 0}}
onnx.function @g operator "d" : "g" inputs ["x"] outputs [] {
  onnx.return
}
