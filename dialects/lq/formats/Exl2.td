//===- Exl2.td - bits that change along K --------------------*- tablegen -*-===//

#ifndef LQ_FORMATS_EXL2_TD
#define LQ_FORMATS_EXL2_TD

include "dialects/lq/LqAttributes.td"

def Lq_Exl2FormatAttr : Lq_FormatAttr<"Exl2Format", "exl2"> {
  let summary = "integer codes whose bits change along K, square-law scales";
  let description = [{
    EXL2, the format of exllamav2: the columns, sorted by how much they matter, are
    runs of falling bits (8, 6, 5, 4, 3, 2), each in groups.

        w = (code - 2^(bits - 1)) * factor * ((s + 1) / 16)^2

    with a factor in f16 for each group, which all rows share, and an integer s of 4
    bits for each group of a row. The order of the columns is not part of the format:
    `lq.permute` brings activations into it.

    `#lq.exl2<6 x 384 group 128, 4 x 1664 group 128>`: 384 columns of 6 bits, then
    1664 of 4. `#lq.exl2<4 group 128>`: all columns of 4 bits, whatever their number.
    The latter have names, `exl2_4_g128`, for rounding to nearest.

    Storage is that of formats/RowStorage.h.
  }];
  let parameters = (ins ArrayRefParameter<"::lq::ColumnRun", "runs of columns">:$runs);
  let genVerifyDecl = 1;
}

#endif // LQ_FORMATS_EXL2_TD
