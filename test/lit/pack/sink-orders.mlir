// RUN: rm -rf %t && mkdir %t && %python -c "import numpy as np; w = np.arange(192, dtype=np.float32); np.concatenate([w, np.arange(8)]).astype(np.float32).tofile('%t/w.bin'); np.array([2, 0, 3, 1, 5, 4, 7, 6], np.int32).tofile('%t/order.bin'); np.array([2, 0, 3, 1, 5, 4, 7, 7], np.int32).tofile('%t/twice.bin')"
// RUN: cp %s %t/model.mlir
// RUN: lq-opt %t/model.mlir --lq-sink-orders=archive=%t/sunk.bin -split-input-file -verify-diagnostics -o - | FileCheck %s
// RUN: %python -c "import numpy as np; w = np.fromfile('%t/sunk.bin', np.float32); o = [2, 0, 3, 1, 5, 4, 7, 6]; r = np.arange(32).reshape(8, 4); assert (w[:32] == r[o].ravel()).all(), w[:32]; assert (w[32:64] == np.arange(32).reshape(4, 8).T[o].ravel()).all(), w[32:64]; assert (w[64:72] == o).all(), w"
// RUN: not lq-opt %t/model.mlir --lq-sink-orders -split-input-file 2>&1 | FileCheck --check-prefix=OPTION %s
// OPTION: option archive: the file to write reordered weights to is required

// Rows of what makes the input take the order, biases and transposed weights too.
// CHECK-LABEL: @gated
// CHECK-NOT: lq.permute
lq.weight @gate : tensor<8x4xf32> from "w.bin" at 0
lq.weight @up : tensor<8x4xf32> from "w.bin" at 0 transposed
lq.weight @up_bias : tensor<8xf32> from "w.bin" at 768
lq.weight @down : tensor<4x8xf32> from "w.bin" at 0
lq.weight @order : tensor<8xi32> from "order.bin" at 0
func.func @gated(%x: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %g = lq.get @gate : tensor<8x4xf32>
  %u = lq.get @up : tensor<8x4xf32>
  %b = lq.get @up_bias : tensor<8xf32>
  %d = lq.get @down : tensor<4x8xf32>
  %o = lq.get @order : tensor<8xi32>
  %0 = lq.linear %x, %g : (tensor<1x4xf32>, tensor<8x4xf32>) -> tensor<1x8xf32>
  %1 = lq.linear %x, %u bias %b : (tensor<1x4xf32>, tensor<8x4xf32>, tensor<8xf32>) -> tensor<1x8xf32>
  %2 = lq.glu silu %0, %1 : tensor<1x8xf32>
  %3 = lq.permute %2 by %o : (tensor<1x8xf32>, tensor<8xi32>) -> tensor<1x8xf32>
  %4 = lq.linear %3, %d : (tensor<1x8xf32>, tensor<4x8xf32>) -> tensor<1x4xf32>
  return %4 : tensor<1x4xf32>
}

// -----

// An input that something else reads too, or that no linear makes, keeps its order.
// CHECK-LABEL: @kept
// CHECK-COUNT-2: lq.permute
lq.weight @first : tensor<8x4xf32> from "w.bin" at 0
lq.weight @second : tensor<4x8xf32> from "w.bin" at 0
lq.weight @order : tensor<8xi32> from "order.bin" at 0
func.func @kept(%x: tensor<1x4xf32>, %y: tensor<1x8xf32>) -> (tensor<1x8xf32>, tensor<1x4xf32>, tensor<1x4xf32>) {
  %f = lq.get @first : tensor<8x4xf32>
  %s = lq.get @second : tensor<4x8xf32>
  %o = lq.get @order : tensor<8xi32>
  %0 = lq.linear %x, %f : (tensor<1x4xf32>, tensor<8x4xf32>) -> tensor<1x8xf32>
  %1 = lq.permute %0 by %o : (tensor<1x8xf32>, tensor<8xi32>) -> tensor<1x8xf32>
  %2 = lq.linear %1, %s : (tensor<1x8xf32>, tensor<4x8xf32>) -> tensor<1x4xf32>
  %3 = lq.permute %y by %o : (tensor<1x8xf32>, tensor<8xi32>) -> tensor<1x8xf32>
  %4 = lq.linear %3, %s : (tensor<1x8xf32>, tensor<4x8xf32>) -> tensor<1x4xf32>
  return %0, %2, %4 : tensor<1x8xf32>, tensor<1x4xf32>, tensor<1x4xf32>
}

// -----

lq.weight @first : tensor<8x4xf32> from "w.bin" at 0
lq.weight @second : tensor<4x8xf32> from "w.bin" at 0
// expected-error@+1 {{weight @order is no permutation of 8 columns: it holds 7 twice}}
lq.weight @order : tensor<8xi32> from "twice.bin" at 0
func.func @no_permutation(%x: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %f = lq.get @first : tensor<8x4xf32>
  %s = lq.get @second : tensor<4x8xf32>
  %o = lq.get @order : tensor<8xi32>
  %0 = lq.linear %x, %f : (tensor<1x4xf32>, tensor<8x4xf32>) -> tensor<1x8xf32>
  %1 = lq.permute %0 by %o : (tensor<1x8xf32>, tensor<8xi32>) -> tensor<1x8xf32>
  %2 = lq.linear %1, %s : (tensor<1x8xf32>, tensor<4x8xf32>) -> tensor<1x4xf32>
  return %2 : tensor<1x4xf32>
}
