// Element types that the core can reduce or move.
#ifndef TF_DDL_BASE_DTYPE_H_
#define TF_DDL_BASE_DTYPE_H_

#include <cstddef>

namespace tf_ddl {

// The numbers are part of the C interface (capi/ddl.h) and mirrored in tf_ddl/_native/engine.py.
enum class DType : int {
  kFloat32 = 0,
  kFloat64 = 1,
  kFloat16 = 2,
  kBFloat16 = 3,
  kInt32 = 4,
  kInt64 = 5,
  kBytes = 6,  // opaque bytes: broadcast and all-gather only
};
constexpr int kNumDTypes = 7;

enum class ReduceOp : int { kSum = 0, kMean = 1 };

constexpr size_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kInt32:
      return 4;
    case DType::kFloat64:
    case DType::kInt64:
      return 8;
    case DType::kFloat16:
    case DType::kBFloat16:
      return 2;
    case DType::kBytes:
      return 1;
  }
  return 1;
}

const char* NameOf(DType dtype);  // "float32", ...
const char* NameOf(ReduceOp op);  // "sum", "mean"

}  // namespace tf_ddl

#endif  // TF_DDL_BASE_DTYPE_H_
