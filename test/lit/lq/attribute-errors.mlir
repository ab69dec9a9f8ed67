// RUN: lq-opt %s -split-input-file -verify-diagnostics

// expected-error@+1 {{unknown GGUF format 'q9_9', expected one of q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs, mxfp4}}
func.func private @format() -> tensor<32x32xf32, #lq.gguf<q9_9>>

// -----

// expected-error@+1 {{unknown number type 'f8', expected one of f32, f16, bf16}}
func.func private @number() -> tensor<32x32xf32, #lq.float<f8>>

// -----

// expected-error@+1 {{expected '<'}}
func.func private @bare() -> tensor<32x32xf32, #lq.gguf>

// -----

// expected-error@+1 {{cannot encode 33 columns as q4_0: columns must be a multiple of the block of 32}}
func.func private @columns() -> tensor<32x33xf32, #lq.gguf<q4_0>>

// -----

// expected-error@+1 {{cannot encode 384 columns as q4_k: columns must be a multiple of the block of 256}}
func.func private @not_whole_super_blocks() -> tensor<32x384xf32, #lq.gguf<q4_k>>

// -----

// expected-error@+1 {{expected a matrix of known size to be encoded as q8_0}}
func.func private @rank() -> tensor<32xf32, #lq.gguf<q8_0>>

// -----

// expected-error@+1 {{expected a matrix of known size to be encoded as f16}}
func.func private @dynamic() -> tensor<?x32xf32, #lq.float<f16>>

// -----

// expected-error@+1 {{expected floating-point elements to be encoded as q8_0, got 'i32'}}
func.func private @integers() -> tensor<32x32xi32, #lq.gguf<q8_0>>

// -----

// expected-error@+1 {{cannot encode 40 columns as q8_0: columns must be a multiple of the block of 32}}
func.func private @tiled() -> tensor<32x40xf32, #lq.tiled<#lq.gguf<q8_0>>>

// -----

// expected-error@+1 {{expected a weight format, got #lq.cached}}
func.func private @not_a_format() -> tensor<32x32xf32, #lq.tiled<#lq.cached>>

// -----

// expected-error@+1 {{expected a positive, even group, got 0}}
func.func private @group() -> tensor<1x32xf32, #lq.int8_rows<group = 0>>

// -----

// expected-error@+1 {{expected the group 32 to divide the last dimension}}
func.func private @group_of_last() -> tensor<1x40xf32, #lq.int8_rows<group = 32>>

// -----

// expected-error@+1 {{expected quantized rows to stand for floating-point elements, got 'i8'}}
func.func private @rows_of_integers() -> tensor<1x32xi8, #lq.int8_rows<group = 32>>

// -----

// expected-error@+1 {{expected a cached tensor to be [1, positions, heads, head_size] with known heads and head_size}}
func.func private @cached() -> tensor<1x?x?x64xf32, #lq.cached>

// -----

// expected-error@+1 {{expected a cached tensor to have floating-point elements, got 'i64'}}
func.func private @cached_integers() -> tensor<1x?x3x64xi64, #lq.cached>
