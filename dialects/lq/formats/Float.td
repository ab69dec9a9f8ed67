//===- Float.td - weights stored as numbers ------------------*- tablegen -*-===//

#ifndef LQ_FORMATS_FLOAT_TD
#define LQ_FORMATS_FLOAT_TD

include "dialects/lq/LqAttributes.td"

def Lq_FloatFormatAttr : Lq_FormatAttr<"FloatFormat", "float"> {
  let summary = "weights stored as floating-point numbers";
  let description = [{
    Row-major little-endian numbers: `#lq.float<f32>`, `#lq.float<f16>`,
    `#lq.float<bf16>`. Conversion rounds to nearest, ties to even.
  }];
  let parameters = (ins AttrParameter<"::lq::Scalar", "the type of a number">:$scalar);
}

#endif // LQ_FORMATS_FLOAT_TD
