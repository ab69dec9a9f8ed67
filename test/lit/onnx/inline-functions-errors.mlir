// RUN: lq-opt %s --onnx-inline-functions --split-input-file -verify-diagnostics
// RUN: not lq-opt %s --onnx-inline-functions=max-nodes=0 --split-input-file 2>&1 | FileCheck %s

// CHECK: the functions expand to more than 0 nodes (see the option max-nodes)

onnx.function @f operator "pkg" : "f" inputs ["x"] outputs ["y"] {
^bb0(%x: !onnx.unknown):
  // expected-error@+1 {{the function "f" calls itself}}
  %y = onnx.node "f"(%x) domain "pkg" -> ["y"] : (!onnx.unknown) -> !onnx.unknown
  onnx.return %y : !onnx.unknown
}
func.func @main(%x: tensor<4xf32>) -> !onnx.unknown {
  %y = onnx.node "f"(%x) domain "pkg" -> ["y"] : (tensor<4xf32>) -> !onnx.unknown
  return %y : !onnx.unknown
}

// -----

onnx.function @f operator "pkg" : "f" inputs ["x"] outputs ["y"] {
^bb0(%x: !onnx.unknown):
  onnx.return %x : !onnx.unknown
}
func.func @main(%x: tensor<4xf32>) {
  // expected-error@+1 {{expected at most 1 inputs and 1 outputs, as "f" has, got 2 and 1}}
  %y = onnx.node "f"(%x, %x) domain "pkg" -> ["y"] : (tensor<4xf32>, tensor<4xf32>) -> !onnx.unknown
  return
}

// -----

// expected-note@+1 {{first here}}
onnx.function @f operator "" : "f" inputs [] outputs [] {
  onnx.return
}
// expected-error@+1 {{the function is defined twice}}
onnx.function @g operator "ai.onnx" : "f" inputs [] outputs [] {
  onnx.return
}

// -----

onnx.function @f operator "pkg" : "f" attributes ["body"] inputs [] outputs [] {
  onnx.return
}
func.func @main() {
  // expected-error@+1 {{the attribute "body" is a graph, which cannot be passed to a function}}
  onnx.node "f"() domain "pkg" : () -> () graph <"body", -1, "", [] -> []> {
    onnx.return
  }
  return
}
