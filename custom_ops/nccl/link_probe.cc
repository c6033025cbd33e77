#include "nccl/link_probe.h"

#include "base/time.h"
#include "nccl/nccl_abi.h"

namespace tf_ddl {
namespace {

// Calls of which the mean is taken; before them one that is not counted, in which NCCL connects.
constexpr int kFewCalls = 10;  // of few bytes
constexpr int kManyCalls = 3;  // of many
constexpr int64_t kFloat = sizeof(float);

}  // namespace

Launcher::LinkProbe::~LinkProbe() {
  for (const Stretch& stretch : stretches_) {
    for (const CuEvent event : {stretch.from, stretch.to}) {
      if (event != nullptr) cuda_.event_destroy(event);
    }
  }
  // After a failure the GPU may still use it, and freeing would wait for that.
  if (memory_ != 0) l_.outgrown_.push_back(memory_);
}

Status Launcher::LinkProbe::Run(DeviceLinks* links) {
  DeviceTimes times;
  times.many_bytes = many_bytes_;
  const Status status = Issue(&times);
  if (!status.ok()) return status.Prefixed("while the links of the GPUs were measured");
  cuda_.mem_free(memory_);
  memory_ = 0;
  *links = FitDeviceLinks(times, l_.topology_);
  return OkStatus();
}

Status Launcher::LinkProbe::Issue(DeviceTimes* times) {
  const Device& device = *l_.device_;
  const size_t bytes = 2 * many_bytes_;  // what is packed, and where to
  Status status = device.Check(cuda_.mem_alloc(&memory_, bytes), "cuMemAlloc");
  if (!status.ok()) {
    return Internal(status.message() + ", for " + std::to_string(bytes) +
                    " bytes to measure links with: leave GPU memory for it (memory growth), or set "
                    "DDL_MEASURE_LINKS=0");
  }
  DDL_RETURN_IF_ERROR(AllReduces(l_.comms_->flat(), l_.flat_, &times->flat));
  const NcclApi& nccl = device.libraries().nccl();
  const NcclComm flat = l_.comms_->flat();
  DDL_RETURN_IF_ERROR(Repeat(l_.flat_, kFewCalls, &times->grouped, [&] {
    const int64_t count = kFewBytes / kFloat / kGroupedTensors;
    NcclResult result = nccl.group_start();
    if (result != kNcclSuccess) return l_.comms_->Check(result, "ncclGroupStart");
    for (int i = 0; i < kGroupedTensors; ++i) {
      void* tensor = reinterpret_cast<void*>(memory_ + i * count * kFloat);
      result = nccl.all_reduce(tensor, tensor, count, kNcclFloat32, kNcclSum, flat, l_.flat_);
      if (result != kNcclSuccess && result != kNcclInProgress) break;
    }
    const NcclResult ended = nccl.group_end();
    const bool failed = result != kNcclSuccess && result != kNcclInProgress;
    return l_.comms_->Settle(failed ? result : ended, flat, "ncclAllReduce");
  }));
  // The streams do not wait for each other: what is measured has to.
  DDL_RETURN_IF_ERROR(Finish());
  const int hosts = static_cast<int>(l_.topology_.hosts.size());
  if (DevicePlanCandidates(l_.topology_, l_.links_, many_bytes_).size() > 1) {
    std::vector<NcclComm> lines;
    DDL_RETURN_IF_ERROR(l_.Lines({{l_.topology_.size() / hosts, hosts}, 0}, &lines));
    DDL_RETURN_IF_ERROR(AllReduces(lines[0], l_.dimensions_[0], &times->local));
    DDL_RETURN_IF_ERROR(Finish());
    DDL_RETURN_IF_ERROR(AllReduces(lines[1], l_.dimensions_[1], &times->between));
    DDL_RETURN_IF_ERROR(Finish());
  }
  for (const bool many : {false, true}) {
    const int64_t count = (many ? many_bytes_ : kFewBytes) / kFloat;
    void* from = reinterpret_cast<void*>(memory_);
    const std::vector<TensorSegment> tensor = {{from, from, count}};
    const Packing packing = PackTogether(tensor, kFloat);
    DDL_RETURN_IF_ERROR(Repeat(
        l_.front_, many ? kManyCalls : kFewCalls, many ? &times->pack.many : &times->pack.few, [&] {
          return l_.kernels_->Pack(tensor, packing, DType::kFloat32, WireFormat::kAsIs,
                                   memory_ + many_bytes_, l_.front_);
        }));
  }
  DDL_RETURN_IF_ERROR(Finish());
  return Share(times);
}

Status Launcher::LinkProbe::AllReduces(NcclComm comm, CuStream stream, TwoTimes* times) {
  const NcclApi& nccl = l_.device_->libraries().nccl();
  for (const bool many : {false, true}) {
    void* memory = reinterpret_cast<void*>(memory_);
    const size_t count = (many ? many_bytes_ : kFewBytes) / kFloat;
    DDL_RETURN_IF_ERROR(
        Repeat(stream, many ? kManyCalls : kFewCalls, many ? &times->many : &times->few, [&] {
          return l_.comms_->Settle(
              nccl.all_reduce(memory, memory, count, kNcclFloat32, kNcclSum, comm, stream), comm,
              "ncclAllReduce");
        }));
  }
  return OkStatus();
}

Status Launcher::LinkProbe::Repeat(CuStream stream, int calls, double* seconds, const Call& call) {
  DDL_RETURN_IF_ERROR(call());
  stretches_.push_back({nullptr, nullptr, calls, seconds});
  DDL_RETURN_IF_ERROR(Mark(stream, &stretches_.back().from));
  for (int i = 0; i < calls; ++i) DDL_RETURN_IF_ERROR(call());
  return Mark(stream, &stretches_.back().to);
}

Status Launcher::LinkProbe::Mark(CuStream stream, CuEvent* event) {
  DDL_RETURN_IF_ERROR(l_.device_->Check(cuda_.event_create(event, 0), "cuEventCreate"));
  return l_.device_->Check(cuda_.event_record(*event, stream), "cuEventRecord");
}

Status Launcher::LinkProbe::Finish() {
  const Deadline deadline = l_.comms_->PatienceFromNow();
  for (const Stretch& stretch : stretches_) {
    for (;;) {
      const CuResult state = cuda_.event_query(stretch.to);
      if (state == kCudaSuccess) break;
      if (state != kCudaErrorNotReady) return l_.device_->Check(state, "cuEventQuery");
      DDL_RETURN_IF_ERROR(l_.comms_->KeepWaiting(deadline, "an all-reduce"));
    }
    float milliseconds = 0;
    DDL_RETURN_IF_ERROR(l_.device_->Check(
        cuda_.event_elapsed_time(&milliseconds, stretch.from, stretch.to), "cuEventElapsedTime"));
    *stretch.seconds = 1e-3 * milliseconds / stretch.calls;
  }
  for (const Stretch& stretch : stretches_) {
    cuda_.event_destroy(stretch.from);
    cuda_.event_destroy(stretch.to);
  }
  stretches_.clear();
  return OkStatus();
}

Status Launcher::LinkProbe::Share(DeviceTimes* times) {
  double values[] = {times->flat.few,   times->flat.many,   times->local.few,
                     times->local.many, times->between.few, times->between.many,
                     times->pack.few,   times->pack.many,   times->grouped};
  if (l_.rank_ != 0) {
    for (double& value : values) value = 0;
  }
  const Device& device = *l_.device_;
  DDL_RETURN_IF_ERROR(
      device.Check(cuda_.memcpy_htod(memory_, values, sizeof values), "cuMemcpyHtoD"));
  const NcclComm flat = l_.comms_->flat();
  void* memory = reinterpret_cast<void*>(memory_);
  double unused = 0;
  // Out of place, since Repeat calls it twice.
  void* sum = reinterpret_cast<void*>(memory_ + many_bytes_);
  DDL_RETURN_IF_ERROR(Repeat(l_.flat_, 1, &unused, [&] {
    return l_.comms_->Settle(
        device.libraries().nccl().all_reduce(memory, sum, std::size(values), kNcclFloat64, kNcclSum,
                                             flat, l_.flat_),
        flat, "ncclAllReduce");
  }));
  DDL_RETURN_IF_ERROR(Finish());
  DDL_RETURN_IF_ERROR(device.Check(cuda_.memcpy_dtoh(values, memory_ + many_bytes_, sizeof values),
                                   "cuMemcpyDtoH"));
  times->flat = {values[0], values[1]};
  times->local = {values[2], values[3]};
  times->between = {values[4], values[5]};
  times->pack = {values[6], values[7]};
  times->grouped = values[8];
  return OkStatus();
}

}  // namespace tf_ddl
