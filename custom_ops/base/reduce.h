// Element-wise arithmetic on host memory, vectorised for the CPU found at run time. Addresses need
// no alignment beyond the element's. float16 and bfloat16 are added in float32 and rounded to
// nearest even.
#ifndef TF_DDL_BASE_REDUCE_H_
#define TF_DDL_BASE_REDUCE_H_

#include <cstdint>

#include "base/dtype.h"

namespace tf_ddl {

// out[i] = a[i] + b[i] for i < n. `out` may equal `a` or `b`. Integers wrap.
void Add(DType dtype, void* out, const void* a, const void* b, int64_t n);

// out[i] = out[i] / divisor. Integers are divided towards zero.
void Divide(DType dtype, void* out, int divisor, int64_t n);

// out[i] = slots[0][i] + slots[1][i] + ... in this order; 16-bit floats are rounded once.
void SumSlots(DType dtype, void* out, const void* const* slots, int num_slots, int64_t n);

}  // namespace tf_ddl

#endif  // TF_DDL_BASE_REDUCE_H_
