// RUN: lq-opt %s -split-input-file -verify-diagnostics

// expected-error@+1 {{expected a weight of known size, got 'tensor<?x4xf32>'}}
lq.weight @dynamic : tensor<?x4xf32> from "file" at 0

// -----

// expected-error@+1 {{expected the encoding of a weight to be a format, got #lq.int8_rows<group = 32>}}
lq.weight @encoding : tensor<32x32xf32, #lq.int8_rows<group = 32>> from "file" at 0

// -----

// expected-error@+1 {{no storage for 'tensor<4xindex>'}}
lq.weight @index : tensor<4xindex> from "file" at 0

// -----

// expected-error@+1 {{no storage for 'tensor<4611686018427387904x4xf32>'}}
lq.weight @overflow : tensor<4611686018427387904x4xf32> from "file" at 0

// -----

// expected-error@+1 {{expected the name of a file}}
lq.weight @file : tensor<4xf32> from "" at 0

// -----

// expected-error@+1 {{expected an offset of 0 or more, got -1}}
lq.weight @offset : tensor<4xf32> from "file" at -1

// -----

// expected-error@+1 {{expected integer value}}
lq.weight @offset : tensor<4xf32> from "file" at start

// -----

// expected-error@+1 {{only a matrix of floating-point elements without encoding can be transposed}}
lq.weight @vector : tensor<4xf32> from "file" at 0 transposed

// -----

// expected-error@+1 {{only a matrix of floating-point elements without encoding can be transposed}}
lq.weight @encoded : tensor<4x32xf32, #lq.gguf<q8_0>> from "file" at 0 transposed

// -----

// expected-error@+1 {{only a matrix of floating-point elements without encoding can be transposed}}
lq.weight @integers : tensor<4x32xi32> from "file" at 0 transposed

// -----

// expected-error@+1 {{expected at least one head of at least one element, got 0 x 64}}
lq.cache @cache keys 0 x 64 : f16

// -----

// expected-error@+1 {{expected 'x'}}
lq.cache @cache keys 3, 64 : f16

// -----

// expected-error@+1 {{expected an upper bound of 0 or more, got -5}}
lq.dimension @sequence max -5

// -----

func.func @get() {
  // expected-error@+1 {{unknown weight @nothing}}
  %0 = lq.get @nothing : tensor<4xf32>
  return
}

// -----

// expected-note@+1 {{it is this}}
lq.dimension @sequence max 5
func.func @get() {
  // expected-error@+1 {{expected @sequence to be a weight}}
  %0 = lq.get @sequence : tensor<4xf32>
  return
}

// -----

// expected-note@+1 {{the weight is here}}
lq.weight @w : tensor<4xf32> from "file" at 0
func.func @get() {
  // expected-error@+1 {{expected the type of the weight, 'tensor<4xf32>', got 'tensor<5xf32>'}}
  %0 = lq.get @w : tensor<5xf32>
  return
}

// -----

func.func @extent() {
  // expected-error@+1 {{unknown dimension @sequence}}
  %0 = lq.extent @sequence
  return
}

// -----

func.func @append(%x: tensor<1x?x3x64xf32>, %past: index) {
  // expected-error@+1 {{unknown cache @keys}}
  %0 = lq.append %x to @keys at %past : tensor<1x?x3x64xf32> -> tensor<1x?x3x64xf32, #lq.cached>
  return
}

// -----

// expected-note@+1 {{the cache is here}}
lq.cache @keys keys 4 x 64 : f16
func.func @append(%x: tensor<1x?x3x64xf32>, %past: index) {
  // expected-error@+1 {{expected 4 x 64 elements a position, got 'tensor<1x?x3x64xf32>'}}
  %0 = lq.append %x to @keys at %past : tensor<1x?x3x64xf32> -> tensor<1x?x3x64xf32, #lq.cached>
  return
}
