// RUN: lq-opt %s --onnx-inline-functions --split-input-file | FileCheck %s

module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.function @"pkg::Clip" operator "pkg" : "Clip" opsets {ai.onnx = 18 : i64, other = 2 : i64} inputs ["x", "low", "high"] outputs ["y"] {
  ^bb0(%x: !onnx.unknown, %low: !onnx.unknown, %high: !onnx.unknown):
    %y = onnx.node "Clip"(%x, %low, %high) -> ["y"] : (!onnx.unknown, !onnx.unknown, !onnx.unknown) -> !onnx.unknown
    onnx.return %y : !onnx.unknown
  }
  onnx.function @"pkg::Same" operator "pkg" : "Same" inputs ["x"] outputs ["y"] {
  ^bb0(%x: !onnx.unknown):
    onnx.return %x : !onnx.unknown
  }

  // Inputs that the call leaves out are none. The result's type is known at the call.
  // CHECK: onnx.opset_imports = {ai.onnx = 18 : i64, other = 2 : i64}
  // CHECK-LABEL: func.func @omitted
  func.func @omitted(%x: tensor<4xf32>, %low: tensor<f32>) -> tensor<4xf32> {
    // CHECK: %[[NONE:.*]] = onnx.none
    // CHECK: onnx.node "Clip"(%{{.*}}, %{{.*}}, %[[NONE]]) -> ["z"] : {{.*}} -> tensor<4xf32>
    %z = onnx.node "Clip"(%x, %low) domain "pkg" name "call" -> ["z"] : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
    return %z : tensor<4xf32>
  }

  // A function may return its argument; the signature follows.
  // CHECK-LABEL: func.func @same
  // CHECK-SAME: (%[[X:.*]]: tensor<4xf32>) -> tensor<4xf32>
  func.func @same(%x: tensor<4xf32>) -> tensor<?xf32> {
    // CHECK-NEXT: return %[[X]]
    %z = onnx.node "Same"(%x) domain "pkg" -> ["z"] : (tensor<4xf32>) -> tensor<?xf32>
    return %z : tensor<?xf32>
  }

  // Calls in subgraphs.
  // CHECK-LABEL: func.func @subgraph
  func.func @subgraph(%c: tensor<i1>, %x: tensor<4xf32>) -> tensor<4xf32> {
    // CHECK: graph <"then_branch"
    // CHECK-NEXT: onnx.return %{{.*}} : tensor<4xf32>
    %z = onnx.node "If"(%c) -> ["z"] : (tensor<i1>) -> tensor<4xf32> graph <"then_branch", -1, "", [] -> ["t"]> {
      %t = onnx.node "Same"(%x) domain "pkg" -> ["t"] : (tensor<4xf32>) -> !onnx.unknown
      onnx.return %t : !onnx.unknown
    } graph <"else_branch", -1, "", [] -> ["e"]> {
      onnx.return %x : tensor<4xf32>
    }
    return %z : tensor<4xf32>
  }
}
