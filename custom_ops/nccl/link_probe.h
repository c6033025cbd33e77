// What all-reduces take on a job's GPUs, measured when the job starts: flat ones and, where a grid
// can be chosen, those along its dimensions; our packing kernel; a group of many small tensors.
// A few milliseconds on real GPUs.
//
// Rank 0's times are everybody's (they travel as a sum to which the others add zeros): whether a
// bucket is packed must be decided alike on all ranks.
#ifndef TF_DDL_NCCL_LINK_PROBE_H_
#define TF_DDL_NCCL_LINK_PROBE_H_

#include <functional>
#include <memory>
#include <vector>

#include "nccl/launcher.h"
#include "plan/device_cost.h"

namespace tf_ddl {

class Launcher::LinkProbe {
 public:
  // `many_bytes`: of the large calls.
  LinkProbe(Launcher* launcher, int64_t many_bytes)
      : l_(*launcher), cuda_(l_.cuda_), many_bytes_(many_bytes) {}
  ~LinkProbe();

  // All ranks at the same time, on the launch thread.
  Status Run(DeviceLinks* links);

 private:
  using Call = std::function<Status()>;
  // A stretch of equal calls between two events.
  struct Stretch {
    CuEvent from = nullptr, to = nullptr;
    int calls = 0;
    double* seconds = nullptr;  // of one call: where the result goes
  };

  Status Issue(DeviceTimes* times);
  // Small and large all-reduces on `comm`.
  Status AllReduces(NcclComm comm, CuStream stream, TwoTimes* times);
  Status Repeat(CuStream stream, int calls, double* seconds, const Call& call);
  Status Mark(CuStream stream, CuEvent* event);
  // Waits for all that was issued, and reads the times.
  Status Finish();
  Status Share(DeviceTimes* times);

  Launcher& l_;
  const CudaApi& cuda_;
  const int64_t many_bytes_;
  CuPointer memory_ = 0;
  std::vector<Stretch> stretches_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_LINK_PROBE_H_
