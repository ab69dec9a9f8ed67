//===- Scalars.h - narrow numbers as bits -----------------------*- C++ -*-===//
//
// Conversions between f32 and the narrower types, on bits, so that they do
// not depend on what the compiler or the machine knows of them. To 16 bits they
// round to nearest, ties to even; a signalling or quiet NaN keeps the upper
// bits of its payload, so that widening and narrowing again gives the same
// bits.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_DIALECTS_LQ_SCALARS_H
#define LQ_DIALECTS_LQ_SCALARS_H

#include "dialects/lq/Format.h"
#include <bit>
#include <cstring>

namespace lq {

/// f16: 1 sign, 5 exponent (bias 15), 10 mantissa bits.
inline float widenF16(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16;
  uint32_t magnitude = half & 0x7fff;
  if (magnitude >= 0x7c00) // infinity and NaN: only the exponent's bias differs
    return std::bit_cast<float>(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  if (magnitude >= 0x0400)
    return std::bit_cast<float>(sign | ((magnitude << 13) + (112u << 23)));
  // Subnormal: the mantissa counts units of 2^-24.
  float value = static_cast<float>(magnitude) * 0x1p-24f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
}

inline uint16_t narrowF16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint16_t sign = bits >> 16 & 0x8000;
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    uint16_t payload = magnitude >> 13 & 0x3ff;
    return sign | 0x7c00 | (payload ? payload : 0x200);
  }
  if (magnitude >= 0x477ff000) // 65520, halfway to what would follow 65504
    return sign | 0x7c00;
  if (magnitude < 0x38800000) { // below 2^-14: adding 0.5 leaves units of 2^-24
    float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000);
  }
  uint32_t odd = magnitude >> 13 & 1;
  return sign | ((magnitude - (112u << 23) + 0xfff + odd) >> 13);
}

/// bf16: the upper half of an f32.
inline float widenBF16(uint16_t value) {
  return std::bit_cast<float>(uint32_t(value) << 16);
}

inline uint16_t narrowBF16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) {
    uint16_t upper = bits >> 16;
    return upper & 0x7f ? upper : upper | 0x40;
  }
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/// e8m0: 2^(e - 127), or NaN for 255 (OCP Microscaling Formats 1.0, 5.4.1).
inline float widenE8M0(uint8_t exponent) {
  if (exponent == 255)
    return std::bit_cast<float>(0x7fc00000u);
  return std::bit_cast<float>(exponent ? uint32_t(exponent) << 23 : 0x400000u);
}

/// The power of two at or below |value|, at least 2^-127.
inline uint8_t narrowE8M0(float value) {
  return std::bit_cast<uint32_t>(value) >> 23 & 0xff;
}

/// The number at `bytes`, little endian, of any alignment.
inline float loadScalar(Scalar scalar, const char *bytes) {
  if (scalar == Scalar::F32) {
    float value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
  }
  if (scalar == Scalar::E8M0)
    return widenE8M0(static_cast<uint8_t>(*bytes));
  uint16_t half;
  std::memcpy(&half, bytes, sizeof half);
  return scalar == Scalar::F16 ? widenF16(half) : widenBF16(half);
}

inline void storeScalar(Scalar scalar, float value, char *bytes) {
  if (scalar == Scalar::F32) {
    std::memcpy(bytes, &value, sizeof value);
    return;
  }
  if (scalar == Scalar::E8M0) {
    *bytes = static_cast<char>(narrowE8M0(value));
    return;
  }
  uint16_t half = scalar == Scalar::F16 ? narrowF16(value) : narrowBF16(value);
  std::memcpy(bytes, &half, sizeof half);
}

/// `value` rounded to what the type can hold.
inline float roundToScalar(Scalar scalar, float value) {
  char bytes[sizeof(float)];
  storeScalar(scalar, value, bytes);
  return loadScalar(scalar, bytes);
}

} // namespace lq

#endif // LQ_DIALECTS_LQ_SCALARS_H
