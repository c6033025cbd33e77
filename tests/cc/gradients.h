// Groups of gradients for tests of epochs: tensors, options, and data whose sums are exact.
#ifndef TF_DDL_TESTS_CC_GRADIENTS_H_
#define TF_DDL_TESTS_CC_GRADIENTS_H_

#include <string>
#include <vector>

#include "engine_harness.h"

namespace tf_ddl {

inline GroupSpec Gradients(const std::string& key, const std::vector<int64_t>& counts) {
  GroupSpec spec;
  spec.key = key;
  for (size_t i = 0; i < counts.size(); ++i) {
    spec.tensors.push_back({"t" + std::to_string(i), DType::kFloat32, {counts[i]}});
  }
  return spec;
}

// 1.5 MB.
inline const std::vector<int64_t>& Counts() {
  static const std::vector<int64_t> counts = {1000,  64,    60000, 1, 90000, 3000,
                                              50001, 20000, 5,     0, 80000, 70000};
  return counts;
}

// 270 KB, just enough for advice.
inline const std::vector<int64_t>& SmallCounts() {
  static const std::vector<int64_t> counts = {20000, 10, 17000, 1, 30001, 512};
  return counts;
}

inline EngineOptions Tuned(bool autotune = true) {
  EngineOptions options;
  options.bucket_bytes = 300 << 10;
  options.first_bucket_bytes = 64 << 10;
  options.autotune = autotune;
  options.timeout = 60;
  return options;
}

// One call's tensors: rank r's elements of call c are r + c + tensor, exact in any order.
struct CallData {
  std::vector<std::vector<float>> tensors;

  CallData(const std::vector<int64_t>& counts, int rank, int call) {
    for (size_t t = 0; t < counts.size(); ++t) {
      tensors.emplace_back(counts[t]);
      const Sawtooth mine{0, rank + call + static_cast<int>(t)};
      mine.Put(DType::kFloat32, tensors.back().data(), counts[t]);
    }
  }
  void Check(int size, int call) const {
    for (size_t t = 0; t < tensors.size(); ++t) {
      const Sawtooth sum{0, size * (call + static_cast<int>(t)) + size * (size - 1) / 2};
      const auto count = static_cast<int64_t>(tensors[t].size());
      ASSERT_TRUE(sum.IsIn(DType::kFloat32, tensors[t].data(), count))
          << "call " << call << " tensor " << t;
    }
  }
};

}  // namespace tf_ddl

#endif  // TF_DDL_TESTS_CC_GRADIENTS_H_
