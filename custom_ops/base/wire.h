// 16-bit forms in which float32 elements may travel between hosts, converted by loops that are
// compiled for the CPU found at run time. Rounding is to nearest even.
//
// Unit roundoff: bfloat16 2^-8, float16 2^-11. float16 overflows to infinity above 65504 and loses
// precision below 6.1e-5; bfloat16 has float32's range.
#ifndef TF_DDL_BASE_WIRE_H_
#define TF_DDL_BASE_WIRE_H_

#include <cstdint>

namespace tf_ddl {

enum class WireFormat : int { kAsIs = 0, kBFloat16 = 1, kFloat16 = 2 };

// All of these: n elements; `format` is one of the 16-bit forms; nothing overlaps.
void Narrow(WireFormat format, uint16_t* wire, const float* in, int64_t n);
void Widen(WireFormat format, float* out, const uint16_t* wire, int64_t n);
// out[i] = own[i] + wire[i]; `out` may equal `own`.
void AddWire(WireFormat format, float* out, const float* own, const uint16_t* wire, int64_t n);
// Rounds to what `format` can say.
void RoundTo(WireFormat format, float* values, int64_t n);

}  // namespace tf_ddl

#endif  // TF_DDL_BASE_WIRE_H_
