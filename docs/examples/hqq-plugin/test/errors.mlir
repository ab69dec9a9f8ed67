// RUN: rm -rf %t && mkdir %t && cp %s %t/model.mlir
// RUN: %python -c "import numpy as np; np.ones(64 * 96, np.float32).tofile('%t/w.bin')"
// RUN: not %lq-opt %t/model.mlir --pass-pipeline='builtin.module(hqq{format=q4_0 archive=%t/a.bin})' 2>&1 | FileCheck --check-prefix=FORMAT %s
// RUN: not %lq-opt %t/model.mlir --pass-pipeline='builtin.module(hqq{format=q4_1 archive=%t/a.bin norm=0})' 2>&1 | FileCheck --check-prefix=NORM %s
// RUN: not %lq-opt %t/model.mlir --pass-pipeline='builtin.module(hqq{format=q4_1})' 2>&1 | FileCheck --check-prefix=ARCHIVE %s
// RUN: not ls %t/a.bin
// FORMAT: error: weight @w: q4_0 has no offset to search for; choose a format with a scale and an offset a group
// NORM: error: option norm: expected a number above 0 and at most 1
// ARCHIVE: error: option archive
lq.weight @w : tensor<64x96xf32> from "w.bin" at 0
func.func @main(%x: tensor<1x96xf32>) -> tensor<1x64xf32> {
  %w = lq.get @w : tensor<64x96xf32>
  %y = lq.linear %x, %w : (tensor<1x96xf32>, tensor<64x96xf32>) -> tensor<1x64xf32>
  return %y : tensor<1x64xf32>
}
