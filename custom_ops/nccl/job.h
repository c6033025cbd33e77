// One collective on its way from Start to done.
#ifndef TF_DDL_NCCL_JOB_H_
#define TF_DDL_NCCL_JOB_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "comm/device_communicator.h"
#include "nccl/device.h"

namespace tf_ddl {

struct Job {
  std::unique_ptr<DeviceCollective> collective;
  int64_t number = 0;  // of the Starts of this rank
  int64_t bytes = 0;
  std::shared_ptr<CudaEvent> end;  // set by the launch thread before `launched`
  // Nanoseconds of the monotonic clock; 0: not yet.
  int64_t started = 0;
  std::atomic<int64_t> launched{0};
  std::atomic<int64_t> ended{0};
};

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_JOB_H_
