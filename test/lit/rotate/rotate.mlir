// RUN: rm -rf %t && mkdir %t && %python -c "import numpy as np; r = np.random.default_rng(1); open('%t/w.bin', 'wb').write(r.standard_normal(1024).astype(np.float32).tobytes() + r.standard_normal(96).astype(np.float16).tobytes())"
// RUN: cp %s %t/model.mlir
// RUN: lq-opt %t/model.mlir --lq-rotate=archive=%t/rotated.bin -split-input-file -verify-diagnostics -o - | FileCheck %s
// RUN: not lq-opt %t/model.mlir --lq-rotate -split-input-file 2>&1 | FileCheck --check-prefix=OPTION %s
// OPTION: option archive: the file to write rotated weights to is required

// A residual stream: tables and linears that write it, norms and linears that read it.
// The table is the output's matrix too, and is read in two ways.
// CHECK: lq.weight @table : tensor<16x12xf32> from "rotated.bin"
// CHECK: lq.weight @table.rotated : tensor<16x12xf32> from "rotated.bin"
// CHECK: lq.weight @gamma : tensor<12xf32> from "rotated.bin"
// CHECK: lq.weight @up : tensor<8x12xf32> from "rotated.bin" at {{[0-9]+}}{{$}}
// CHECK: lq.weight @up_bias : tensor<8xf32> from "w.bin"
// CHECK: lq.weight @down : tensor<12x8xf32> from "rotated.bin"
// CHECK: lq.weight @down_bias : tensor<12xf32> from "rotated.bin"
// CHECK: lq.weight @last_gamma : tensor<12xf32> from "rotated.bin"
// CHECK-LABEL: @residual
// CHECK-DAG: lq.get @table :
// CHECK-DAG: lq.get @table.rotated :
// expected-remark@unknown {{rotated residual streams: 1, values of attentions: 0, weights: 7}}
// expected-remark@+1 {{weight @table is read in several ways, one of which gets a weight of its own}}
lq.weight @table : tensor<16x12xf32> from "w.bin" at 0
lq.weight @gamma : tensor<12xf32> from "w.bin" at 1024
lq.weight @up : tensor<8x12xf32> from "w.bin" at 2048 transposed
lq.weight @up_bias : tensor<8xf32> from "w.bin" at 1280
lq.weight @down : tensor<12x8xf16> from "w.bin" at 4096
lq.weight @down_bias : tensor<12xf32> from "w.bin" at 1536
lq.weight @last_gamma : tensor<12xf32> from "w.bin" at 1792
func.func @residual(%ids: tensor<1x4xi64>) -> tensor<1x1x16xf32> {
  %table = lq.get @table : tensor<16x12xf32>
  %gamma = lq.get @gamma : tensor<12xf32>
  %up = lq.get @up : tensor<8x12xf32>
  %up_bias = lq.get @up_bias : tensor<8xf32>
  %down = lq.get @down : tensor<12x8xf16>
  %down_bias = lq.get @down_bias : tensor<12xf32>
  %last_gamma = lq.get @last_gamma : tensor<12xf32>
  %0 = lq.embedding %ids, %table : (tensor<1x4xi64>, tensor<16x12xf32>) -> tensor<1x4x12xf32>
  %1 = lq.rms_norm %0, %gamma {epsilon = 1.0e-5 : f32} : (tensor<1x4x12xf32>, tensor<12xf32>) -> tensor<1x4x12xf32>
  %2 = lq.linear %1, %up bias %up_bias : (tensor<1x4x12xf32>, tensor<8x12xf32>, tensor<8xf32>) -> tensor<1x4x8xf32>
  %3 = lq.activation gelu %2 : tensor<1x4x8xf32>
  %4 = lq.linear %3, %down bias %down_bias : (tensor<1x4x8xf32>, tensor<12x8xf16>, tensor<12xf32>) -> tensor<1x4x12xf32>
  %5 = arith.addf %0, %4 : tensor<1x4x12xf32>
  %6 = tensor.extract_slice %5[0, 3, 0] [1, 1, 12] [1, 1, 1] : tensor<1x4x12xf32> to tensor<1x1x12xf32>
  %7 = lq.rms_norm %6, %last_gamma {epsilon = 1.0e-5 : f32} : (tensor<1x1x12xf32>, tensor<12xf32>) -> tensor<1x1x12xf32>
  %8 = lq.linear %7, %table : (tensor<1x1x12xf32>, tensor<16x12xf32>) -> tensor<1x1x16xf32>
  return %8 : tensor<1x1x16xf32>
}

// -----

// The values of an attention, 4 elements a head; queries and keys stay.
// CHECK: lq.weight @q : tensor<8x8xf32> from "w.bin"
// CHECK: lq.weight @v : tensor<4x8xf32> from "rotated.bin"
// CHECK: lq.weight @o : tensor<8x8xf32> from "rotated.bin"
// CHECK-LABEL: @heads
// expected-remark@unknown {{rotated residual streams: 0, values of attentions: 1, weights: 2}}
lq.weight @q : tensor<8x8xf32> from "w.bin" at 0
lq.weight @k : tensor<4x8xf32> from "w.bin" at 256
lq.weight @v : tensor<4x8xf32> from "w.bin" at 512
lq.weight @o : tensor<8x8xf32> from "w.bin" at 1024
func.func @heads(%x: tensor<1x3x8xf32>) -> tensor<1x3x8xf32> {
  %q = lq.get @q : tensor<8x8xf32>
  %k = lq.get @k : tensor<4x8xf32>
  %v = lq.get @v : tensor<4x8xf32>
  %o = lq.get @o : tensor<8x8xf32>
  %0 = lq.linear %x, %q : (tensor<1x3x8xf32>, tensor<8x8xf32>) -> tensor<1x3x8xf32>
  %1 = lq.linear %x, %k : (tensor<1x3x8xf32>, tensor<4x8xf32>) -> tensor<1x3x4xf32>
  %2 = lq.linear %x, %v : (tensor<1x3x8xf32>, tensor<4x8xf32>) -> tensor<1x3x4xf32>
  %3 = tensor.expand_shape %0 [[0], [1], [2, 3]] output_shape [1, 3, 2, 4] : tensor<1x3x8xf32> into tensor<1x3x2x4xf32>
  %4 = tensor.expand_shape %1 [[0], [1], [2, 3]] output_shape [1, 3, 1, 4] : tensor<1x3x4xf32> into tensor<1x3x1x4xf32>
  %5 = tensor.expand_shape %2 [[0], [1], [2, 3]] output_shape [1, 3, 1, 4] : tensor<1x3x4xf32> into tensor<1x3x1x4xf32>
  %6 = lq.attention %3, %4, %5 {scale = 0.5 : f32} : (tensor<1x3x2x4xf32>, tensor<1x3x1x4xf32>, tensor<1x3x1x4xf32>) -> tensor<1x3x2x4xf32>
  %7 = tensor.collapse_shape %6 [[0], [1], [2, 3]] : tensor<1x3x2x4xf32> into tensor<1x3x8xf32>
  %8 = lq.linear %7, %o : (tensor<1x3x8xf32>, tensor<8x8xf32>) -> tensor<1x3x8xf32>
  return %8 : tensor<1x3x8xf32>
}

// -----

// Loops that add and scale are part of a stream, others are not. What stands in the way
// is named once a stream.
// CHECK-LABEL: @loops
// expected-remark@unknown {{rotated residual streams: 1}}
#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
// expected-remark@+1 {{weight @a is read in several ways}}
lq.weight @a : tensor<8x4xf32> from "w.bin" at 0
// expected-remark@+1 {{weight @b is read in several ways}}
lq.weight @b : tensor<4x8xf32> from "w.bin" at 0
func.func @loops(%x: tensor<2x4xf32>, %s: tensor<2xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  %a = lq.get @a : tensor<8x4xf32>
  %b = lq.get @b : tensor<4x8xf32>
  %two = arith.constant 2.0 : f32
  %0 = lq.linear %x, %a : (tensor<2x4xf32>, tensor<8x4xf32>) -> tensor<2x8xf32>
  %e = tensor.empty() : tensor<2x8xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id, #row, #id], iterator_types = ["parallel", "parallel"]} ins(%0, %0, %s : tensor<2x8xf32>, tensor<2x8xf32>, tensor<2xf32>) outs(%e : tensor<2x8xf32>) {
  ^bb0(%p: f32, %q: f32, %r: f32, %out: f32):
    %m = arith.mulf %p, %two : f32
    %n = arith.divf %q, %r : f32
    %o = arith.subf %m, %n : f32
    linalg.yield %o : f32
  } -> tensor<2x8xf32>
  %2 = lq.linear %1, %b : (tensor<2x8xf32>, tensor<4x8xf32>) -> tensor<2x4xf32>
  %3 = lq.linear %x, %a : (tensor<2x4xf32>, tensor<8x4xf32>) -> tensor<2x8xf32>
  %4 = arith.addf %3, %3 : tensor<2x8xf32>
  // expected-remark@+1 {{a residual stream of size 8 cannot be rotated: loops work on single elements}}
  %5 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%4, %4 : tensor<2x8xf32>, tensor<2x8xf32>) outs(%e : tensor<2x8xf32>) {
  ^bb0(%p: f32, %q: f32, %out: f32):
    %m = arith.mulf %p, %q : f32
    linalg.yield %m : f32
  } -> tensor<2x8xf32>
  %6 = lq.linear %5, %b : (tensor<2x8xf32>, tensor<4x8xf32>) -> tensor<2x4xf32>
  return %2, %6 : tensor<2x4xf32>, tensor<2x4xf32>
}
