// RUN: lq-opt %s --lq-raise="archive=%t.weights context=32 max-sequence=8 cache-type=f16" -split-input-file | FileCheck %s
// RUN: lq-opt %s --lq-raise="archive=%t.weights kind=tensors" -split-input-file | FileCheck %s --check-prefix=TENSORS

// The smallest decoder with a past: one head whose keys are its values, with
// position 0 first. Past and present, mask and positions are gone; the rows
// that are wanted are taken before the head.
// CHECK-LABEL: module attributes {lq.model = {context = 32 : i64, kind = "generative", vocabulary = 8 : i64}
// CHECK-DAG: lq.cache @blk.0.k keys 1 x 4 : f16
// CHECK-DAG: lq.cache @blk.0.v values 1 x 4 : f16
// CHECK-DAG: lq.dimension @sequence max 8
// CHECK-DAG: lq.dimension @past max 32
// CHECK-DAG: lq.dimension @logits max 8
// CHECK: func.func @main(%[[IDS:.*]]: tensor<1x?xi64> {lq.name = "input_ids", lq.shape = [1, "sequence"]}) -> (tensor<1x?x8xf32> {lq.name = "logits", lq.shape = [1, "logits", 8]})
// CHECK: %[[X:.*]] = lq.embedding %[[IDS]]
// CHECK: %[[PAST:.*]] = lq.extent @past
// CHECK: %[[K:.*]] = lq.append %{{.*}} to @blk.0.k at %[[PAST]] : tensor<1x?x1x4xf32> -> tensor<1x?x1x4xf32, #lq.cached>
// CHECK: %[[V:.*]] = lq.append %{{.*}} to @blk.0.v at %[[PAST]]
// CHECK: lq.attention %{{.*}}, %[[K]], %[[V]] causal from %[[PAST]] {scale = 5.000000e-01 : f32}
// CHECK: %[[ROWS:.*]] = lq.extent @logits
// CHECK: %[[FIRST:.*]] = arith.subi %{{.*}}, %[[ROWS]]
// CHECK: %[[LAST:.*]] = tensor.extract_slice %{{.*}}[0, %[[FIRST]], 0] [1, %[[ROWS]], 4]
// CHECK: lq.linear %[[LAST]]

// TENSORS-LABEL: module
// TENSORS-NOT: lq.cache
// TENSORS: lq.name = "past.0.key"
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @table : tensor<8x4xf32> from "decoder.mlir" at 0
  func.func @main(%ids: tensor<?x?xi64> {onnx.name = "input_ids", onnx.dims = ["batch", "new"]},
                  %mask: tensor<?x?xi64> {onnx.name = "attention_mask", onnx.dims = ["batch", "all"]},
                  %past: tensor<?x1x?x4xf32> {onnx.name = "past.0.key", onnx.dims = ["batch", 1, "old", 4]},
                  %pastv: tensor<?x1x?x4xf32> {onnx.name = "past.0.value", onnx.dims = ["batch", 1, "old", 4]})
      -> (tensor<?x?x8xf32> {onnx.name = "logits"}, tensor<?x1x?x4xf32> {onnx.name = "present.0.key"},
          tensor<?x1x?x4xf32> {onnx.name = "present.0.value"}) {
    %table = onnx.get @table : tensor<8x4xf32>
    %x = onnx.node "Gather"(%table, %ids) : (tensor<8x4xf32>, tensor<?x?xi64>) -> tensor<?x?x4xf32>
    %one = onnx.node "Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
    %two = onnx.node "Constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
    %k = onnx.node "Unsqueeze"(%x, %one) : (tensor<?x?x4xf32>, tensor<1xi64>) -> tensor<?x1x?x4xf32>
    %keys = onnx.node "Concat"(%past, %k) {axis = 2 : si64} : (tensor<?x1x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x1x?x4xf32>
    %values = onnx.node "Concat"(%pastv, %k) {axis = -2 : si64} : (tensor<?x1x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x1x?x4xf32>
    %kt = onnx.node "Transpose"(%keys) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x1x?x4xf32>) -> tensor<?x1x4x?xf32>
    %s = onnx.node "MatMul"(%k, %kt) : (tensor<?x1x?x4xf32>, tensor<?x1x4x?xf32>) -> tensor<?x1x?x?xf32>
    %d = onnx.node "Div"(%s, %two) : (tensor<?x1x?x?xf32>, tensor<f32>) -> tensor<?x1x?x?xf32>
    // Row r of the new tokens is position old + r; column c is hidden if c > old + r.
    %ps = onnx.node "Shape"(%past) {start = 2 : si64, end = 3 : si64} : (tensor<?x1x?x4xf32>) -> tensor<1xi64>
    %ks = onnx.node "Shape"(%keys) {start = 2 : si64, end = 3 : si64} : (tensor<?x1x?x4xf32>) -> tensor<1xi64>
    %old = onnx.node "Squeeze"(%ps) : (tensor<1xi64>) -> tensor<i64>
    %all = onnx.node "Squeeze"(%ks) : (tensor<1xi64>) -> tensor<i64>
    %zero = onnx.node "Constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
    %step = onnx.node "Constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
    %rows = onnx.node "Range"(%old, %all, %step) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
    %columns = onnx.node "Range"(%zero, %all, %step) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
    %r = onnx.node "Unsqueeze"(%rows, %one) : (tensor<?xi64>, tensor<1xi64>) -> tensor<?x1xi64>
    %later = onnx.node "Greater"(%columns, %r) : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
    %low = onnx.node "Constant"() {value = dense<-3.40282347E+38> : tensor<f32>} : () -> tensor<f32>
    %m = onnx.node "Where"(%later, %low, %d) : (tensor<?x?xi1>, tensor<f32>, tensor<?x1x?x?xf32>) -> tensor<?x1x?x?xf32>
    %p = onnx.node "Softmax"(%m) {axis = -1 : si64} : (tensor<?x1x?x?xf32>) -> tensor<?x1x?x?xf32>
    %o = onnx.node "MatMul"(%p, %values) : (tensor<?x1x?x?xf32>, tensor<?x1x?x4xf32>) -> tensor<?x1x?x4xf32>
    %y = onnx.node "Squeeze"(%o, %one) : (tensor<?x1x?x4xf32>, tensor<1xi64>) -> tensor<?x?x4xf32>
    %head = onnx.node "Transpose"(%table) {perm = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
    %logits = onnx.node "MatMul"(%y, %head) : (tensor<?x?x4xf32>, tensor<4x8xf32>) -> tensor<?x?x8xf32>
    return %logits, %keys, %values : tensor<?x?x8xf32>, tensor<?x1x?x4xf32>, tensor<?x1x?x4xf32>
  }
}

// -----

// Without a past: the same cached form, positions counting on from the past.
// The table of learned positions has 16 rows, which bounds the context.
// CHECK-LABEL: module attributes {lq.model = {context = 16 : i64, kind = "generative", vocabulary = 8 : i64}
// CHECK-DAG: lq.dimension @past max 16
// CHECK: %[[PAST:.*]] = lq.extent @past
// CHECK: %[[POSITIONS:.*]] = linalg.generic
// CHECK: %[[ROW:.*]] = linalg.index 1
// CHECK: arith.addi %[[ROW]], %[[PAST]]
// CHECK: %[[ROWS:.*]] = tensor.collapse_shape %[[POSITIONS]]
// CHECK: lq.embedding %[[ROWS]]
// CHECK: lq.append
// CHECK: lq.append
// CHECK: lq.attention {{.*}} causal from %[[PAST]]

// TENSORS-LABEL: module
// TENSORS: lq.dimension @new max 16
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @table : tensor<8x4xf32> from "decoder.mlir" at 0
  onnx.initializer @learned : tensor<16x4xf32> from "decoder.mlir" at 0
  func.func @main(%ids: tensor<?x?xi64> {onnx.name = "input_ids", onnx.dims = ["batch", "new"]})
      -> (tensor<?x?x8xf32> {onnx.name = "logits"}) {
    %table = onnx.get @table : tensor<8x4xf32>
    %learned = onnx.get @learned : tensor<16x4xf32>
    %e = onnx.node "Gather"(%table, %ids) : (tensor<8x4xf32>, tensor<?x?xi64>) -> tensor<?x?x4xf32>
    %one = onnx.node "Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
    %zero = onnx.node "Constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
    %step = onnx.node "Constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
    %shape = onnx.node "Shape"(%ids) {start = 1 : si64, end = 2 : si64} : (tensor<?x?xi64>) -> tensor<1xi64>
    %n = onnx.node "Squeeze"(%shape) : (tensor<1xi64>) -> tensor<i64>
    %range = onnx.node "Range"(%zero, %n, %step) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
    %p = onnx.node "Gather"(%learned, %range) : (tensor<16x4xf32>, tensor<?xi64>) -> tensor<?x4xf32>
    %x = onnx.node "Add"(%e, %p) : (tensor<?x?x4xf32>, tensor<?x4xf32>) -> tensor<?x?x4xf32>
    %k = onnx.node "Unsqueeze"(%x, %one) : (tensor<?x?x4xf32>, tensor<1xi64>) -> tensor<?x1x?x4xf32>
    %kt = onnx.node "Transpose"(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x1x?x4xf32>) -> tensor<?x1x4x?xf32>
    %s = onnx.node "MatMul"(%k, %kt) : (tensor<?x1x?x4xf32>, tensor<?x1x4x?xf32>) -> tensor<?x1x?x?xf32>
    %r = onnx.node "Unsqueeze"(%range, %one) : (tensor<?xi64>, tensor<1xi64>) -> tensor<?x1xi64>
    %later = onnx.node "Greater"(%range, %r) : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
    %low = onnx.node "Constant"() {value = dense<-3.40282347E+38> : tensor<f32>} : () -> tensor<f32>
    %m = onnx.node "Where"(%later, %low, %s) : (tensor<?x?xi1>, tensor<f32>, tensor<?x1x?x?xf32>) -> tensor<?x1x?x?xf32>
    %w = onnx.node "Softmax"(%m) {axis = -1 : si64} : (tensor<?x1x?x?xf32>) -> tensor<?x1x?x?xf32>
    %o = onnx.node "MatMul"(%w, %k) : (tensor<?x1x?x?xf32>, tensor<?x1x?x4xf32>) -> tensor<?x1x?x4xf32>
    %y = onnx.node "Squeeze"(%o, %one) : (tensor<?x1x?x4xf32>, tensor<1xi64>) -> tensor<?x?x4xf32>
    %head = onnx.node "Transpose"(%table) {perm = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
    %logits = onnx.node "MatMul"(%y, %head) : (tensor<?x?x4xf32>, tensor<4x8xf32>) -> tensor<?x?x8xf32>
    return %logits : tensor<?x?x8xf32>
  }
}

// -----

// The same without a mask is no decoder, though it has ids and logits.
// CHECK-LABEL: module attributes {lq.model = {kind = "tensors"}
// CHECK-NOT: lq.append
// CHECK: lq.attention
// CHECK-NOT: causal
module attributes {onnx.opset_imports = {ai.onnx = 18 : i64}} {
  onnx.initializer @table : tensor<8x4xf32> from "decoder.mlir" at 0
  func.func @main(%ids: tensor<?x?xi64> {onnx.name = "input_ids", onnx.dims = ["batch", "new"]})
      -> (tensor<?x?x8xf32> {onnx.name = "logits"}) {
    %table = onnx.get @table : tensor<8x4xf32>
    %one = onnx.node "Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
    %x = onnx.node "Gather"(%table, %ids) : (tensor<8x4xf32>, tensor<?x?xi64>) -> tensor<?x?x4xf32>
    %k = onnx.node "Unsqueeze"(%x, %one) : (tensor<?x?x4xf32>, tensor<1xi64>) -> tensor<?x1x?x4xf32>
    %kt = onnx.node "Transpose"(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x1x?x4xf32>) -> tensor<?x1x4x?xf32>
    %s = onnx.node "MatMul"(%k, %kt) : (tensor<?x1x?x4xf32>, tensor<?x1x4x?xf32>) -> tensor<?x1x?x?xf32>
    %w = onnx.node "Softmax"(%s) {axis = -1 : si64} : (tensor<?x1x?x?xf32>) -> tensor<?x1x?x?xf32>
    %o = onnx.node "MatMul"(%w, %k) : (tensor<?x1x?x?xf32>, tensor<?x1x?x4xf32>) -> tensor<?x1x?x4xf32>
    %y = onnx.node "Squeeze"(%o, %one) : (tensor<?x1x?x4xf32>, tensor<1xi64>) -> tensor<?x?x4xf32>
    %head = onnx.node "Transpose"(%table) {perm = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
    %logits = onnx.node "MatMul"(%y, %head) : (tensor<?x?x4xf32>, tensor<4x8xf32>) -> tensor<?x?x8xf32>
    return %logits : tensor<?x?x8xf32>
  }
}
