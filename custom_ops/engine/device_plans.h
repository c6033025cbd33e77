// Which plan a bucket in GPU memory gets, on rank 0: among those that the device communicator
// offers, the ones that the user's options allow.
#ifndef TF_DDL_ENGINE_DEVICE_PLANS_H_
#define TF_DDL_ENGINE_DEVICE_PLANS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "comm/device_communicator.h"
#include "engine/engine.h"
#include "plan/device_plan.h"

namespace tf_ddl {

class DevicePlans {
 public:
  DevicePlans(const DeviceCommunicator* device, const EngineOptions& options)
      : device_(device), options_(options) {}

  // kInvalidArgument if the user wishes a grid that is not offered. Plans that only concern host
  // memory ("ring", "direct") leave the choice free here.
  Status CheckWishes() const;
  // What is worth trying for a bucket, the one to begin with first; at least one.
  std::vector<DevicePlan> Candidates(int64_t bytes) const;
  // What a bucket gets of which nothing was measured. Remembered.
  const DevicePlan& First(int64_t bytes);

 private:
  const DeviceCommunicator* const device_;
  const EngineOptions options_;
  std::map<int64_t, DevicePlan> first_;  // by bytes
};

// "gpu flat": beside the names of plans for host memory.
std::string NameOf(const DevicePlan& plan);

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_DEVICE_PLANS_H_
