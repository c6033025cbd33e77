#include "nccl/issue.h"

#include <algorithm>

#include "base/time.h"

namespace tf_ddl {
namespace {

NcclDataType TypeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return kNcclFloat32;
    case DType::kFloat64:
      return kNcclFloat64;
    case DType::kFloat16:
      return kNcclFloat16;
    case DType::kBFloat16:
      return kNcclBfloat16;
    case DType::kInt32:
      return kNcclInt32;
    case DType::kInt64:
      return kNcclInt64;
    case DType::kBytes:
      break;
  }
  return kNcclUint8;
}

template <typename T>
T* At(T* base, int64_t bytes) {
  using Byte = std::conditional_t<std::is_const_v<T>, const uint8_t, uint8_t>;
  return static_cast<Byte*>(base) + bytes;
}

}  // namespace

Launcher::Issue::Issue(Launcher* launcher, const DeviceCollective& collective)
    : l_(*launcher),
      cuda_(l_.cuda_),
      nccl_(l_.device_->libraries().nccl()),
      c_(collective),
      // What does not travel is not rounded.
      narrow_(c_.wire != WireFormat::kAsIs && c_.dtype == DType::kFloat32 &&
              l_.topology_.size() > 1),
      integers_(c_.dtype == DType::kInt32 || c_.dtype == DType::kInt64),
      mean_(c_.op == ReduceOp::kMean && l_.topology_.size() > 1),
      element_bytes_(narrow_ ? 2 : SizeOf(c_.dtype)) {
  for (const TensorSegment& segment : c_.segments) {
    if (segment.count > 0) segments_.push_back(segment);
    count_ += segment.count;
  }
  type_ = TypeOf(c_.dtype);
  if (narrow_) type_ = c_.wire == WireFormat::kBFloat16 ? kNcclBfloat16 : kNcclFloat16;
  // Integers are divided after the sum, as what travels in 16 bits is: by the kernel that unpacks.
  op_ = mean_ && !integers_ && !narrow_ ? kNcclAvg : kNcclSum;
}

Status Launcher::Issue::Mark(CuStream stream, std::shared_ptr<CudaEvent>* event) {
  DDL_RETURN_IF_ERROR(l_.device_->NewEvent(event));
  return l_.device_->Check(cuda_.event_record((*event)->get(), stream), "cuEventRecord");
}

Status Launcher::Issue::WaitFor(CuStream stream, const CudaEvent& event) {
  return l_.device_->Check(cuda_.stream_wait_event(stream, event.get(), 0), "cuStreamWaitEvent");
}

template <typename Call>
Status Launcher::Issue::Nccl(NcclComm comm, const char* name, const Call& call) {
  const int64_t begin = NowNanos();
  const Status status = l_.comms_->Settle(call(), comm, name);
  library_seconds_ += 1e-9 * static_cast<double>(NowNanos() - begin);
  return status;
}

Status Launcher::Issue::WaitForTensors(CuStream stream) {
  for (const std::shared_ptr<DeviceEvent>& event : c_.ready) {
    DDL_RETURN_IF_ERROR(WaitFor(stream, static_cast<const CudaEvent&>(*event)));
  }
  return OkStatus();
}

bool Launcher::Issue::WantsPacking() const {
  if (narrow_) return true;
  const int tensors = static_cast<int>(segments_.size());
  if (!c_.plan.grid.empty()) return tensors > 1;  // a reduce-scatter needs one piece
  return PackingIsFaster(l_.links_, tensors, count_ * static_cast<int64_t>(element_bytes_));
}

Status Launcher::Issue::Run(std::shared_ptr<CudaEvent>* end) {
  if (count_ == 0) {
    DDL_RETURN_IF_ERROR(WaitForTensors(l_.back_));
    return Mark(l_.back_, end);
  }
  bool packed = WantsPacking();
  if (packed) {
    packing_ = PackTogether(segments_, narrow_ ? 2 : element_bytes_);
    const int64_t unit = ScheduleUnit(c_.plan);
    packing_.count = (packing_.count + unit - 1) / unit * unit;
    const Status status = l_.TakeScratch(packing_.count * element_bytes_, &scratch_);
    if (!status.ok()) {
      // Packing for speed alone is no reason to fail.
      if (narrow_ || !c_.plan.grid.empty()) return status;
      packed = false;
    }
  }
  if (packed) {
    DDL_RETURN_IF_ERROR(Pack());
  } else {
    for (const TensorSegment& segment : segments_) {
      pieces_.push_back({segment.in, segment.out, segment.count});
    }
  }
  DDL_RETURN_IF_ERROR(c_.plan.grid.empty() ? ReduceFlat() : ReduceOnGrid());
  return Finish(end);
}

Status Launcher::Issue::Pack() {
  if (scratch_->free != nullptr) DDL_RETURN_IF_ERROR(WaitFor(l_.front_, *scratch_->free));
  DDL_RETURN_IF_ERROR(WaitForTensors(l_.front_));
  DDL_RETURN_IF_ERROR(l_.kernels_->Pack(segments_, packing_, c_.dtype,
                                        narrow_ ? c_.wire : WireFormat::kAsIs, scratch_->memory,
                                        l_.front_));
  void* memory = reinterpret_cast<void*>(scratch_->memory);
  pieces_.push_back({memory, memory, packing_.count});
  std::shared_ptr<CudaEvent> packed;
  DDL_RETURN_IF_ERROR(Mark(l_.front_, &packed));
  reduced_.push_back(packed);  // until there is something later to wait for
  return OkStatus();
}

Status Launcher::Issue::ReduceFlat() {
  if (scratch_ != nullptr) {
    DDL_RETURN_IF_ERROR(WaitFor(l_.flat_, *reduced_.back()));
  } else {
    DDL_RETURN_IF_ERROR(WaitForTensors(l_.flat_));
  }
  const NcclComm comm = l_.comms_->flat();
  const auto reduce = [&](const Piece& piece) {
    return nccl_.all_reduce(piece.in, piece.out, piece.count, type_, op_, comm, l_.flat_);
  };
  if (pieces_.size() == 1) {
    return Nccl(comm, "ncclAllReduce", [&] { return reduce(pieces_[0]); });
  }
  return Nccl(comm, "ncclAllReduce", [&] {
    NcclResult result = nccl_.group_start();
    if (result != kNcclSuccess) return result;
    for (const Piece& piece : pieces_) {
      result = reduce(piece);
      if (result != kNcclSuccess && result != kNcclInProgress) break;
    }
    // A group that was begun is ended, also after an error.
    const NcclResult ended = nccl_.group_end();
    return result != kNcclSuccess && result != kNcclInProgress ? result : ended;
  });
}

Status Launcher::Issue::ReduceOnGrid() {
  std::vector<NcclComm> lines;
  DDL_RETURN_IF_ERROR(l_.Lines(c_.plan, &lines));
  const std::vector<DeviceStep> schedule = DeviceSchedule(
      c_.plan, l_.topology_, l_.rank_, pieces_[0].count, static_cast<int64_t>(element_bytes_));
  const std::shared_ptr<CudaEvent> packed = scratch_ != nullptr ? reduced_.back() : nullptr;
  std::map<int, std::shared_ptr<CudaEvent>> last;  // of each chunk
  std::vector<CuStream> waited;                    // streams that have waited for the tensors
  for (const DeviceStep& step : schedule) {
    const CuStream stream = step.dimension < 0 ? l_.flat_ : l_.dimensions_[step.dimension];
    if (step.from_input && std::find(waited.begin(), waited.end(), stream) == waited.end()) {
      DDL_RETURN_IF_ERROR(packed != nullptr ? WaitFor(stream, *packed) : WaitForTensors(stream));
      waited.push_back(stream);
    }
    std::shared_ptr<CudaEvent>& before = last[step.chunk];
    if (before != nullptr) DDL_RETURN_IF_ERROR(WaitFor(stream, *before));
    DDL_RETURN_IF_ERROR(Step(step, lines, stream));
    DDL_RETURN_IF_ERROR(Mark(stream, &before));
  }
  reduced_.clear();
  for (const auto& [chunk, event] : last) reduced_.push_back(event);
  return OkStatus();
}

Status Launcher::Issue::Step(const DeviceStep& step, const std::vector<NcclComm>& lines,
                             CuStream stream) {
  const Piece& piece = pieces_[0];
  const auto bytes = static_cast<int64_t>(element_bytes_);
  const NcclComm comm = step.dimension < 0 ? l_.comms_->flat() : lines[step.dimension];
  const void* whole_in = At(piece.in, step.range.begin * bytes);
  void* whole = At(piece.out, step.range.begin * bytes);
  void* own = At(piece.out, step.own.begin * bytes);
  if (!step.from_input) whole_in = whole;
  switch (step.kind) {
    case DeviceStepKind::kReduceScatter:
      return Nccl(comm, "ncclReduceScatter", [&] {
        return nccl_.reduce_scatter(whole_in, own, step.own.size(), type_, op_, comm, stream);
      });
    case DeviceStepKind::kAllReduce:
      return Nccl(comm, "ncclAllReduce", [&] {
        return nccl_.all_reduce(whole_in, whole, step.range.size(), type_, op_, comm, stream);
      });
    case DeviceStepKind::kAllGather:
      return Nccl(comm, "ncclAllGather", [&] {
        return nccl_.all_gather(own, whole, step.own.size(), type_, comm, stream);
      });
  }
  return OkStatus();
}

Status Launcher::Issue::Finish(std::shared_ptr<CudaEvent>* end) {
  const bool flat = c_.plan.grid.empty();
  const bool divide = mean_ && integers_;
  // Nothing follows the one call: its own stream marks the end.
  if (flat && scratch_ == nullptr && !divide) return Mark(l_.flat_, end);
  if (flat) {
    std::shared_ptr<CudaEvent> event;
    DDL_RETURN_IF_ERROR(Mark(l_.flat_, &event));
    reduced_ = {event};
  }
  for (const auto& event : reduced_) DDL_RETURN_IF_ERROR(WaitFor(l_.back_, *event));
  if (scratch_ != nullptr) {
    DDL_RETURN_IF_ERROR(l_.kernels_->Unpack(segments_, packing_, c_.dtype,
                                            narrow_ ? c_.wire : WireFormat::kAsIs, scratch_->memory,
                                            mean_ ? l_.topology_.size() : 1, l_.back_));
  }
  if (divide) {
    DDL_RETURN_IF_ERROR(l_.kernels_->Divide(segments_, c_.dtype, l_.topology_.size(), l_.back_));
  }
  DDL_RETURN_IF_ERROR(Mark(l_.back_, end));
  if (scratch_ != nullptr) scratch_->free = *end;
  return OkStatus();
}

}  // namespace tf_ddl
