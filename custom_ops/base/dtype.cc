#include "base/dtype.h"

namespace tf_ddl {

const char* NameOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return "float32";
    case DType::kFloat64:
      return "float64";
    case DType::kFloat16:
      return "float16";
    case DType::kBFloat16:
      return "bfloat16";
    case DType::kInt32:
      return "int32";
    case DType::kInt64:
      return "int64";
    case DType::kBytes:
      return "bytes";
  }
  return "unknown";
}

const char* NameOf(ReduceOp op) { return op == ReduceOp::kSum ? "sum" : "mean"; }

}  // namespace tf_ddl
