// Puts a collective on the device's streams: which calls of NCCL's and which kernels, on which
// stream, after which events. Used by the launch thread alone, inside the gate.
//
// Streams: `front` packs, `flat` reduces among all ranks, one for each dimension of a grid reduces
// along it, `back` unpacks and divides. A bucket's stages are joined by events; what has its own
// stream runs beside the stages of other buckets and of other chunks. All are urgent: they come
// before TensorFlow's kernels when the GPU chooses.
#ifndef TF_DDL_NCCL_LAUNCHER_H_
#define TF_DDL_NCCL_LAUNCHER_H_

#include <memory>
#include <string>
#include <vector>

#include "nccl/comm_set.h"
#include "nccl/device.h"
#include "nccl/job.h"
#include "nccl/kernels.h"
#include "nccl/launch_costs.h"

namespace tf_ddl {

class Launcher {
 public:
  Launcher(std::shared_ptr<Device> device, std::shared_ptr<CommSet> comms, const Topology& topology,
           const DeviceLinks& links, int rank, Gate* gate);
  ~Launcher();

  Status Init();
  // All ranks at the same time, before the first Launch: what is measured is what plans cost.
  Status MeasureLinks(int64_t many_bytes);
  const DeviceLinks& links() const { return links_; }
  // Afterwards job->end is recorded behind everything that the collective does.
  Status Launch(Job* job);
  // Whether nothing of ours is left on the device.
  bool Idle() const;
  const LaunchCosts& costs() const { return costs_; }
  const std::string& kernels_form() const { return kernels_->form(); }

 private:
  class Issue;
  class LinkProbe;
  struct Scratch {
    CuPointer memory = 0;
    size_t bytes = 0;
    std::shared_ptr<CudaEvent> free;  // reached when its last user has done with it
  };

  std::vector<CuStream> Streams() const;
  // The communicators of a grid's dimensions, each with a stream in dimensions_.
  Status Lines(const DevicePlan& plan, std::vector<NcclComm>* lines);
  // Memory that is in use until scratch->free; whoever takes it sets that.
  Status TakeScratch(size_t bytes, Scratch** scratch);

  const std::shared_ptr<Device> device_;
  const CudaApi& cuda_;
  const std::shared_ptr<CommSet> comms_;
  const Topology topology_;
  DeviceLinks links_;
  const int rank_;
  Gate* const gate_;
  std::unique_ptr<Kernels> kernels_;
  CuStream front_ = nullptr, flat_ = nullptr, back_ = nullptr;
  std::vector<CuStream> dimensions_;
  std::vector<std::vector<int>> grids_;  // that have their communicators
  // Taken in turn, so that a bucket is packed while the one before is still reduced.
  Scratch scratch_[2];
  int next_scratch_ = 0;
  std::vector<CuPointer> outgrown_;  // freed at the end: freeing waits for the device
  LaunchCosts costs_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_LAUNCHER_H_
