#include "base/wire.h"

#include "base/clones.h"
#include "base/half.h"

namespace tf_ddl {
namespace {

// The 16-bit types are plain structs of their bits, so that arrays of bits can be seen as either.
template <typename T>
inline __attribute__((always_inline)) void NarrowLoop(uint16_t* wire, const float* in, int64_t n) {
  for (int64_t i = 0; i < n; ++i) wire[i] = T::FromFloat(in[i]).bits;
}
template <typename T>
inline __attribute__((always_inline)) void WidenLoop(float* out, const uint16_t* wire, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = T::ToFloat(T{wire[i]});
}
template <typename T>
inline __attribute__((always_inline)) void AddLoop(float* out, const float* own,
                                                   const uint16_t* wire, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = own[i] + T::ToFloat(T{wire[i]});
}
template <typename T>
inline __attribute__((always_inline)) void RoundLoop(float* values, int64_t n) {
  for (int64_t i = 0; i < n; ++i) values[i] = T::ToFloat(T::FromFloat(values[i]));
}

DDL_FOR_EACH_CPU void NarrowBF16(uint16_t* wire, const float* in, int64_t n) {
  NarrowLoop<BFloat16>(wire, in, n);
}
DDL_FOR_EACH_CPU void NarrowF16(uint16_t* wire, const float* in, int64_t n) {
  NarrowLoop<Float16>(wire, in, n);
}
DDL_FOR_EACH_CPU void WidenBF16(float* out, const uint16_t* wire, int64_t n) {
  WidenLoop<BFloat16>(out, wire, n);
}
DDL_FOR_EACH_CPU void WidenF16(float* out, const uint16_t* wire, int64_t n) {
  WidenLoop<Float16>(out, wire, n);
}
DDL_FOR_EACH_CPU void AddBF16(float* out, const float* own, const uint16_t* wire, int64_t n) {
  AddLoop<BFloat16>(out, own, wire, n);
}
DDL_FOR_EACH_CPU void AddF16(float* out, const float* own, const uint16_t* wire, int64_t n) {
  AddLoop<Float16>(out, own, wire, n);
}
DDL_FOR_EACH_CPU void RoundBF16(float* values, int64_t n) { RoundLoop<BFloat16>(values, n); }
DDL_FOR_EACH_CPU void RoundF16(float* values, int64_t n) { RoundLoop<Float16>(values, n); }

}  // namespace

void Narrow(WireFormat format, uint16_t* wire, const float* in, int64_t n) {
  format == WireFormat::kFloat16 ? NarrowF16(wire, in, n) : NarrowBF16(wire, in, n);
}

void Widen(WireFormat format, float* out, const uint16_t* wire, int64_t n) {
  format == WireFormat::kFloat16 ? WidenF16(out, wire, n) : WidenBF16(out, wire, n);
}

void AddWire(WireFormat format, float* out, const float* own, const uint16_t* wire, int64_t n) {
  format == WireFormat::kFloat16 ? AddF16(out, own, wire, n) : AddBF16(out, own, wire, n);
}

void RoundTo(WireFormat format, float* values, int64_t n) {
  format == WireFormat::kFloat16 ? RoundF16(values, n) : RoundBF16(values, n);
}

}  // namespace tf_ddl
