// RUN: lq-opt %s -split-input-file -verify-diagnostics

func.func @linear_columns(%x: tensor<1x64xf32>, %w: tensor<8x32xf32>) {
  // expected-error@+1 {{expected dimension 1 of x to be dimension 1 of weight, 32, got 64}}
  %0 = lq.linear %x, %w : (tensor<1x64xf32>, tensor<8x32xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @linear_rows(%x: tensor<1x32xf32>, %w: tensor<8x32xf32>) {
  // expected-error@+1 {{expected dimension 1 of the result to be dimension 0 of weight, 8, got 9}}
  %0 = lq.linear %x, %w : (tensor<1x32xf32>, tensor<8x32xf32>) -> tensor<1x9xf32>
  return
}

// -----

func.func @linear_batch(%x: tensor<2x32xf32>, %w: tensor<8x32xf32>) {
  // expected-error@+1 {{expected dimension 0 of the result to be dimension 0 of x, 2, got 3}}
  %0 = lq.linear %x, %w : (tensor<2x32xf32>, tensor<8x32xf32>) -> tensor<3x8xf32>
  return
}

// -----

func.func @linear_bias(%x: tensor<2x32xf32>, %w: tensor<8x32xf32>, %b: tensor<7xf32>) {
  // expected-error@+1 {{expected dimension 0 of bias to be dimension 1 of the result, 8, got 7}}
  %0 = lq.linear %x, %w bias %b : (tensor<2x32xf32>, tensor<8x32xf32>, tensor<7xf32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @linear_rank(%x: tensor<2x32xf32>, %w: tensor<32xf32>) {
  // expected-error@+1 {{expected weight to have 2 dimensions, got 'tensor<32xf32>'}}
  %0 = lq.linear %x, %w : (tensor<2x32xf32>, tensor<32xf32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @linear_scalar(%x: tensor<f32>, %w: tensor<8x32xf32>) {
  // expected-error@+1 {{expected x to have at least one dimension, got 'tensor<f32>'}}
  %0 = lq.linear %x, %w : (tensor<f32>, tensor<8x32xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @linear_encoded_x(%x: tensor<2x32xf32, #lq.gguf<q8_0>>, %w: tensor<8x32xf32>) {
  // expected-error@+1 {{expected x to be dense or quantized rows, got 'tensor<2x32xf32, #lq.gguf<q8_0>>'}}
  %0 = lq.linear %x, %w : (tensor<2x32xf32, #lq.gguf<q8_0>>, tensor<8x32xf32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @linear_encoded_weight(%x: tensor<2x32xf32>, %w: tensor<8x32xf32, #lq.int8_rows<group = 32>>) {
  // expected-error@+1 {{expected the encoding of weight to be a format}}
  %0 = lq.linear %x, %w : (tensor<2x32xf32>, tensor<8x32xf32, #lq.int8_rows<group = 32>>) -> tensor<2x8xf32>
  return
}

// -----

func.func @linear_integers(%x: tensor<2x32xf32>, %w: tensor<8x32xi8>) {
  // expected-error@+1 {{expected weight to have floating-point elements, got 'tensor<8x32xi8>'}}
  %0 = lq.linear %x, %w : (tensor<2x32xf32>, tensor<8x32xi8>) -> tensor<2x8xf32>
  return
}

// -----

func.func @quantize_rows(%x: tensor<2x32xf32>) {
  // expected-error@+1 {{expected the result to be encoded as #lq.int8_rows, got 'tensor<2x32xf32>'}}
  %0 = lq.quantize_rows %x : tensor<2x32xf32> -> tensor<2x32xf32>
  return
}

// -----

func.func @quantize_rows_shape(%x: tensor<2x32xf32>) {
  // expected-error@+1 {{expected the result to have the shape and element type of x}}
  %0 = lq.quantize_rows %x : tensor<2x32xf32> -> tensor<2x64xf32, #lq.int8_rows<group = 32>>
  return
}

// -----

func.func @embedding_ids(%ids: tensor<2xf32>, %t: tensor<8x32xf32>) {
  // expected-error@+1 {{expected ids to be integers, got 'tensor<2xf32>'}}
  %0 = lq.embedding %ids, %t : (tensor<2xf32>, tensor<8x32xf32>) -> tensor<2x32xf32>
  return
}

// -----

func.func @embedding_rank(%ids: tensor<2xi64>, %t: tensor<8x32xf32>) {
  // expected-error@+1 {{expected the result to have 2 dimensions, got 'tensor<32xf32>'}}
  %0 = lq.embedding %ids, %t : (tensor<2xi64>, tensor<8x32xf32>) -> tensor<32xf32>
  return
}

// -----

func.func @norm_gamma(%x: tensor<2x32xf32>, %g: tensor<16xf32>) {
  // expected-error@+1 {{expected dimension 0 of gamma to be dimension 1 of x, 32, got 16}}
  %0 = lq.rms_norm %x, %g {epsilon = 1.0e-5 : f32} : (tensor<2x32xf32>, tensor<16xf32>) -> tensor<2x32xf32>
  return
}

// -----

func.func @norm_epsilon(%x: tensor<2x32xf32>, %g: tensor<32xf32>) {
  // expected-error@+1 {{expected epsilon to be 0 or more, got -1}}
  %0 = lq.layer_norm %x, %g {epsilon = -1.0 : f32} : (tensor<2x32xf32>, tensor<32xf32>) -> tensor<2x32xf32>
  return
}

// -----

func.func @activation(%x: tensor<2x32xi32>) {
  // expected-error@+1 {{expected x to have floating-point elements, got 'tensor<2x32xi32>'}}
  %0 = lq.activation silu %x : tensor<2x32xi32>
  return
}

// -----

func.func @glu(%x: tensor<2x32xf32, #lq.gguf<q8_0>>) {
  // expected-error@+1 {{expected gate to have no encoding}}
  %0 = lq.glu silu %x, %x : tensor<2x32xf32, #lq.gguf<q8_0>>
  return
}

// -----

func.func @rope_pairs(%x: tensor<1x2x3x64xf32>, %c: tensor<10x33xf32>, %past: index) {
  // expected-error@+1 {{expected at most 32 pairs in heads of 64 elements, got tables of 33}}
  %0 = lq.rope %x, %c, %c at %past : (tensor<1x2x3x64xf32>, tensor<10x33xf32>, tensor<10x33xf32>, index) -> tensor<1x2x3x64xf32>
  return
}

// -----

func.func @rope_tables(%x: tensor<1x2x3x64xf32>, %c: tensor<10x32xf32>, %s: tensor<11x32xf32>, %past: index) {
  // expected-error@+1 {{expected dimension 0 of sin to be dimension 0 of cos, 10, got 11}}
  %0 = lq.rope %x, %c, %s at %past : (tensor<1x2x3x64xf32>, tensor<10x32xf32>, tensor<11x32xf32>, index) -> tensor<1x2x3x64xf32>
  return
}

// -----

lq.cache @keys keys 3 x 64 : f16
func.func @append(%x: tensor<1x2x3x64xf32>, %past: index) {
  // expected-error@+1 {{expected the result to be encoded as #lq.cached, got 'tensor<1x?x3x64xf32>'}}
  %0 = lq.append %x to @keys at %past : tensor<1x2x3x64xf32> -> tensor<1x?x3x64xf32>
  return
}

// -----

lq.cache @keys keys 3 x 64 : f16
func.func @append_heads(%x: tensor<1x2x3x64xf32>, %past: index) {
  // expected-error@+1 {{expected dimension 2 of the result to be dimension 2 of x, 3, got 4}}
  %0 = lq.append %x to @keys at %past : tensor<1x2x3x64xf32> -> tensor<1x?x4x64xf32, #lq.cached>
  return
}

// -----

func.func @attention_heads(%q: tensor<1x2x5x64xf32>, %k: tensor<1x2x3x64xf32>) {
  // expected-error@+1 {{expected the heads of k to divide the 5 heads of q, got 3}}
  %0 = lq.attention %q, %k, %k {scale = 1.0 : f32} : (tensor<1x2x5x64xf32>, tensor<1x2x3x64xf32>, tensor<1x2x3x64xf32>) -> tensor<1x2x5x64xf32>
  return
}

// -----

func.func @attention_head_size(%q: tensor<1x2x6x32xf32>, %k: tensor<1x2x3x64xf32>) {
  // expected-error@+1 {{expected dimension 3 of k to be dimension 3 of q, 32, got 64}}
  %0 = lq.attention %q, %k, %k {scale = 1.0 : f32} : (tensor<1x2x6x32xf32>, tensor<1x2x3x64xf32>, tensor<1x2x3x64xf32>) -> tensor<1x2x6x32xf32>
  return
}

// -----

func.func @attention_mask(%q: tensor<1x2x6x64xf32>, %k: tensor<1x7x3x64xf32>, %m: tensor<1x1x2x8xf32>) {
  // expected-error@+1 {{expected mask to broadcast to [batch, heads, rows, positions], got 'tensor<1x1x2x8xf32>'}}
  %0 = lq.attention %q, %k, %k mask %m {scale = 1.0 : f32} : (tensor<1x2x6x64xf32>, tensor<1x7x3x64xf32>, tensor<1x7x3x64xf32>, tensor<1x1x2x8xf32>) -> tensor<1x2x6x64xf32>
  return
}

// -----

func.func @attention_scale(%q: tensor<1x2x6x64xf32>, %k: tensor<1x7x3x64xf32>) {
  // expected-error@+1 {{expected a finite scale}}
  %0 = lq.attention %q, %k, %k {scale = 0x7F800000 : f32} : (tensor<1x2x6x64xf32>, tensor<1x7x3x64xf32>, tensor<1x7x3x64xf32>) -> tensor<1x2x6x64xf32>
  return
}

// -----

func.func @attention_window(%q: tensor<1x2x6x64xf32>, %k: tensor<1x7x3x64xf32>, %past: index) {
  // expected-error@+1 {{expected a window of at least one position, got 0}}
  %0 = lq.attention %q, %k, %k causal from %past {scale = 1.0 : f32, window = 0 : i64} : (tensor<1x2x6x64xf32>, tensor<1x7x3x64xf32>, tensor<1x7x3x64xf32>, index) -> tensor<1x2x6x64xf32>
  return
}

// -----

func.func @attention_window_not_causal(%q: tensor<1x2x6x64xf32>, %k: tensor<1x7x3x64xf32>) {
  // expected-error@+1 {{expected an attention with a window to be causal}}
  %0 = lq.attention %q, %k, %k {scale = 1.0 : f32, window = 4 : i64} : (tensor<1x2x6x64xf32>, tensor<1x7x3x64xf32>, tensor<1x7x3x64xf32>) -> tensor<1x2x6x64xf32>
  return
}

// -----

func.func @attention_keys(%q: tensor<1x2x3x64xf32>, %k: tensor<1x2x3x64xf32, #lq.int8_rows<group = 32>>) {
  // expected-error@+1 {{expected k to be dense or cached}}
  %0 = lq.attention %q, %k, %k {scale = 1.0 : f32} : (tensor<1x2x3x64xf32>, tensor<1x2x3x64xf32, #lq.int8_rows<group = 32>>, tensor<1x2x3x64xf32, #lq.int8_rows<group = 32>>) -> tensor<1x2x3x64xf32>
  return
}

// -----

func.func @permute_columns(%x: tensor<1x?x64xf32>, %order: tensor<32xi32>) {
  // expected-error@+1 {{expected dimension 0 of order to be dimension 2 of x, 64, got 32}}
  %0 = lq.permute %x by %order : (tensor<1x?x64xf32>, tensor<32xi32>) -> tensor<1x?x64xf32>
  return
}

// -----

func.func @permute_numbers(%x: tensor<1x?x64xf32>, %order: tensor<64xi64>) {
  // expected-error@+1 {{expected order to have i32 elements, got 'tensor<64xi64>'}}
  %0 = lq.permute %x by %order : (tensor<1x?x64xf32>, tensor<64xi64>) -> tensor<1x?x64xf32>
  return
}

// -----

func.func @quantize_in_order(%x: tensor<1x64xf32>, %order: tensor<1x64xi32>) {
  // expected-error@+1 {{expected order to have 1 dimension, got 'tensor<1x64xi32>'}}
  %0 = lq.quantize_rows %x by %order : tensor<1x64xf32>, tensor<1x64xi32> -> tensor<1x64xf32, #lq.int8_rows<group = 32>>
  return
}
