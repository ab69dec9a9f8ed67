// A model is cut where one value carries everything, before each layer and after
// the last; each block has what it needs of the rest: weights, inputs, sizes.

// RUN: split-file %s %t
// RUN: lq-run-blocks %t/generative.mlir | FileCheck %s --check-prefix=GEN
// RUN: lq-run-blocks %t/encoder.mlir | FileCheck %s --check-prefix=ENC
// RUN: lq-run-blocks %t/bypass.mlir | FileCheck %s --check-prefix=BYPASS
// RUN: not lq-run-blocks %t/unraised.mlir 2>&1 | FileCheck %s --check-prefix=RAW

// What is taken from the cache comes from the call itself, all logits are wanted,
// and there is no other dimension than the sequence.
// GEN-LABEL: // embedding
// GEN:         lq.weight @table
// GEN-NEXT:    lq.dimension @sequence max 8
// GEN-NEXT:    func.func @main(%[[IDS:.*]]: tensor<1x?xi64> {lq.name = "input_ids", lq.shape = [1, "sequence"]}) -> (tensor<1x?x32xf32> {lq.name = "stream", lq.shape = [1, "sequence", 32]})
// GEN-NOT:     lq.linear
// GEN-LABEL: // layer 0
// GEN-NOT:     lq.cache
// GEN:         func.func @main(%[[X:.*]]: tensor<1x?x32xf32> {lq.name = "stream", lq.shape = [1, "sequence", 32]}) -> (tensor<1x?x32xf32> {lq.name = "stream", lq.shape = [1, "sequence", 32]}, tensor<1x?x32xf32> {lq.name = "tap 0", lq.shape = [1, "sequence", 32]}, tensor<1x?x32xf32> {lq.name = "tap 1", lq.shape = [1, "sequence", 32]})
// GEN:         lq.linear %[[X]]
// GEN:         lq.linear %[[X]]
// GEN:         lq.linear %[[X]]
// GEN:         %[[ZERO:.*]] = arith.constant 0 : index
// GEN:         lq.attention %{{.*}}, %[[K:.*]], %[[V:.*]] causal from %[[ZERO]] {{.*}} (tensor<1x?x1x32xf32>, tensor<1x?x1x32xf32>, tensor<1x?x1x32xf32>, index)
// GEN:         return %{{.*}}, %[[X]], %{{.*}} :
// GEN:       // tap 0: 32 for q.0, k.0, v.0
// GEN:       // tap 1: 32 for o.0
// GEN-LABEL: // layer 1
// GEN:       // tap 0: 32 for q.0, k.0, v.0
// GEN-LABEL: // head
// GEN-NOT:     extract_slice
// GEN:         -> (tensor<1x?x64xf32> {lq.name = "logits", lq.shape = [1, "sequence", 64]}
// GEN:       // tap 0: 32 for head

// A mask is computed again in each layer, from the model's input; and the sizes that
// a block reads follow from its inputs.
// ENC-LABEL: // layer 0
// ENC:         func.func @main(%{{.*}}: tensor<?x?x1x32xf32> {lq.name = "stream", lq.shape = ["batch", "length", 1, 32]}, %[[MASK:.*]]: tensor<?x1x1x?xf32> {lq.name = "mask", {{.*}}})
// ENC:         %[[NEG:.*]] = linalg.negf ins(%[[MASK]]
// ENC:         lq.attention %{{.*}}, %{{.*}}, %{{.*}} mask %[[NEG]]
// ENC-LABEL: // layer 1
// ENC:         %[[NEG:.*]] = linalg.negf
// ENC:         lq.attention %{{.*}}, %{{.*}}, %{{.*}} mask %[[NEG]]

// Where a value goes around layers, they are one.
// BYPASS:     // embedding
// BYPASS:     // layer 0
// BYPASS:     lq.attention
// BYPASS:     lq.attention
// BYPASS-NOT: // layer 1

// RAW: error: expected a model with a function @main, as lq-raise makes it

//--- generative.mlir
#map = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
module attributes {lq.model = {context = 8 : i64, kind = "generative", vocabulary = 64 : i64}} {
  lq.weight @table : tensor<64x32xf32> from "w" at 0
  lq.weight @q.0 : tensor<32x32xf32> from "w" at 0
  lq.weight @k.0 : tensor<32x32xf32> from "w" at 0
  lq.weight @v.0 : tensor<32x32xf32> from "w" at 0
  lq.weight @o.0 : tensor<32x32xf32> from "w" at 0
  lq.weight @head : tensor<64x32xf32> from "w" at 0
  lq.cache @k keys 1 x 32 : f32
  lq.cache @v values 1 x 32 : f32
  lq.dimension @sequence max 8
  lq.dimension @past max 8
  lq.dimension @logits max 8
  func.func @main(%ids: tensor<1x?xi64> {lq.name = "input_ids", lq.shape = [1, "sequence"]}) -> (tensor<1x?x64xf32> {lq.name = "logits", lq.shape = [1, "logits", 64]}) {
    %s = lq.extent @sequence
    %past = lq.extent @past
    %table = lq.get @table : tensor<64x32xf32>
    %wq = lq.get @q.0 : tensor<32x32xf32>
    %wk = lq.get @k.0 : tensor<32x32xf32>
    %wv = lq.get @v.0 : tensor<32x32xf32>
    %wo = lq.get @o.0 : tensor<32x32xf32>
    %x = lq.embedding %ids, %table : (tensor<1x?xi64>, tensor<64x32xf32>) -> tensor<1x?x32xf32>
    %q = lq.linear %x, %wq : (tensor<1x?x32xf32>, tensor<32x32xf32>) -> tensor<1x?x32xf32>
    %k = lq.linear %x, %wk : (tensor<1x?x32xf32>, tensor<32x32xf32>) -> tensor<1x?x32xf32>
    %v = lq.linear %x, %wv : (tensor<1x?x32xf32>, tensor<32x32xf32>) -> tensor<1x?x32xf32>
    %qh = tensor.expand_shape %q [[0], [1], [2, 3]] output_shape [1, %s, 1, 32] : tensor<1x?x32xf32> into tensor<1x?x1x32xf32>
    %kh = tensor.expand_shape %k [[0], [1], [2, 3]] output_shape [1, %s, 1, 32] : tensor<1x?x32xf32> into tensor<1x?x1x32xf32>
    %vh = tensor.expand_shape %v [[0], [1], [2, 3]] output_shape [1, %s, 1, 32] : tensor<1x?x32xf32> into tensor<1x?x1x32xf32>
    %ks = lq.append %kh to @k at %past : tensor<1x?x1x32xf32> -> tensor<1x?x1x32xf32, #lq.cached>
    %vs = lq.append %vh to @v at %past : tensor<1x?x1x32xf32> -> tensor<1x?x1x32xf32, #lq.cached>
    %a = lq.attention %qh, %ks, %vs causal from %past {scale = 1.0 : f32} : (tensor<1x?x1x32xf32>, tensor<1x?x1x32xf32, #lq.cached>, tensor<1x?x1x32xf32, #lq.cached>, index) -> tensor<1x?x1x32xf32>
    %c = tensor.collapse_shape %a [[0], [1], [2, 3]] : tensor<1x?x1x32xf32> into tensor<1x?x32xf32>
    %o = lq.linear %c, %wo : (tensor<1x?x32xf32>, tensor<32x32xf32>) -> tensor<1x?x32xf32>
    %e = tensor.empty(%s) : tensor<1x?x32xf32>
    %y = linalg.add ins(%x, %o : tensor<1x?x32xf32>, tensor<1x?x32xf32>) outs(%e : tensor<1x?x32xf32>) -> tensor<1x?x32xf32>
    %q1 = lq.linear %y, %wq : (tensor<1x?x32xf32>, tensor<32x32xf32>) -> tensor<1x?x32xf32>
    %k1 = lq.linear %y, %wk : (tensor<1x?x32xf32>, tensor<32x32xf32>) -> tensor<1x?x32xf32>
    %v1 = lq.linear %y, %wv : (tensor<1x?x32xf32>, tensor<32x32xf32>) -> tensor<1x?x32xf32>
    %q1h = tensor.expand_shape %q1 [[0], [1], [2, 3]] output_shape [1, %s, 1, 32] : tensor<1x?x32xf32> into tensor<1x?x1x32xf32>
    %k1h = tensor.expand_shape %k1 [[0], [1], [2, 3]] output_shape [1, %s, 1, 32] : tensor<1x?x32xf32> into tensor<1x?x1x32xf32>
    %v1h = tensor.expand_shape %v1 [[0], [1], [2, 3]] output_shape [1, %s, 1, 32] : tensor<1x?x32xf32> into tensor<1x?x1x32xf32>
    %a1 = lq.attention %q1h, %k1h, %v1h causal from %past {scale = 1.0 : f32} : (tensor<1x?x1x32xf32>, tensor<1x?x1x32xf32>, tensor<1x?x1x32xf32>, index) -> tensor<1x?x1x32xf32>
    %c1 = tensor.collapse_shape %a1 [[0], [1], [2, 3]] : tensor<1x?x1x32xf32> into tensor<1x?x32xf32>
    %n = lq.extent @logits
    %first = arith.subi %s, %n : index
    %o1 = lq.linear %c1, %wo : (tensor<1x?x32xf32>, tensor<32x32xf32>) -> tensor<1x?x32xf32>
    %e1 = tensor.empty(%s) : tensor<1x?x32xf32>
    %z = linalg.add ins(%y, %o1 : tensor<1x?x32xf32>, tensor<1x?x32xf32>) outs(%e1 : tensor<1x?x32xf32>) -> tensor<1x?x32xf32>
    %last = tensor.extract_slice %z[0, %first, 0] [1, %n, 32] [1, 1, 1] : tensor<1x?x32xf32> to tensor<1x?x32xf32>
    %wh = lq.get @head : tensor<64x32xf32>
    %l = lq.linear %last, %wh : (tensor<1x?x32xf32>, tensor<64x32xf32>) -> tensor<1x?x64xf32>
    return %l : tensor<1x?x64xf32>
  }
}

//--- encoder.mlir
module attributes {lq.model = {kind = "tensors"}} {
  lq.weight @table : tensor<64x32xf32> from "w" at 0
  lq.weight @o : tensor<32x32xf32> from "w" at 0
  lq.dimension @batch max 2
  lq.dimension @length max 8
  func.func @main(%mask: tensor<?x1x1x?xf32> {lq.name = "mask", lq.shape = ["batch", 1, 1, "length"]}, %ids: tensor<?x?xi64> {lq.name = "ids", lq.shape = ["batch", "length"]}) -> (tensor<?x?x32xf32> {lq.name = "out", lq.shape = ["batch", "length", 32]}) {
    %b = lq.extent @batch
    %s = lq.extent @length
    %table = lq.get @table : tensor<64x32xf32>
    %wo = lq.get @o : tensor<32x32xf32>
    %me = tensor.empty(%b, %s) : tensor<?x1x1x?xf32>
    %neg = linalg.negf ins(%mask : tensor<?x1x1x?xf32>) outs(%me : tensor<?x1x1x?xf32>) -> tensor<?x1x1x?xf32>
    %x = lq.embedding %ids, %table : (tensor<?x?xi64>, tensor<64x32xf32>) -> tensor<?x?x32xf32>
    %xh = tensor.expand_shape %x [[0], [1], [2, 3]] output_shape [%b, %s, 1, 32] : tensor<?x?x32xf32> into tensor<?x?x1x32xf32>
    %a = lq.attention %xh, %xh, %xh mask %neg {scale = 1.0 : f32} : (tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>, tensor<?x1x1x?xf32>) -> tensor<?x?x1x32xf32>
    %c = tensor.collapse_shape %a [[0], [1], [2, 3]] : tensor<?x?x1x32xf32> into tensor<?x?x32xf32>
    %y = lq.linear %c, %wo : (tensor<?x?x32xf32>, tensor<32x32xf32>) -> tensor<?x?x32xf32>
    %yh = tensor.expand_shape %y [[0], [1], [2, 3]] output_shape [%b, %s, 1, 32] : tensor<?x?x32xf32> into tensor<?x?x1x32xf32>
    %a1 = lq.attention %yh, %yh, %yh mask %neg {scale = 1.0 : f32} : (tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>, tensor<?x1x1x?xf32>) -> tensor<?x?x1x32xf32>
    %c1 = tensor.collapse_shape %a1 [[0], [1], [2, 3]] : tensor<?x?x1x32xf32> into tensor<?x?x32xf32>
    %z = lq.linear %c1, %wo : (tensor<?x?x32xf32>, tensor<32x32xf32>) -> tensor<?x?x32xf32>
    return %z : tensor<?x?x32xf32>
  }
}

//--- bypass.mlir
module attributes {lq.model = {kind = "tensors"}} {
  lq.weight @table : tensor<64x32xf32> from "w" at 0
  lq.weight @o : tensor<32x32xf32> from "w" at 0
  lq.dimension @length max 8
  func.func @main(%ids: tensor<1x?xi64> {lq.name = "ids", lq.shape = [1, "length"]}) -> (tensor<1x?x32xf32> {lq.name = "out", lq.shape = [1, "length", 32]}) {
    %s = lq.extent @length
    %table = lq.get @table : tensor<64x32xf32>
    %wo = lq.get @o : tensor<32x32xf32>
    %x = lq.embedding %ids, %table : (tensor<1x?xi64>, tensor<64x32xf32>) -> tensor<1x?x32xf32>
    %e = tensor.empty(%s) : tensor<1x?x32xf32>
    %n = linalg.negf ins(%x : tensor<1x?x32xf32>) outs(%e : tensor<1x?x32xf32>) -> tensor<1x?x32xf32>
    %nh = tensor.expand_shape %n [[0], [1], [2, 3]] output_shape [1, %s, 1, 32] : tensor<1x?x32xf32> into tensor<1x?x1x32xf32>
    %a = lq.attention %nh, %nh, %nh {scale = 1.0 : f32} : (tensor<1x?x1x32xf32>, tensor<1x?x1x32xf32>, tensor<1x?x1x32xf32>) -> tensor<1x?x1x32xf32>
    %c = tensor.collapse_shape %a [[0], [1], [2, 3]] : tensor<1x?x1x32xf32> into tensor<1x?x32xf32>
    %ch = tensor.expand_shape %c [[0], [1], [2, 3]] output_shape [1, %s, 1, 32] : tensor<1x?x32xf32> into tensor<1x?x1x32xf32>
    %xh = tensor.expand_shape %x [[0], [1], [2, 3]] output_shape [1, %s, 1, 32] : tensor<1x?x32xf32> into tensor<1x?x1x32xf32>
    %a1 = lq.attention %ch, %xh, %xh {scale = 1.0 : f32} : (tensor<1x?x1x32xf32>, tensor<1x?x1x32xf32>, tensor<1x?x1x32xf32>) -> tensor<1x?x1x32xf32>
    %c1 = tensor.collapse_shape %a1 [[0], [1], [2, 3]] : tensor<1x?x1x32xf32> into tensor<1x?x32xf32>
    %z = linalg.add ins(%c1, %x : tensor<1x?x32xf32>, tensor<1x?x32xf32>) outs(%e : tensor<1x?x32xf32>) -> tensor<1x?x32xf32>
    return %z : tensor<1x?x32xf32>
  }
}

//--- unraised.mlir
module {
}
