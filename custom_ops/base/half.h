// 16-bit floating-point formats, converted by bit arithmetic that compilers vectorise.
#ifndef TF_DDL_BASE_HALF_H_
#define TF_DDL_BASE_HALF_H_

#include <cstdint>
#include <cstring>

namespace tf_ddl {

inline float BitsToFloat(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint32_t FloatToBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

struct BFloat16 {
  uint16_t bits;
  static float ToFloat(BFloat16 v) { return BitsToFloat(static_cast<uint32_t>(v.bits) << 16); }
  static BFloat16 FromFloat(float value) {
    const uint32_t bits = FloatToBits(value);
    const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
    const uint32_t quiet_nan = (bits >> 16) | 0x40u;
    const bool is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
    return {static_cast<uint16_t>(is_nan ? quiet_nan : rounded)};
  }
};

// IEEE 754 binary16. Both directions scale by a power of two in float32, so that subnormals and
// overflow come out of the float unit itself.
struct Float16 {
  uint16_t bits;
  static float ToFloat(Float16 v) {
    const uint32_t sign = static_cast<uint32_t>(v.bits & 0x8000u) << 16;
    const uint32_t magnitude = static_cast<uint32_t>(v.bits & 0x7FFFu) << 13;
    const float finite = BitsToFloat(magnitude) * BitsToFloat(0x77800000u);  // 2^112
    const uint32_t special = magnitude | 0x7F800000u;
    const bool is_special = (v.bits & 0x7C00u) == 0x7C00u;
    return BitsToFloat(sign | (is_special ? special : FloatToBits(finite)));
  }
  static Float16 FromFloat(float value) {
    const uint32_t bits = FloatToBits(value);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t magnitude = bits & 0x7FFFFFFFu;
    // Below the smallest normal: adding 0.5 leaves the rounded result in the low mantissa bits.
    const uint32_t subnormal = FloatToBits(BitsToFloat(magnitude) + 0.5f) - 0x3F000000u;
    const uint32_t normal = (magnitude - 0x38000000u + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13;
    uint32_t result = magnitude < 0x38800000u ? subnormal : normal;
    if (magnitude >= 0x477FF000u) result = 0x7C00u;  // rounds to infinity
    if (magnitude > 0x7F800000u) result = 0x7E00u;   // NaN
    return {static_cast<uint16_t>(sign | result)};
  }
};

}  // namespace tf_ddl

#endif  // TF_DDL_BASE_HALF_H_
