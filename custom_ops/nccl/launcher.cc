#include "nccl/launcher.h"

#include <algorithm>

#include "nccl/issue.h"
#include "nccl/link_probe.h"

namespace tf_ddl {

Launcher::Launcher(std::shared_ptr<Device> device, std::shared_ptr<CommSet> comms,
                   const Topology& topology, const DeviceLinks& links, int rank, Gate* gate)
    : device_(std::move(device)),
      cuda_(device_->cuda()),
      comms_(std::move(comms)),
      topology_(topology),
      links_(links),
      rank_(rank),
      gate_(gate) {}

Launcher::~Launcher() {
  if (device_->abandoned()) return;
  const ScopedContext current = device_->Use();
  for (const CuStream stream : Streams()) cuda_.stream_destroy(stream);
  for (const Scratch& scratch : scratch_) {
    if (scratch.memory != 0) cuda_.mem_free(scratch.memory);
  }
  for (const CuPointer memory : outgrown_) cuda_.mem_free(memory);
}

Status Launcher::Init() {
  for (CuStream* stream : {&front_, &flat_, &back_}) {
    DDL_RETURN_IF_ERROR(device_->NewStream(true, stream));
  }
  return Kernels::Load(device_, ShippedKernels(), &kernels_);
}

Status Launcher::MeasureLinks(int64_t many_bytes) {
  return LinkProbe(this, many_bytes).Run(&links_);
}

std::vector<CuStream> Launcher::Streams() const {
  std::vector<CuStream> streams = dimensions_;
  for (const CuStream stream : {front_, flat_, back_}) {
    if (stream != nullptr) streams.push_back(stream);
  }
  return streams;
}

bool Launcher::Idle() const {
  for (const CuStream stream : Streams()) {
    if (cuda_.stream_query(stream) == kCudaErrorNotReady) return false;
  }
  return true;
}

Status Launcher::Launch(Job* job) {
  const int64_t begin = NowNanos();
  Issue issue(this, *job->collective);
  const Status status = issue.Run(&job->end);
  ++costs_.buckets;
  costs_.seconds += 1e-9 * static_cast<double>(NowNanos() - begin);
  costs_.library_seconds += issue.library_seconds();
  return status;
}

Status Launcher::Lines(const DevicePlan& plan, std::vector<NcclComm>* lines) {
  if (std::find(grids_.begin(), grids_.end(), plan.grid) == grids_.end()) {
    // Splitting is for communicators with nothing under way.
    while (!Idle()) {
      if (!gate_->Pause(0.0005)) return Cancelled("aborted");
    }
    grids_.push_back(plan.grid);
  }
  DDL_RETURN_IF_ERROR(comms_->Lines(plan, lines));
  while (dimensions_.size() < lines->size()) {
    CuStream stream = nullptr;
    DDL_RETURN_IF_ERROR(device_->NewStream(true, &stream));
    dimensions_.push_back(stream);
  }
  return OkStatus();
}

Status Launcher::TakeScratch(size_t bytes, Scratch** scratch) {
  Scratch* taken = &scratch_[next_scratch_];
  if (taken->bytes < bytes) {
    size_t larger = std::max<size_t>(taken->bytes, 1 << 20);
    while (larger < bytes) larger *= 2;
    CuPointer memory = 0;
    const Status status = device_->Check(cuda_.mem_alloc(&memory, larger), "cuMemAlloc");
    if (!status.ok()) {
      return Internal(status.message() + ", for a buffer of " + std::to_string(larger) +
                      " bytes to pack tensors in: leave GPU memory for it (memory growth), or use "
                      "smaller buckets");
    }
    // Its last user may not have done with it.
    if (taken->memory != 0) outgrown_.push_back(taken->memory);
    *taken = {memory, larger, nullptr};
  }
  next_scratch_ = 1 - next_scratch_;
  *scratch = taken;
  return OkStatus();
}

}  // namespace tf_ddl
