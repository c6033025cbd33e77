#include "engine/buckets.h"

#include <map>

namespace tf_ddl {

BucketLayout AssignBuckets(const std::vector<TensorSpec>& tensors, const std::vector<int>& order,
                           int64_t first_bucket_bytes, int64_t bucket_bytes) {
  struct Open {
    std::vector<int> members;
    int64_t bytes = 0;
  };
  BucketLayout layout;
  std::map<DType, Open> open;  // at most one unfinished bucket per dtype
  for (int index : order) {
    const TensorSpec& tensor = tensors[index];
    const int64_t count = tensor.count();
    if (count < 0) {
      layout.buckets.push_back({index});
      continue;
    }
    Open& bucket = open[tensor.dtype];
    bucket.members.push_back(index);
    bucket.bytes += count * static_cast<int64_t>(SizeOf(tensor.dtype));
    const int64_t limit = layout.buckets.empty() ? first_bucket_bytes : bucket_bytes;
    if (bucket.bytes >= limit) {
      layout.buckets.push_back(std::move(bucket.members));
      bucket = Open();
    }
  }
  for (auto& entry : open) {
    if (!entry.second.members.empty()) layout.buckets.push_back(std::move(entry.second.members));
  }
  layout.bucket_of.resize(tensors.size());
  for (size_t b = 0; b < layout.buckets.size(); ++b) {
    for (int index : layout.buckets[b]) layout.bucket_of[index] = static_cast<int>(b);
  }
  return layout;
}

std::vector<int> ReverseOrder(int num_tensors) {
  std::vector<int> order;
  for (int i = num_tensors - 1; i >= 0; --i) order.push_back(i);
  return order;
}

bool IsPermutation(const std::vector<int>& order, int num_tensors) {
  std::vector<bool> seen(num_tensors, false);
  for (int index : order) {
    if (index < 0 || index >= num_tensors || seen[index]) return false;
    seen[index] = true;
  }
  return static_cast<int>(order.size()) == num_tensors;
}

}  // namespace tf_ddl
