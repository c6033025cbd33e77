#include "values.h"

#include "base/half.h"

namespace tf_ddl {
namespace values {
namespace {

template <typename T, typename FromDouble>
void Fill(void* data, int64_t first, int64_t count, int64_t times, int64_t plus,
          FromDouble from_double) {
  T* const to = static_cast<T*>(data);
  for (int64_t i = 0; i < count; ++i) {
    to[i] = from_double(static_cast<double>(times * ((first + i) % 7) + plus));
  }
}

}  // namespace

void FillPattern(uint8_t* bytes, size_t n, uint32_t seed) {
  uint32_t state = seed * 2654435761u + 12345u;
  for (size_t i = 0; i < n; ++i) {
    state = state * 1664525u + 1013904223u;
    bytes[i] = static_cast<uint8_t>(state >> 24);
  }
}

void AddBytes(uint8_t* to, const uint8_t* from, size_t n) {
  for (size_t i = 0; i < n; ++i) to[i] = static_cast<uint8_t>(to[i] + from[i]);
}

void FillSawtooth(DType dtype, void* data, int64_t first, int64_t count, int64_t times,
                  int64_t plus) {
  const auto fill = [&](auto type, auto from_double) {
    Fill<decltype(type)>(data, first, count, times, plus, from_double);
  };
  switch (dtype) {
    case DType::kFloat32:
      return fill(float(), [](double value) { return static_cast<float>(value); });
    case DType::kFloat64:
      return fill(double(), [](double value) { return value; });
    case DType::kFloat16:
      return fill(Float16(),
                  [](double value) { return Float16::FromFloat(static_cast<float>(value)); });
    case DType::kBFloat16:
      return fill(BFloat16(),
                  [](double value) { return BFloat16::FromFloat(static_cast<float>(value)); });
    case DType::kInt32:
      return fill(int32_t(), [](double value) { return static_cast<int32_t>(value); });
    case DType::kInt64:
      return fill(int64_t(), [](double value) { return static_cast<int64_t>(value); });
    case DType::kBytes:
      return fill(uint8_t(), [](double value) { return static_cast<uint8_t>(value); });
  }
}

double At(DType dtype, const void* data, int64_t i) {
  switch (dtype) {
    case DType::kFloat32:
      return static_cast<const float*>(data)[i];
    case DType::kFloat64:
      return static_cast<const double*>(data)[i];
    case DType::kFloat16:
      return Float16::ToFloat(static_cast<const Float16*>(data)[i]);
    case DType::kBFloat16:
      return BFloat16::ToFloat(static_cast<const BFloat16*>(data)[i]);
    case DType::kInt32:
      return static_cast<const int32_t*>(data)[i];
    case DType::kInt64:
      return static_cast<double>(static_cast<const int64_t*>(data)[i]);
    case DType::kBytes:
      return static_cast<const uint8_t*>(data)[i];
  }
  return 0;
}

}  // namespace values
}  // namespace tf_ddl
