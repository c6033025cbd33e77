// Buckets in GPU memory, reduced by NCCL.
//
// libnccl and the CUDA driver are opened while the program runs (nccl/libraries.h); building needs
// neither. One process has one communicator for its GPU; several ranks may share a GPU where NCCL
// allows it (2.30 and newer with NCCL_MULTI_RANK_GPU_ENABLE=1).
#ifndef TF_DDL_NCCL_NCCL_COMMUNICATOR_H_
#define TF_DDL_NCCL_NCCL_COMMUNICATOR_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "comm/device_communicator.h"
#include "nccl/launch_costs.h"
#include "nccl/libraries.h"
#include "plan/device_cost.h"

namespace tf_ddl {

struct NcclOptions {
  LibraryPaths libraries;
  int ordinal = 0;  // of the GPU, among those that this process sees
  int rank = 0;
  int size = 1;
  std::vector<std::string> hosts;  // by rank; empty: all on one
  std::string unique_id;           // of rank 0's MakeNcclUniqueId, the same bytes on every rank
  double init_seconds = 60;        // until all ranks have met; also for the splits of a grid
  // Asked now and then while ranks are waited for in CreateNcclCommunicator, and never later; what
  // is not OK ends the wait with that status (a peer died, the job was aborted).
  std::function<Status()> give_up;
  DeviceLinks links = UsualDeviceLinks();
  // Measure them when all ranks have met (nccl/link_probe.h). The same on every rank. Not where
  // runs are to be repeatable: which plan is chosen depends on it, and whether tensors are packed.
  bool measure_links = false;
  int64_t measured_bytes = kManyBytes;  // of large calls; more than kFewBytes, a multiple of 16
  // Collectives are launched by communicators that are split from the non-blocking one and block:
  // NCCL starts a thread for every call of a non-blocking one.
  bool blocking_launches = true;
};

// 128 bytes that every rank needs for CreateNcclCommunicator. Opens the libraries; waits for
// nobody.
Status MakeNcclUniqueId(const LibraryPaths& libraries, std::string* unique_id);

// Every rank calls it at the same time. Returns when all ranks have met, or with kUnavailable (a
// library is missing or unusable: the message is that of the report), kInvalidArgument,
// kDeadlineExceeded (which names rank, size and deadline), or what `give_up` said.
Status CreateNcclCommunicator(const NcclOptions& options,
                              std::unique_ptr<DeviceCommunicator>* communicator);

// Of a communicator that CreateNcclCommunicator has made. Any thread.
LaunchCosts NcclLaunchCosts(const DeviceCommunicator& communicator);
DeviceLinks NcclDeviceLinks(const DeviceCommunicator& communicator);

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_NCCL_COMMUNICATOR_H_
