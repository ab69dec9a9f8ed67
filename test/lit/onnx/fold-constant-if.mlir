// RUN: lq-opt %s --onnx-fold-constant-if | FileCheck %s

onnx.initializer @true : tensor<i1> from "model.onnx" at 10 = dense<true>

// CHECK-LABEL: func.func @taken
func.func @taken(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = onnx.get @true : tensor<i1>
  // CHECK-NOT: "If"
  // CHECK: %[[T:.*]] = onnx.node "Neg"(%{{.*}}) -> ["t"] : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK-NEXT: return %[[T]]
  %z = onnx.node "If"(%c) -> ["z"] : (tensor<i1>) -> tensor<4xf32> graph <"then_branch", -1, "", [] -> ["t"]> {
    %t = onnx.node "Neg"(%x) -> ["t"] : (tensor<4xf32>) -> !onnx.unknown
    onnx.return %t : !onnx.unknown
  } graph <"else_branch", -1, "", [] -> ["e"]> {
    onnx.return %x : tensor<4xf32>
  }
  return %z : tensor<4xf32>
}

// Both Ifs are constant; the inner one lies in the branch taken of the outer one.
// CHECK-LABEL: func.func @nested
func.func @nested(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NOT: "If"
  // CHECK: return %{{.*}} : tensor<4xf32>
  %c = onnx.node "Constant"() {value = dense<false> : tensor<1xi1>} -> ["c"] : () -> tensor<1xi1>
  %z = onnx.node "If"(%c) -> ["z"] : (tensor<1xi1>) -> tensor<4xf32> graph <"then_branch", -1, "", [] -> ["t"]> {
    %t = onnx.node "Neg"(%x) -> ["t"] : (tensor<4xf32>) -> tensor<4xf32>
    onnx.return %t : tensor<4xf32>
  } graph <"else_branch", -1, "", [] -> ["e"]> {
    %e = onnx.node "If"(%c) -> ["e"] : (tensor<1xi1>) -> tensor<4xf32> graph <"then_branch", -1, "", [] -> ["t"]> {
      onnx.return %x : tensor<4xf32>
    } graph <"else_branch", -1, "", [] -> ["f"]> {
      %f = onnx.node "Abs"(%x) -> ["f"] : (tensor<4xf32>) -> tensor<4xf32>
      onnx.return %f : tensor<4xf32>
    }
    onnx.return %e : tensor<4xf32>
  }
  return %z : tensor<4xf32>
}

// CHECK-LABEL: func.func @unknown_condition
func.func @unknown_condition(%c: tensor<i1>, %x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: "If"
  %z = onnx.node "If"(%c) -> ["z"] : (tensor<i1>) -> tensor<4xf32> graph <"then_branch", -1, "", [] -> ["t"]> {
    onnx.return %x : tensor<4xf32>
  } graph <"else_branch", -1, "", [] -> ["e"]> {
    onnx.return %x : tensor<4xf32>
  }
  return %z : tensor<4xf32>
}
