#include "base/reduce.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "base/clones.h"
#include "base/half.h"

namespace tf_ddl {
namespace {

// Elements handled at a time by SumSlots: its accumulators stay in the first-level cache.
constexpr int64_t kBlock = 2048;

template <typename T>
inline __attribute__((always_inline)) void AddLoop(T* out, const T* a, const T* b, int64_t n) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;  // wraps instead of being undefined
    for (int64_t i = 0; i < n; ++i) {
      out[i] = static_cast<T>(static_cast<U>(a[i]) + static_cast<U>(b[i]));
    }
  } else if constexpr (std::is_floating_point_v<T>) {
    for (int64_t i = 0; i < n; ++i) out[i] = a[i] + b[i];
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = T::FromFloat(T::ToFloat(a[i]) + T::ToFloat(b[i]));
  }
}

DDL_FOR_EACH_CPU void AddF32(float* o, const float* a, const float* b, int64_t n) {
  AddLoop(o, a, b, n);
}
DDL_FOR_EACH_CPU void AddF64(double* o, const double* a, const double* b, int64_t n) {
  AddLoop(o, a, b, n);
}
DDL_FOR_EACH_CPU void AddI32(int32_t* o, const int32_t* a, const int32_t* b, int64_t n) {
  AddLoop(o, a, b, n);
}
DDL_FOR_EACH_CPU void AddI64(int64_t* o, const int64_t* a, const int64_t* b, int64_t n) {
  AddLoop(o, a, b, n);
}
DDL_FOR_EACH_CPU void AddF16(Float16* o, const Float16* a, const Float16* b, int64_t n) {
  AddLoop(o, a, b, n);
}
DDL_FOR_EACH_CPU void AddBF16(BFloat16* o, const BFloat16* a, const BFloat16* b, int64_t n) {
  AddLoop(o, a, b, n);
}
DDL_FOR_EACH_CPU void DivideF32(float* o, float d, int64_t n) {
  for (int64_t i = 0; i < n; ++i) o[i] /= d;
}
DDL_FOR_EACH_CPU void DivideF64(double* o, double d, int64_t n) {
  for (int64_t i = 0; i < n; ++i) o[i] /= d;
}

template <typename T>
void DivideHalf(T* out, int divisor, int64_t n) {
  const float d = static_cast<float>(divisor);
  for (int64_t i = 0; i < n; ++i) out[i] = T::FromFloat(T::ToFloat(out[i]) / d);
}

template <typename T>
void SumSlotsHalf(T* out, const void* const* slots, int num_slots, int64_t n) {
  float sum[kBlock];
  for (int64_t at = 0; at < n; at += kBlock) {
    const int64_t m = std::min(kBlock, n - at);
    std::fill_n(sum, m, -0.0f);  // adding to -0.0 keeps the sign of a zero
    for (int s = 0; s < num_slots; ++s) {
      const T* slot = static_cast<const T*>(slots[s]) + at;
      for (int64_t i = 0; i < m; ++i) sum[i] += T::ToFloat(slot[i]);
    }
    for (int64_t i = 0; i < m; ++i) out[at + i] = T::FromFloat(sum[i]);
  }
}

}  // namespace

void Add(DType dtype, void* out, const void* a, const void* b, int64_t n) {
  switch (dtype) {
    case DType::kFloat32:
      return AddF32(static_cast<float*>(out), static_cast<const float*>(a),
                    static_cast<const float*>(b), n);
    case DType::kFloat64:
      return AddF64(static_cast<double*>(out), static_cast<const double*>(a),
                    static_cast<const double*>(b), n);
    case DType::kFloat16:
      return AddF16(static_cast<Float16*>(out), static_cast<const Float16*>(a),
                    static_cast<const Float16*>(b), n);
    case DType::kBFloat16:
      return AddBF16(static_cast<BFloat16*>(out), static_cast<const BFloat16*>(a),
                     static_cast<const BFloat16*>(b), n);
    case DType::kInt32:
      return AddI32(static_cast<int32_t*>(out), static_cast<const int32_t*>(a),
                    static_cast<const int32_t*>(b), n);
    case DType::kInt64:
      return AddI64(static_cast<int64_t*>(out), static_cast<const int64_t*>(a),
                    static_cast<const int64_t*>(b), n);
    case DType::kBytes:
      return;  // refused when the group is registered
  }
}

void Divide(DType dtype, void* out, int divisor, int64_t n) {
  switch (dtype) {
    case DType::kFloat32:
      return DivideF32(static_cast<float*>(out), static_cast<float>(divisor), n);
    case DType::kFloat64:
      return DivideF64(static_cast<double*>(out), divisor, n);
    case DType::kFloat16:
      return DivideHalf(static_cast<Float16*>(out), divisor, n);
    case DType::kBFloat16:
      return DivideHalf(static_cast<BFloat16*>(out), divisor, n);
    case DType::kInt32: {
      auto* o = static_cast<int32_t*>(out);
      for (int64_t i = 0; i < n; ++i) o[i] /= divisor;
      return;
    }
    case DType::kInt64: {
      auto* o = static_cast<int64_t*>(out);
      for (int64_t i = 0; i < n; ++i) o[i] /= divisor;
      return;
    }
    case DType::kBytes:
      return;
  }
}

void SumSlots(DType dtype, void* out, const void* const* slots, int num_slots, int64_t n) {
  if (dtype == DType::kFloat16) {
    return SumSlotsHalf(static_cast<Float16*>(out), slots, num_slots, n);
  }
  if (dtype == DType::kBFloat16) {
    return SumSlotsHalf(static_cast<BFloat16*>(out), slots, num_slots, n);
  }
  // `out` may be one of the slots (in place), so sums are built aside, a block at a time.
  const size_t element = SizeOf(dtype);
  alignas(64) uint8_t sum[kBlock * 8];
  for (int64_t at = 0; at < n; at += kBlock) {
    const int64_t m = std::min(kBlock, n - at);
    std::memcpy(sum, static_cast<const uint8_t*>(slots[0]) + at * element, m * element);
    for (int s = 1; s < num_slots; ++s) {
      Add(dtype, sum, sum, static_cast<const uint8_t*>(slots[s]) + at * element, m);
    }
    std::memcpy(static_cast<uint8_t*>(out) + at * element, sum, m * element);
  }
}

}  // namespace tf_ddl
