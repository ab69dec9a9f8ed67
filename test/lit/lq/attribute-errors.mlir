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

// -----

// expected-error@+1 {{expected codes of 2, 3, 4, 5, 6 or 8 bits, got 7}}
func.func private @mixed_bits() -> tensor<32x64xf32, #lq.exl2<7 x 64 group 32>>

// -----

// expected-error@+1 {{expected the bits of runs to fall, got 6 after 4}}
func.func private @mixed_rising() -> tensor<32x64xf32, #lq.exl2<4 x 32 group 32, 6 x 32 group 32>>

// -----

// expected-error@+1 {{expected groups of 4-bit codes to be a multiple of 32 columns, got 48}}
func.func private @mixed_group() -> tensor<32x96xf32, #lq.exl2<4 x 96 group 48>>

// -----

// expected-error@+1 {{expected a run of 4-bit codes to be a multiple of 32 columns, got 40}}
func.func private @mixed_run() -> tensor<32x40xf32, #lq.exl2<4 x 40 group 32>>

// -----

// expected-error@+1 {{expected a run to have columns, got 0}}
func.func private @mixed_rest() -> tensor<32x64xf32, #lq.exl2<6 x 32 group 32, 4 group 32>>

// -----

// expected-error@+1 {{expected a run to have columns, got -32}}
func.func private @mixed_negative() -> tensor<32x64xf32, #lq.exl2<6 x -32 group 32>>

// -----

// expected-error@+1 {{cannot encode 128 columns as exl2_6x32_g32_4x32_g32: its runs make up 64 columns}}
func.func private @mixed_columns() -> tensor<32x128xf32, #lq.exl2<6 x 32 group 32, 4 x 32 group 32>>

// -----

// expected-error@+1 {{cannot encode 40 columns as exl2_4_g32: it takes a multiple of 32 columns}}
func.func private @uniform_columns() -> tensor<32x40xf32, #lq.exl2<4 group 32>>

// -----

// expected-error@+1 {{no tiles hold exl2_2x48_g16_2x16_g16: columns must be a multiple of 32}}
func.func private @mixed_tiles() -> tensor<32x64xf32, #lq.tiled<#lq.exl2<2 x 48 group 16, 2 x 16 group 16>>>
