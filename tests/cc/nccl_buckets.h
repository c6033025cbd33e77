// Buckets of numbers whose sums are exact, and what their reduction must come to.
#ifndef TF_DDL_TESTS_CC_NCCL_BUCKETS_H_
#define TF_DDL_TESTS_CC_NCCL_BUCKETS_H_

#include <string>
#include <vector>

#include "base/number.h"
#include "nccl_harness.h"

namespace tf_ddl {

// One rank's tensors of a bucket. Values are small integers that differ by rank, tensor and place:
// sums of up to 8 ranks are exact in every dtype.
struct Bucket {
  Bucket(DType type, const std::vector<int64_t>& counts, int rank, bool in_place) : dtype(type) {
    for (size_t t = 0; t < counts.size(); ++t) {
      in.emplace_back(counts[t] * SizeOf(dtype) + 1);  // never empty
      for (int64_t i = 0; i < counts[t]; ++i) {
        StoreNumber(dtype, Value(rank, t, i), in[t].data() + i * SizeOf(dtype));
      }
      out.emplace_back(in[t].size(), 'x');
      segments.push_back({in[t].data(), in_place ? in[t].data() : out[t].data(), counts[t]});
    }
  }
  static double Value(int rank, size_t tensor, int64_t i) {
    return static_cast<double>((rank * 3 + static_cast<int>(tensor) + i) % 8) - 3;
  }
  // "" if every element is what it must be, else which is not.
  std::string Wrong(int size, bool mean) const {
    for (size_t t = 0; t < segments.size(); ++t) {
      for (int64_t i = 0; i < segments[t].count; ++i) {
        double expected = 0;
        for (int rank = 0; rank < size; ++rank) expected += Value(rank, t, i);
        if (mean) expected /= size;
        if (mean && (dtype == DType::kInt32 || dtype == DType::kInt64)) {
          expected = static_cast<double>(static_cast<int64_t>(expected));
        }
        const double got =
            LoadNumber(dtype, static_cast<const char*>(segments[t].out) + i * SizeOf(dtype));
        if (got != expected) {
          return "tensor " + std::to_string(t) + ", element " + std::to_string(i) + " of " +
                 std::to_string(segments[t].count) + ": " + std::to_string(got) + " instead of " +
                 std::to_string(expected);
        }
      }
    }
    return "";
  }

  const DType dtype;
  std::vector<std::vector<char>> in, out;
  std::vector<TensorSegment> segments;
};

inline std::unique_ptr<DeviceCollective> CollectiveOf(const Bucket& bucket, ReduceOp op,
                                                      const DevicePlan& plan,
                                                      std::function<void(const Status&)> done,
                                                      const std::string& name = "bucket") {
  auto collective = std::make_unique<DeviceCollective>();
  collective->dtype = bucket.dtype;
  collective->op = op;
  collective->plan = plan;
  collective->segments = bucket.segments;
  collective->name = name;
  collective->done = std::move(done);
  return collective;
}

}  // namespace tf_ddl

#endif  // TF_DDL_TESTS_CC_NCCL_BUCKETS_H_
