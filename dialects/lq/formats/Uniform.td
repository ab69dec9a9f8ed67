//===- Uniform.td - integer codes with scales and zero points -*- tablegen -*-===//

#ifndef LQ_FORMATS_UNIFORM_TD
#define LQ_FORMATS_UNIFORM_TD

include "dialects/lq/LqAttributes.td"

def Lq_UniformFormatAttr : Lq_FormatAttr<"UniformFormat", "uniform"> {
  let summary = "integer codes, a scale and perhaps a zero point for each group";
  let description = [{
    What GPTQ, AWQ, compressed-tensors (pack-quantized) and ONNX's MatMulNBits store,
    each its own way: codes of 2 to 8 bits, groups of columns or whole rows, a scale
    a group and, with `zero_points`, an integer that stands for zero a group; without,
    half the range stands for zero.

        w = scale * (code - zero_point)

    `#lq.uniform<bits = 4, group = 128>`,
    `#lq.uniform<bits = 3, group = row, scale = bf16, zero_points>`. Names are
    `int4_g128` and, with zero points, `uint4_g128`; `int4_row` for whole rows;
    `int4_g128_bf16` for scales that are not f16.

    Storage is that of formats/RowStorage.h. A last group may be shorter.
  }];
  let parameters = (ins "unsigned":$bits, "int64_t":$group,
                        AttrParameter<"::lq::Scalar", "the type of a scale">:$scale,
                        "bool":$zeroPoints);
  let genVerifyDecl = 1;
}

#endif // LQ_FORMATS_UNIFORM_TD
