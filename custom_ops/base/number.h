// One number of any dtype in memory, as a double: for tests and benchmarks, not for the hot path.
#ifndef TF_DDL_BASE_NUMBER_H_
#define TF_DDL_BASE_NUMBER_H_

#include <cstdint>
#include <cstring>

#include "base/dtype.h"
#include "base/half.h"

namespace tf_ddl {

inline double LoadNumber(DType dtype, const char* at) {
  const auto as = [at](auto value) {
    std::memcpy(&value, at, sizeof value);
    return value;
  };
  switch (dtype) {
    case DType::kFloat32:
      return as(float{});
    case DType::kFloat64:
      return as(double{});
    case DType::kFloat16:
      return Float16::ToFloat({as(uint16_t{})});
    case DType::kBFloat16:
      return BFloat16::ToFloat({as(uint16_t{})});
    case DType::kInt32:
      return as(int32_t{});
    default:
      return static_cast<double>(as(int64_t{}));
  }
}

inline void StoreNumber(DType dtype, double value, char* at) {
  const auto as = [at](auto stored) { std::memcpy(at, &stored, sizeof stored); };
  switch (dtype) {
    case DType::kFloat32:
      return as(static_cast<float>(value));
    case DType::kFloat64:
      return as(value);
    case DType::kFloat16:
      return as(Float16::FromFloat(static_cast<float>(value)).bits);
    case DType::kBFloat16:
      return as(BFloat16::FromFloat(static_cast<float>(value)).bits);
    case DType::kInt32:
      return as(static_cast<int32_t>(value));
    default:
      return as(static_cast<int64_t>(value));
  }
}

}  // namespace tf_ddl

#endif  // TF_DDL_BASE_NUMBER_H_
