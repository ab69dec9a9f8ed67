//===- Codebook.td - codes that stand for levels of a table --*- tablegen -*-===//

#ifndef LQ_FORMATS_CODEBOOK_TD
#define LQ_FORMATS_CODEBOOK_TD

include "dialects/lq/LqAttributes.td"

def Lq_CodebookFormatAttr : Lq_FormatAttr<"CodebookFormat", "codebook"> {
  let summary = "codes that are looked up in a fixed table of levels";
  let description = [{
    `#lq.codebook<nf4>`: the quantiles of a normal distribution (QLoRA, Dettmers et
    al. 2023, appendix E) in groups of 64 with the largest magnitude in f32;
    `nf4_f16` with it in f16. The formats are the lines of a table in
    formats/Codebook.cpp; storage is that of formats/RowStorage.h.
  }];
  let parameters = (ins AttrParameter<"const ::lq::CodebookFormat *", "a line of the table">:$format);
}

#endif // LQ_FORMATS_CODEBOOK_TD
