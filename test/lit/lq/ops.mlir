// RUN: lq-opt %s | lq-opt | FileCheck %s
// RUN: lq-opt %s -emit-bytecode | lq-opt | FileCheck %s

// CHECK: lq.weight @blk.0.q : tensor<96x64xf32, #lq.gguf<q4_0>> from "model.weights" at 4096
lq.weight @blk.0.q : tensor<96x64xf32, #lq.gguf<q4_0>> from "model.weights" at 4096
// CHECK: lq.weight @blk.0.k : tensor<96x64xbf16> from "model.onnx" at 0 transposed
lq.weight @blk.0.k : tensor<96x64xbf16> from "model.onnx" at 0 transposed
// CHECK: lq.weight @tiles : tensor<96x64xf32, #lq.tiled<#lq.gguf<q8_0>>> from "a b\22" at 7
lq.weight @tiles : tensor<96x64xf32, #lq.tiled<#lq.gguf<q8_0>>> from "a b\22" at 7
// CHECK: lq.weight @half : tensor<96x64xf32, #lq.float<f16>> from "model.weights" at 0
lq.weight @half : tensor<96x64xf32, #lq.float<f16>> from "model.weights" at 0
// CHECK: lq.weight @table : tensor<128x64xf32, #lq.tiled<#lq.float<f32>>> from "model.weights" at 0
lq.weight @table : tensor<128x64xf32, #lq.tiled<#lq.float<f32>>> from "model.weights" at 0
// CHECK: lq.weight @vector : tensor<64xf32> from "model.weights" at 0 {kept = "as it is"}
lq.weight @vector : tensor<64xf32> from "model.weights" at 0 {kept = "as it is"}
// CHECK: lq.weight @bias : tensor<96xf32>
lq.weight @bias : tensor<96xf32> from "model.weights" at 0
// CHECK: lq.weight @scalar : tensor<i64> from "model.weights" at 0
lq.weight @scalar : tensor<i64> from "model.weights" at 0
// CHECK: lq.weight @bits : tensor<3x5x7xi4>
lq.weight @bits : tensor<3x5x7xi4> from "model.weights" at 0
// CHECK: lq.cache @blk.0.keys keys 3 x 64 : f16
lq.cache @blk.0.keys keys 3 x 64 : f16
// CHECK: lq.cache @blk.0.values values 3 x 32 : f32
lq.cache @blk.0.values values 3 x 32 : f32
// CHECK: lq.dimension @sequence max 512
lq.dimension @sequence max 512

// CHECK-LABEL: @weights
func.func @weights(%x: tensor<1x?x64xf32>, %ids: tensor<1x?xi64>) {
  // CHECK: lq.get @blk.0.q : tensor<96x64xf32, #lq.gguf<q4_0>>
  %q = lq.get @blk.0.q : tensor<96x64xf32, #lq.gguf<q4_0>>
  %bias = lq.get @bias : tensor<96xf32>
  %table = lq.get @table : tensor<128x64xf32, #lq.tiled<#lq.float<f32>>>
  // CHECK: lq.linear %{{.*}}, %{{.*}} : (tensor<1x?x64xf32>, tensor<96x64xf32, #lq.gguf<q4_0>>) -> tensor<1x?x96xf32>
  %0 = lq.linear %x, %q : (tensor<1x?x64xf32>, tensor<96x64xf32, #lq.gguf<q4_0>>) -> tensor<1x?x96xf32>
  // CHECK: lq.quantize_rows %{{.*}} : tensor<1x?x64xf32> -> tensor<1x?x64xf32, #lq.int8_rows<group = 32>>
  %rows = lq.quantize_rows %x : tensor<1x?x64xf32> -> tensor<1x?x64xf32, #lq.int8_rows<group = 32>>
  // CHECK: lq.linear %{{.*}}, %{{.*}} bias %{{.*}} : (
  %1 = lq.linear %rows, %q bias %bias : (tensor<1x?x64xf32, #lq.int8_rows<group = 32>>, tensor<96x64xf32, #lq.gguf<q4_0>>, tensor<96xf32>) -> tensor<1x?x96xf32>
  // CHECK: lq.embedding %{{.*}}, %{{.*}} : (tensor<1x?xi64>, tensor<128x64xf32, #lq.tiled<#lq.float<f32>>>) -> tensor<1x?x64xf32>
  %2 = lq.embedding %ids, %table : (tensor<1x?xi64>, tensor<128x64xf32, #lq.tiled<#lq.float<f32>>>) -> tensor<1x?x64xf32>
  return
}

// CHECK-LABEL: @norms
func.func @norms(%x: tensor<1x?x64xf32>) {
  %v = lq.get @vector : tensor<64xf32>
  // CHECK: lq.rms_norm %{{.*}}, %{{.*}} {epsilon = 9.99999974E-6 : f32}
  %0 = lq.rms_norm %x, %v {epsilon = 1.0e-5 : f32} : (tensor<1x?x64xf32>, tensor<64xf32>) -> tensor<1x?x64xf32>
  // CHECK: lq.layer_norm %{{.*}}, %{{.*}}, %{{.*}} {epsilon
  %1 = lq.layer_norm %x, %v, %v {epsilon = 1.0e-5 : f32} : (tensor<1x?x64xf32>, tensor<64xf32>, tensor<64xf32>) -> tensor<1x?x64xf32>
  // CHECK: lq.layer_norm %{{.*}}, %{{.*}} {epsilon
  %2 = lq.layer_norm %x, %v {epsilon = 0.0 : f32} : (tensor<1x?x64xf32>, tensor<64xf32>) -> tensor<1x?x64xf32>
  // CHECK: lq.activation gelu_tanh %{{.*}} : tensor<1x?x64xf32>
  %3 = lq.activation gelu_tanh %2 : tensor<1x?x64xf32>
  // CHECK: lq.glu silu %{{.*}}, %{{.*}} : tensor<1x?x64xf32>
  %4 = lq.glu silu %2, %3 : tensor<1x?x64xf32>
  return
}

// CHECK-LABEL: @attention
func.func @attention(%q: tensor<1x?x6x64xf32>, %k: tensor<1x?x3x64xf32>, %v: tensor<1x?x3x32xf32>,
                     %mask: tensor<1x1x?x?xf32>, %cos: tensor<2048x32xf32>) {
  // CHECK: lq.extent @sequence
  %past = lq.extent @sequence
  // CHECK: lq.rope %{{.*}}, %{{.*}}, %{{.*}} at %{{.*}} : (
  %0 = lq.rope %q, %cos, %cos at %past : (tensor<1x?x6x64xf32>, tensor<2048x32xf32>, tensor<2048x32xf32>, index) -> tensor<1x?x6x64xf32>
  // CHECK: lq.rope %{{.*}} {interleaved} : (
  %1 = lq.rope %q, %cos, %cos at %past {interleaved} : (tensor<1x?x6x64xf32>, tensor<2048x32xf32>, tensor<2048x32xf32>, index) -> tensor<1x?x6x64xf32>
  // CHECK: lq.append %{{.*}} to @blk.0.keys at %{{.*}} : tensor<1x?x3x64xf32> -> tensor<1x?x3x64xf32, #lq.cached>
  %keys = lq.append %k to @blk.0.keys at %past : tensor<1x?x3x64xf32> -> tensor<1x?x3x64xf32, #lq.cached>
  %values = lq.append %v to @blk.0.values at %past : tensor<1x?x3x32xf32> -> tensor<1x?x3x32xf32, #lq.cached>
  // CHECK: lq.attention %{{.*}}, %{{.*}}, %{{.*}} causal from %{{.*}} {scale = 1.250000e-01 : f32}
  %2 = lq.attention %q, %keys, %values causal from %past {scale = 0.125 : f32} : (tensor<1x?x6x64xf32>, tensor<1x?x3x64xf32, #lq.cached>, tensor<1x?x3x32xf32, #lq.cached>, index) -> tensor<1x?x6x32xf32>
  // CHECK: lq.attention %{{.*}}, %{{.*}}, %{{.*}} causal from %{{.*}} {scale = 1.250000e-01 : f32, window = 512 : i64}
  %4 = lq.attention %q, %keys, %values causal from %past {scale = 0.125 : f32, window = 512 : i64} : (tensor<1x?x6x64xf32>, tensor<1x?x3x64xf32, #lq.cached>, tensor<1x?x3x32xf32, #lq.cached>, index) -> tensor<1x?x6x32xf32>
  // CHECK: lq.attention %{{.*}}, %{{.*}}, %{{.*}} mask %{{.*}} {scale
  %3 = lq.attention %q, %k, %v mask %mask {scale = 0.125 : f32} : (tensor<1x?x6x64xf32>, tensor<1x?x3x64xf32>, tensor<1x?x3x32xf32>, tensor<1x1x?x?xf32>) -> tensor<1x?x6x32xf32>
  return
}

// CHECK-LABEL: @orders
func.func @orders(%x: tensor<1x?x64xf32>, %order: tensor<64xi32>) {
  // CHECK: lq.permute %{{.*}} by %{{.*}} : (tensor<1x?x64xf32>, tensor<64xi32>) -> tensor<1x?x64xf32>
  %0 = lq.permute %x by %order : (tensor<1x?x64xf32>, tensor<64xi32>) -> tensor<1x?x64xf32>
  // CHECK: lq.quantize_rows %{{.*}} by %{{.*}} : tensor<1x?x64xf32>, tensor<64xi32> -> tensor<1x?x64xf32, #lq.int8_rows<group = 32>>
  %1 = lq.quantize_rows %x by %order : tensor<1x?x64xf32>, tensor<64xi32> -> tensor<1x?x64xf32, #lq.int8_rows<group = 32>>
  return
}

// Reading a weight has no effect: an unused read can go.
// CHECK-LABEL: @scalars
func.func @scalars() -> tensor<i64> {
  // CHECK: lq.get @scalar : tensor<i64>
  %0 = lq.get @scalar : tensor<i64>
  return %0 : tensor<i64>
}
