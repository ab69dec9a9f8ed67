//===- Gguf.td - the block formats of GGUF -------------------*- tablegen -*-===//

#ifndef LQ_FORMATS_GGUF_TD
#define LQ_FORMATS_GGUF_TD

include "dialects/lq/LqAttributes.td"

def Lq_GgufFormatAttr : Lq_FormatAttr<"GgufFormat", "gguf"> {
  let summary = "a block format of the GGUF container";
  let description = [{
    `#lq.gguf<q8_0>`, `#lq.gguf<q4_k>`: a row is a sequence of blocks, each with its
    scales, offsets and codes, as ggml lays them out. The formats are the lines of
    a table in formats/GgufFormats.cpp.
  }];
  let parameters = (ins AttrParameter<"const ::lq::GgufFormat *", "a line of the table">:$format);
}

#endif // LQ_FORMATS_GGUF_TD
