// Ranges of a bucket's elements, and how they are divided.
#ifndef TF_DDL_PLAN_RANGES_H_
#define TF_DDL_PLAN_RANGES_H_

#include <algorithm>
#include <cstdint>

namespace tf_ddl {

struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  bool empty() const { return begin >= end; }
  int64_t size() const { return end - begin; }
};

// Boundaries stand on multiples of this many elements where there are enough of them, so that
// parts start on cache lines.
constexpr int64_t kGrain = 16;

// Part `i` of `range` divided into `parts` parts.
inline Range Part(const Range& range, int64_t i, int64_t parts) {
  const int64_t n = range.end - range.begin;
  const auto boundary = [&](int64_t k) {
    if (k == parts) return range.end;
    int64_t at = n / parts * k + n % parts * k / parts;
    if (n >= kGrain * parts * 4) at = at / kGrain * kGrain;
    return range.begin + at;
  };
  return {boundary(i), boundary(i + 1)};
}

// Into how many lanes of about `lane_count` elements `n` elements are cut; at least one.
inline int64_t LaneCount(int64_t n, int64_t lane_count) {
  return std::max<int64_t>(1, (n + lane_count - 1) / lane_count);
}

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_RANGES_H_
