//===- GgufFormats.cpp - the table of GGUF's block formats ----------------===//
//
// The layouts are those of ggml (ggml-common.h).
//
//===----------------------------------------------------------------------===//

#include "dialects/lq/formats/Gguf.h"

using namespace lq;

//===----------------------------------------------------------------------===//
// How integers of scales and offsets are packed
//===----------------------------------------------------------------------===//

/// 16 groups: scale in the low nibble, offset in the high one.
static void unpackNibblePairs(const uint8_t *bytes, uint8_t *scales,
                              uint8_t *offsets) {
  for (int group = 0; group < 16; ++group) {
    scales[group] = bytes[group] & 0xf;
    offsets[group] = bytes[group] >> 4;
  }
}
static void packNibblePairs(const uint8_t *scales, const uint8_t *offsets,
                            uint8_t *bytes) {
  for (int group = 0; group < 16; ++group)
    bytes[group] = scales[group] | offsets[group] << 4;
}
static constexpr IntegerPacking nibblePairs = {16, unpackNibblePairs,
                                               packNibblePairs};

/// 16 groups of 6 bits: the low 4 bits of group g in nibble g / 8 of byte g % 8,
/// the high 2 in pair g / 4 of byte 8 + g % 4.
static void unpackSixBits(const uint8_t *bytes, uint8_t *scales, uint8_t *) {
  for (int group = 0; group < 16; ++group) {
    int low = bytes[group % 8] >> group / 8 * 4 & 0xf;
    int high = bytes[8 + group % 4] >> group / 4 * 2 & 3;
    scales[group] = static_cast<uint8_t>(low | high << 4);
  }
}
static void packSixBits(const uint8_t *scales, const uint8_t *,
                        uint8_t *bytes) {
  for (int group = 0; group < 16; ++group) {
    bytes[group % 8] |= (scales[group] & 0xf) << group / 8 * 4;
    bytes[8 + group % 4] |= scales[group] >> 4 << group / 4 * 2;
  }
}
static constexpr IntegerPacking sixBits = {12, unpackSixBits, packSixBits};

/// 8 groups of 6 bits each for scale and offset. The first 4 scales, then the
/// first 4 offsets, fill the low 6 bits of bytes 0 to 7. Of the last 4 groups
/// the low 4 bits are in bytes 8 to 11, scales low, offsets high, and the high 2
/// on top of the scale and the offset of the group 4 before.
static void unpackSixBitPairs(const uint8_t *bytes, uint8_t *scales,
                              uint8_t *offsets) {
  for (int group = 0; group < 4; ++group) {
    scales[group] = bytes[group] & 0x3f;
    offsets[group] = bytes[4 + group] & 0x3f;
    scales[4 + group] =
        static_cast<uint8_t>((bytes[8 + group] & 0xf) | bytes[group] >> 6 << 4);
    offsets[4 + group] = static_cast<uint8_t>(bytes[8 + group] >> 4 |
                                              bytes[4 + group] >> 6 << 4);
  }
}
static void packSixBitPairs(const uint8_t *scales, const uint8_t *offsets,
                            uint8_t *bytes) {
  for (int group = 0; group < 4; ++group) {
    uint8_t scale = scales[4 + group], offset = offsets[4 + group];
    bytes[group] = static_cast<uint8_t>(scales[group] | scale >> 4 << 6);
    bytes[4 + group] = static_cast<uint8_t>(offsets[group] | offset >> 4 << 6);
    bytes[8 + group] = static_cast<uint8_t>((scale & 0xf) | offset << 4);
  }
}
static constexpr IntegerPacking sixBitPairs = {12, unpackSixBitPairs,
                                               packSixBitPairs};

/// 16 int8, as unsigned bytes of zero 128.
static void unpackSignedBytes(const uint8_t *bytes, uint8_t *scales,
                              uint8_t *) {
  for (int group = 0; group < 16; ++group)
    scales[group] = bytes[group] ^ 0x80;
}
static void packSignedBytes(const uint8_t *scales, const uint8_t *,
                            uint8_t *bytes) {
  for (int group = 0; group < 16; ++group)
    bytes[group] = scales[group] ^ 0x80;
}
static constexpr IntegerPacking signedBytes = {16, unpackSignedBytes,
                                               packSignedBytes};

/// 8 groups of 6 bits: two bytes of the high 2 bits, four of the low 4.
static void unpackHighThenLow(const uint8_t *bytes, uint8_t *scales,
                              uint8_t *) {
  for (int group = 0; group < 8; ++group) {
    int high = bytes[group / 4] >> group % 4 * 2 & 3;
    int low = bytes[2 + group / 2] >> group % 2 * 4 & 0xf;
    scales[group] = static_cast<uint8_t>(low | high << 4);
  }
}
static void packHighThenLow(const uint8_t *scales, const uint8_t *,
                            uint8_t *bytes) {
  for (int group = 0; group < 8; ++group) {
    bytes[group / 4] |= scales[group] >> 4 << group % 4 * 2;
    bytes[2 + group / 2] |= (scales[group] & 0xf) << group % 2 * 4;
  }
}
static constexpr IntegerPacking highThenLow = {6, unpackHighThenLow,
                                               packHighThenLow};

//===----------------------------------------------------------------------===//
// Parts and levels
//===----------------------------------------------------------------------===//

static constexpr BlockPart scale = {.kind = BlockPart::Kind::Scale};
static constexpr BlockPart offset = {.kind = BlockPart::Kind::Offset};
static constexpr BlockPart negatedOffset = {.kind =
                                                BlockPart::Kind::NegatedOffset};

static constexpr BlockPart integers(const IntegerPacking &packing) {
  return {.kind = BlockPart::Kind::Integers, .packing = &packing};
}
static constexpr BlockPart codes(unsigned width, int64_t run,
                                 unsigned shift = 0) {
  return {.kind = BlockPart::Kind::Codes,
          .width = width,
          .shift = shift,
          .run = run};
}
static constexpr BlockPart signedCodes = {
    .kind = BlockPart::Kind::Codes, .width = 8, .run = 32, .flipped = 0x80};

/// Spaced as the quantiles of a bell curve are (kvalues_iq4nl of ggml-common.h).
static constexpr float nonLinear[16] = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// e2m1 (OCP Microscaling Formats 1.0, 5.3.3); its two zeros are one here.
static constexpr float fourBitFloats[16] = {
    0, 0.5f, 1, 1.5f, 2, 3, 4, 6, 0, -0.5f, -1, -1.5f, -2, -3, -4, -6};

//===----------------------------------------------------------------------===//
// Descriptions
//===----------------------------------------------------------------------===//

/// Blocks of 32 with a scale, the largest magnitude at the lowest level.
static constexpr FormatDescription symmetric(unsigned bits) {
  return {.level = LevelKind::Integer,
          .bits = bits,
          .zero = 1 << (bits - 1),
          .group = 32,
          .scale = directNumber(Scalar::F16),
          .scaleRule = ScaleRule::SignedMaximum,
          .rounding = Rounding::HalfUp};
}

/// Blocks of 32 from the least value to the largest.
static constexpr FormatDescription affine(unsigned bits) {
  return {.level = LevelKind::Integer,
          .bits = bits,
          .group = 32,
          .scale = directNumber(Scalar::F16),
          .offset = directNumber(Scalar::F16),
          .scaleRule = ScaleRule::MinimumMaximum,
          .rounding = Rounding::HalfUp};
}

/// Levels of a table.
static constexpr FormatDescription table(llvm::ArrayRef<float> levels,
                                         GroupNumber scale, ScaleRule scaleRule,
                                         int64_t superGroup = 0) {
  return {.level = LevelKind::Table,
          .bits = 4,
          .levels = levels,
          .group = 32,
          .superGroup = superGroup,
          .scale = scale,
          .scaleRule = scaleRule};
}

/// Super-blocks of 256 with scales alone.
static constexpr FormatDescription superSymmetric(unsigned bits,
                                                  GroupNumber scale) {
  return {.level = LevelKind::Integer,
          .bits = bits,
          .zero = 1 << (bits - 1),
          .group = 16,
          .superGroup = 256,
          .scale = scale,
          .scaleRule = ScaleRule::Search};
}

/// Super-blocks of 256 with scales and offsets.
static constexpr FormatDescription superAffine(unsigned bits, int64_t group,
                                               unsigned integerBits) {
  return {.level = LevelKind::Integer,
          .bits = bits,
          .group = group,
          .superGroup = 256,
          .scale = productNumber(Scalar::F16, integerBits),
          .offset = productNumber(Scalar::F16, integerBits),
          .scaleRule = ScaleRule::Search};
}

static constexpr FormatDescription eightBits = {
    .level = LevelKind::Integer,
    .bits = 8,
    .zero = 128,
    .group = 32,
    .scale = directNumber(Scalar::F16),
    .scaleRule = ScaleRule::AbsoluteMaximum,
    .rounding = Rounding::HalfAway};

//===----------------------------------------------------------------------===//
// The formats: name, description, columns and parts of a block, fallback
//===----------------------------------------------------------------------===//

static constexpr GgufFormat formats[] = {
    {"q4_0", symmetric(4), 32, {{scale, codes(4, 16)}}},
    {"q4_1", affine(4), 32, {{scale, offset, codes(4, 16)}}},
    {"q5_0", symmetric(5), 32, {{scale, codes(1, 1, 4), codes(4, 16)}}},
    {"q5_1", affine(5), 32, {{scale, offset, codes(1, 1, 4), codes(4, 16)}}},
    {"q8_0", eightBits, 32, {{scale, signedCodes}}},
    {"q2_k",
     superAffine(2, 16, 4),
     256,
     {{integers(nibblePairs), codes(2, 32), scale, negatedOffset}},
     "q4_0"},
    {"q3_k",
     superSymmetric(3, productNumber(Scalar::F16, 6, 32)),
     256,
     {{codes(1, 32, 2), codes(2, 32), integers(sixBits), scale}},
     "q4_0"},
    {"q4_k",
     superAffine(4, 32, 6),
     256,
     {{scale, negatedOffset, integers(sixBitPairs), codes(4, 32)}},
     "q5_0"},
    {"q5_k",
     superAffine(5, 32, 6),
     256,
     {{scale, negatedOffset, integers(sixBitPairs), codes(1, 32, 4),
       codes(4, 32)}},
     "q5_1"},
    {"q6_k",
     superSymmetric(6, productNumber(Scalar::F16, 8, 128)),
     256,
     {{codes(4, 64), codes(2, 32, 4), integers(signedBytes), scale}},
     "q8_0"},
    {"iq4_nl",
     table(nonLinear, directNumber(Scalar::F16), ScaleRule::Search),
     32,
     {{scale, codes(4, 16)}}},
    {"iq4_xs",
     table(nonLinear, productNumber(Scalar::F16, 6, 32), ScaleRule::Search,
           256),
     256,
     {{scale, integers(highThenLow), codes(4, 16)}},
     "iq4_nl"},
    {"mxfp4",
     table(fourBitFloats, directNumber(Scalar::E8M0), ScaleRule::PowerOfTwo),
     32,
     {{scale, codes(4, 16)}}},
};

llvm::ArrayRef<GgufFormat> lq::ggufFormats() { return formats; }
