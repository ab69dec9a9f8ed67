// RUN: lq-opt %s | lq-opt | FileCheck %s

// Every encoding of a weight is printed as it is parsed.

// CHECK: tensor<16x256xf32, #lq.gguf<q4_0>>
func.func private @q4_0() -> tensor<16x256xf32, #lq.gguf<q4_0>>
// CHECK: tensor<16x256xf32, #lq.gguf<q4_1>>
func.func private @q4_1() -> tensor<16x256xf32, #lq.gguf<q4_1>>
// CHECK: tensor<16x256xf32, #lq.gguf<q5_0>>
func.func private @q5_0() -> tensor<16x256xf32, #lq.gguf<q5_0>>
// CHECK: tensor<16x256xf32, #lq.gguf<q5_1>>
func.func private @q5_1() -> tensor<16x256xf32, #lq.gguf<q5_1>>
// CHECK: tensor<16x256xf32, #lq.gguf<q8_0>>
func.func private @q8_0() -> tensor<16x256xf32, #lq.gguf<q8_0>>
// CHECK: tensor<16x256xf32, #lq.gguf<q2_k>>
func.func private @q2_k() -> tensor<16x256xf32, #lq.gguf<q2_k>>
// CHECK: tensor<16x256xf32, #lq.gguf<q3_k>>
func.func private @q3_k() -> tensor<16x256xf32, #lq.gguf<q3_k>>
// CHECK: tensor<16x256xf32, #lq.gguf<q4_k>>
func.func private @q4_k() -> tensor<16x256xf32, #lq.gguf<q4_k>>
// CHECK: tensor<16x256xf32, #lq.gguf<q5_k>>
func.func private @q5_k() -> tensor<16x256xf32, #lq.gguf<q5_k>>
// CHECK: tensor<16x256xf32, #lq.gguf<q6_k>>
func.func private @q6_k() -> tensor<16x256xf32, #lq.gguf<q6_k>>
// CHECK: tensor<16x256xf32, #lq.gguf<iq4_nl>>
func.func private @iq4_nl() -> tensor<16x256xf32, #lq.gguf<iq4_nl>>
// CHECK: tensor<16x256xf32, #lq.gguf<iq4_xs>>
func.func private @iq4_xs() -> tensor<16x256xf32, #lq.gguf<iq4_xs>>
// CHECK: tensor<16x256xf32, #lq.gguf<mxfp4>>
func.func private @mxfp4() -> tensor<16x256xf32, #lq.gguf<mxfp4>>
// CHECK: tensor<16x256xf32, #lq.tiled<#lq.gguf<iq4_xs>>>
func.func private @tiled() -> tensor<16x256xf32, #lq.tiled<#lq.gguf<iq4_xs>>>
// CHECK: tensor<16x256xf32, #lq.exl2<6 x 96 group 64, 4 x 160 group 128>>
func.func private @mixed_bits() -> tensor<16x256xf32, #lq.exl2<6 x 96 group 64, 4 x 160 group 128>>
// CHECK: tensor<16x256xf32, #lq.tiled<#lq.exl2<3 group 32>>>
func.func private @uniform_bits() -> tensor<16x256xf32, #lq.tiled<#lq.exl2<3 group 32>>>
// CHECK: tensor<16x33xf16, #lq.float<bf16>>
func.func private @bf16() -> tensor<16x33xf16, #lq.float<bf16>>
