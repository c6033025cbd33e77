// How a bucket in GPU memory is reduced: as one all-reduce that the device library spreads over the
// ranks by itself, or as a grid, dimension by dimension (reduce-scatter along each but the last,
// all-reduce along the last, all-gather back), in chunks that follow each other through the phases.
#ifndef TF_DDL_PLAN_DEVICE_PLAN_H_
#define TF_DDL_PLAN_DEVICE_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

namespace tf_ddl {

struct DevicePlan {
  std::vector<int> grid;    // lengths of the dimensions, those within a host first; empty: flat
  int64_t chunk_bytes = 0;  // of a grid; 0: the bucket in one piece
};

// "flat", "grid 8x4, chunks of 4 MiB"
std::string ToString(const DevicePlan& plan);

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_DEVICE_PLAN_H_
