// RUN: rm -rf %t && mkdir %t && %python -c "import numpy as np; w = np.ones(1024, np.float32); w[133] = np.nan; w.tofile('%t/w.bin')"
// RUN: cp %s %t/model.mlir
// RUN: lq-opt %t/model.mlir --lq-rotate=archive=%t/rotated.bin -split-input-file -verify-diagnostics -o /dev/null
// RUN: not ls %t/rotated.bin

// A layer norm subtracts a mean. Errors without a place are expected once for all parts.
// expected-error@unknown {{nothing can be rotated: no values are written and read by linears alone}}
lq.weight @table : tensor<16x8xf32> from "w.bin" at 0
lq.weight @gamma : tensor<8xf32> from "w.bin" at 0
lq.weight @up : tensor<8x8xf32> from "w.bin" at 0
func.func @layer_norm(%ids: tensor<4xi64>) -> tensor<4x8xf32> {
  %table = lq.get @table : tensor<16x8xf32>
  %gamma = lq.get @gamma : tensor<8xf32>
  %up = lq.get @up : tensor<8x8xf32>
  %0 = lq.embedding %ids, %table : (tensor<4xi64>, tensor<16x8xf32>) -> tensor<4x8xf32>
  %1 = arith.addf %0, %0 : tensor<4x8xf32>
  // expected-remark@+1 {{a residual stream of size 8 cannot be rotated: a layer norm subtracts the mean of the elements}}
  %2 = lq.layer_norm %1, %gamma {epsilon = 1.0e-5 : f32} : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  %3 = lq.linear %2, %up : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  return %3 : tensor<4x8xf32>
}

// -----

// A norm whose result is added, as behind the layers of Gemma 3.
lq.weight @table : tensor<16x8xf32> from "w.bin" at 0
lq.weight @gamma : tensor<8xf32> from "w.bin" at 0
lq.weight @up : tensor<8x8xf32> from "w.bin" at 0
func.func @norm_is_added(%ids: tensor<4xi64>) -> tensor<4x8xf32> {
  %table = lq.get @table : tensor<16x8xf32>
  %gamma = lq.get @gamma : tensor<8xf32>
  %up = lq.get @up : tensor<8x8xf32>
  %0 = lq.embedding %ids, %table : (tensor<4xi64>, tensor<16x8xf32>) -> tensor<4x8xf32>
  %1 = lq.rms_norm %0, %gamma {epsilon = 1.0e-5 : f32} : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  // expected-remark@+1 {{a residual stream of size 8 cannot be rotated: the result of an RMS norm is added, so that its gamma cannot move into the weights behind it}}
  %2 = arith.addf %0, %1 : tensor<4x8xf32>
  %3 = lq.linear %2, %up : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  return %3 : tensor<4x8xf32>
}

// -----

lq.weight @table : tensor<16x32xf32, #lq.gguf<q8_0>> from "w.bin" at 0
lq.weight @up : tensor<8x32xf32> from "w.bin" at 0
func.func @quantized(%ids: tensor<4xi64>) -> tensor<4x8xf32> {
  %table = lq.get @table : tensor<16x32xf32, #lq.gguf<q8_0>>
  %up = lq.get @up : tensor<8x32xf32>
  // expected-remark@+1 {{weight @table is quantized already; rotate before quantizing}}
  %0 = lq.embedding %ids, %table : (tensor<4xi64>, tensor<16x32xf32, #lq.gguf<q8_0>>) -> tensor<4x32xf32>
  %1 = arith.addf %0, %0 : tensor<4x32xf32>
  %2 = lq.linear %1, %up : (tensor<4x32xf32>, tensor<8x32xf32>) -> tensor<4x8xf32>
  return %2 : tensor<4x8xf32>
}

// -----

// A weight of the model that is added is nothing that could be rotated, nor is what the
// model is given.
lq.weight @places : tensor<4x8xf32> from "w.bin" at 0
lq.weight @up : tensor<8x8xf32> from "w.bin" at 0
// expected-remark@+1 {{a residual stream of size 8 cannot be rotated: it is an input of the model}}
func.func @given(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  // expected-remark@+1 {{a weight is read as it is}}
  %places = lq.get @places : tensor<4x8xf32>
  %up = lq.get @up : tensor<8x8xf32>
  %0 = lq.linear %x, %up : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %1 = arith.addf %0, %places : tensor<4x8xf32>
  %2 = lq.linear %1, %up : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %3 = arith.addf %y, %y : tensor<4x8xf32>
  %4 = lq.linear %3, %up : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  return %2, %4 : tensor<4x8xf32>, tensor<4x8xf32>
}

// -----

lq.weight @table : tensor<16x8xf32> from "w.bin" at 0
// expected-error@+1 {{weight @up is not finite at element 5, which a rotation would spread; repair the model}}
lq.weight @up : tensor<8x8xf32> from "w.bin" at 512
func.func @nan(%ids: tensor<4xi64>) -> tensor<4x8xf32> {
  %table = lq.get @table : tensor<16x8xf32>
  %up = lq.get @up : tensor<8x8xf32>
  %0 = lq.embedding %ids, %table : (tensor<4xi64>, tensor<16x8xf32>) -> tensor<4x8xf32>
  %1 = lq.linear %0, %up : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}
