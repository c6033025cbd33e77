// The median of measurements.
#ifndef TF_DDL_BASE_MEDIAN_H_
#define TF_DDL_BASE_MEDIAN_H_

#include <algorithm>
#include <vector>

namespace tf_ddl {

// The upper one of an even number of values. `values` must not be empty.
inline double Median(std::vector<double> values) {
  const size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + middle, values.end());
  return values[middle];
}

}  // namespace tf_ddl

#endif  // TF_DDL_BASE_MEDIAN_H_
