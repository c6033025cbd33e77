// Which tensors travel together: a pure function, so that all ranks come to the same answer.
#ifndef TF_DDL_ENGINE_BUCKETS_H_
#define TF_DDL_ENGINE_BUCKETS_H_

#include <cstdint>
#include <vector>

#include "engine/group_spec.h"

namespace tf_ddl {

struct BucketLayout {
  std::vector<std::vector<int>> buckets;  // tensor indices, in the order in which they travel
  std::vector<int> bucket_of;             // by tensor
};

// Fills buckets with `tensors` in `order` (a permutation of their indices). A bucket holds one
// dtype and is closed when it has reached `bucket_bytes` (the first one: `first_bucket_bytes`, so
// that communication starts early). A tensor whose size is not known has a bucket of its own.
BucketLayout AssignBuckets(const std::vector<TensorSpec>& tensors, const std::vector<int>& order,
                           int64_t first_bucket_bytes, int64_t bucket_bytes);

// The order before anything has been measured: the last traced gradient comes first, as backprop
// computes them.
std::vector<int> ReverseOrder(int num_tensors);

// Whether `order` is a permutation of 0 ... num_tensors-1.
bool IsPermutation(const std::vector<int>& order, int num_tensors);

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_BUCKETS_H_
