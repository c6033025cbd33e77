// Where the host's time for GPU collectives goes.
#ifndef TF_DDL_NCCL_LAUNCH_COSTS_H_
#define TF_DDL_NCCL_LAUNCH_COSTS_H_

#include <cstdint>

namespace tf_ddl {

struct LaunchCosts {
  int64_t buckets = 0;
  double seconds = 0;          // from a collective's turn on the launch thread until it is launched
  double library_seconds = 0;  // of these, in NCCL
};

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_LAUNCH_COSTS_H_
