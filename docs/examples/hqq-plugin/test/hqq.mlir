// Weights with heavy tails: the sum |error|^0.7 is smaller than by rounding to nearest, and
// larger in no group.

// RUN: rm -rf %t && mkdir %t && cp %s %t/model.mlir
// RUN: %python -c "import numpy as np; np.random.default_rng(1).standard_t(4, 64 * 96).astype(np.float32).tofile('%t/w.bin')"
// RUN: %lq-opt %t/model.mlir --pass-pipeline='builtin.module(hqq{format=q4_1 archive=%t/hqq.bin})' | FileCheck %s
// RUN: %lq-opt %t/model.mlir --lq-quantize-rtn='format=q4_1 archive=%t/rtn.bin' -o %t/rtn.mlir
// RUN: %python %S/compare.py %t/w.bin %t/rtn.bin %t/hqq.bin

// CHECK: lq.weight @w : tensor<64x96xf32, #lq.gguf<q4_1>> from "hqq.bin" at 0
lq.weight @w : tensor<64x96xf32> from "w.bin" at 0
// CHECK: lq.linear {{.*}} tensor<64x96xf32, #lq.gguf<q4_1>>
func.func @main(%x: tensor<1x96xf32>) -> tensor<1x64xf32> {
  %w = lq.get @w : tensor<64x96xf32>
  %y = lq.linear %x, %w : (tensor<1x96xf32>, tensor<64x96xf32>) -> tensor<1x64xf32>
  return %y : tensor<1x64xf32>
}

// Formats with integer zero points are refined too, and excluded weights stay.
// RUN: %lq-opt %t/model.mlir --pass-pipeline='builtin.module(hqq{format=uint4_g32 archive=%t/zeros.bin iterations=5 norm=0.5})' | FileCheck --check-prefix=ZEROS %s
// ZEROS: lq.weight @w : tensor<64x96xf32, #lq.uniform<bits = 4, group = 32, zero_points>> from "zeros.bin"
// RUN: %lq-opt %t/model.mlir --pass-pipeline='builtin.module(hqq{format=q4_1 archive=%t/none.bin exclude=w})' | FileCheck --check-prefix=NONE %s
// NONE: lq.weight @w : tensor<64x96xf32> from "w.bin"
