// RUN: lq-opt %s | lq-opt | FileCheck %s

// CHECK: onnx.initializer @w : tensor<64x64xf32> from "model.onnx" at 133
onnx.initializer @w : tensor<64x64xf32> from "model.onnx" at 133
// CHECK: onnx.initializer @axes : tensor<2xi64> from "model.onnx" at 9042 = dense<[0, 1]>
onnx.initializer @axes : tensor<2xi64> from "model.onnx" at 9042 = dense<[0, 1]>
// CHECK: onnx.initializer @words : tensor<2x!onnx.string> = dense<["a", "\00\FF"]>
onnx.initializer @words : tensor<2x!onnx.string> = dense<["a", "\00\FF"]>
// CHECK: onnx.initializer @sparse : tensor<2x3xf32> = #onnx.sparse_tensor<tensor<2x3xf32>, dense<5.000000e+00> : tensor<1xf32>, dense<4> : tensor<1xi64>>
onnx.initializer @sparse : tensor<2x3xf32> = #onnx.sparse_tensor<tensor<2x3xf32>, dense<5.0> : tensor<1xf32>, dense<4> : tensor<1xi64>>
// CHECK: onnx.initializer @"a \22quoted\22\0A\FF name"
onnx.initializer @"a \"quoted\"\0A\FF name" : tensor<i1> = dense<true>

// CHECK-LABEL: func.func @uses
func.func @uses(%x: tensor<?x64xf32> {onnx.name = "x", onnx.dims = ["batch", 64, unit]}) -> tensor<?x64xf32> {
  // CHECK: %[[W:.*]] = onnx.get @w : tensor<64x64xf32>
  %w = onnx.get @w : tensor<64x64xf32>
  // CHECK: %[[NONE:.*]] = onnx.none : none
  %none = onnx.none : none
  // CHECK: onnx.node "Custom"(%{{.*}}, %[[NONE]], %[[W]])
  // CHECK-SAME: {f = 2.000000e+00 : f32, floats = array<f32: 1.000000e+00>, i = -1 : si64, ints = array<i64: 1, 2>, ref = @w, s = "\FF", strings = ["a", ""], type = !onnx.sequence<tensor<?xf16>>}
  // CHECK-SAME: domain "com.microsoft" overload "o" name "/Custom_1" -> ["y", ""]
  // CHECK-SAME: attributes {onnx.metadata_props = {key = "value"}}
  // CHECK-SAME: : (tensor<?x64xf32>, none, tensor<64x64xf32>) -> (tensor<?x64xf32>, none)
  %y, %n = onnx.node "Custom"(%x, %none, %w) {i = -1 : si64, f = 2.0 : f32, s = "\FF", ints = array<i64: 1, 2>, floats = array<f32: 1.0>, strings = ["a", ""], ref = @w, type = !onnx.sequence<tensor<?xf16>>}
    domain "com.microsoft" overload "o" name "/Custom_1" -> ["y", ""] attributes {onnx.metadata_props = {key = "value"}}
    : (tensor<?x64xf32>, none, tensor<64x64xf32>) -> (tensor<?x64xf32>, none)
  return %y : tensor<?x64xf32>
}

// SSA names come from ONNX names.
// CHECK-LABEL: func.func @names
func.func @names() -> !onnx.unknown {
  // CHECK: %model_layers_0_Add = onnx.node "A"() -> ["/model/layers.0/Add"]
  %0 = onnx.node "A"() -> ["/model/layers.0/Add"] : () -> !onnx.unknown
  // CHECK: %_12 = onnx.node "A"() -> ["12"]
  %1 = onnx.node "A"() -> ["12"] : () -> !onnx.unknown
  return %0 : !onnx.unknown
}

// CHECK-LABEL: func.func @subgraphs
func.func @subgraphs(%c: tensor<i1>, %x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: onnx.node "If"(%{{.*}}) -> ["z"] : (tensor<i1>) -> tensor<4xf32> graph <"then_branch", -1, "g", [] -> ["t"]> {
  // CHECK-NEXT: onnx.return
  // CHECK-NEXT: } graph <"else_branch", -1, "h", [] -> ["e"]> {
  %z = onnx.node "If"(%c) -> ["z"] : (tensor<i1>) -> tensor<4xf32> graph <"then_branch", -1, "g", [] -> ["t"]> {
    onnx.return %x : tensor<4xf32>
  } graph <"else_branch", -1, "h", [] -> ["e"]> {
    // CHECK: %e = onnx.node "Neg"
    %e = onnx.node "Neg"(%x) -> ["e"] : (tensor<4xf32>) -> tensor<4xf32>
    onnx.return %e : tensor<4xf32>
  }
  // CHECK: graph <"body", -1, "loop", ["i"] -> []> {
  // CHECK-NEXT: ^bb0(%i: tensor<i64>):
  onnx.node "Loop"(%c) : (tensor<i1>) -> () graph <"body", -1, "loop", ["i"] -> []> {
  ^bb0(%i: tensor<i64>):
    onnx.return
  }
  return %z : tensor<4xf32>
}

// CHECK: onnx.function @"pkg::Gelu" operator "pkg" : "Gelu" overload "o" attributes ["approximate"] defaults {axis = 1 : si64} opsets {ai.onnx = 18 : i64} inputs ["x"] outputs ["y"] {
onnx.function @"pkg::Gelu" operator "pkg" : "Gelu" overload "o" attributes ["approximate"] defaults {axis = 1 : si64}
    opsets {ai.onnx = 18 : i64} inputs ["x"] outputs ["y"] {
^bb0(%x: !onnx.unknown):
  // CHECK: {approximate = #onnx.ref<"approximate">}
  %y = onnx.node "Gelu"(%x) {approximate = #onnx.ref<"approximate">} -> ["y"] : (!onnx.unknown) -> !onnx.unknown
  onnx.return %y : !onnx.unknown
}

// CHECK-LABEL: func.func private @types
// CHECK-SAME: !onnx.optional<!onnx.sequence<tensor<*xf32>>>
// CHECK-SAME: !onnx.map<i64, !onnx.string>
// CHECK-SAME: !onnx.sparse<tensor<3x4xf32>>
// CHECK-SAME: !onnx.opaque<"domain", "name">
// CHECK-SAME: tensor<?x!onnx.unknown>
func.func private @types(!onnx.optional<!onnx.sequence<tensor<*xf32>>>, !onnx.map<i64, !onnx.string>, !onnx.sparse<tensor<3x4xf32>>, !onnx.opaque<"domain", "name">, tensor<?x!onnx.unknown>)
