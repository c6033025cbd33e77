// The driving thread's work on groups in GPU memory: buckets go to the device communicator in rank
// 0's order (engine/device_order.h), everything else of a group is as for host memory.
//
// The callbacks of a bucket's tensors go with it to the device communicator, whose thread runs them
// as soon as the device has finished; the driving thread learns of it afterwards and keeps the
// books.
#include <algorithm>
#include <utility>

#include "base/time.h"
#include "engine/progress_engine.h"

namespace tf_ddl {
namespace {

// A rank that left in good order had finished its part; the device ends this rank's soon.
constexpr double kLeftSeconds = 2;
// Plans are tuned for the usual bucket; for those of less than this part of it the model chooses.
constexpr int64_t kUsualPart = 4;

}  // namespace

// ---- any thread -------------------------------------------------------------------------------

void ProgressEngine::AllReduceOnDevice(uint64_t group, int index, const void* in, void* out,
                                       int64_t count, void* stream, Done done) {
  TensorArrival arrival{in, out, count, std::move(done), nullptr, nullptr};
  Status status = health();
  if (status.ok() && device_ == nullptr) {
    status = FailedPrecondition("this job has no communicator for GPU memory");
  }
  if (status.ok()) {
    status = device_->RecordReady(stream, &arrival.ready);
    if (!status.ok()) Abort(status);  // the other ranks would wait in vain
  }
  if (!status.ok()) return arrival.done(status);
  Submit(CollectiveKind::kAllReduce, group, index, std::move(arrival));
}

void ProgressEngine::DeviceBucketEnded(const DeviceBucket& bucket, const Status& status) {
  if (!status.ok()) Abort(status);
  bool wake;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    device_ends_.push_back({bucket, NowNanos()});
    wake = health_.ok();  // else there is no progress thread any more
  }
  if (wake) communicator_->Wake();
  std::lock_guard<std::mutex> lock(mutex_);
  if (--device_running_ == 0) device_stopped_.notify_all();
}

// ---- the driving thread -----------------------------------------------------------------------

// A bucket has all its tensors on this rank. Rank 0 starts it, the others when it is its turn.
void ProgressEngine::QueueDeviceBucket(Group* group, Call* call, int bucket) {
  const DeviceBucket which{group->id(), call->number, bucket};
  if (rank_ != 0) {
    device_order_.Complete(which);
    return StartDeviceTurns();
  }
  int64_t count = 0;
  const auto& members = call->layout->buckets[bucket];
  for (int index : members) count += call->arrivals[index].count;
  const int64_t bytes =
      count * static_cast<int64_t>(SizeOf(group->spec().tensors[members[0]].dtype));
  const bool tuned =
      call->has_device_plan && bytes * kUsualPart >= std::min(call->bucket_bytes, group->bytes());
  const DeviceTurn turn{which, tuned ? call->device_plan : device_plans_.First(bytes)};
  device_order_.Started(turn);
  StartDeviceBucket(turn);
}

void ProgressEngine::StartDeviceTurns() {
  DeviceTurn turn;
  while (failure_.ok() && device_order_.Next(&turn)) StartDeviceBucket(turn);
}

void ProgressEngine::StartDeviceBucket(const DeviceTurn& turn) {
  Group* group = groups_.at(turn.bucket.group).get();
  Call* call = group->FindCall(turn.bucket.call);
  const int bucket = turn.bucket.bucket;
  const auto& members = call->layout->buckets[bucket];
  auto collective = std::make_unique<DeviceCollective>();
  collective->dtype = group->spec().tensors[members[0]].dtype;
  collective->op = group->spec().op;
  if (collective->dtype == DType::kFloat32) collective->wire = options_.compression;
  collective->plan = turn.plan;
  collective->name = group->Describe(*call, bucket);
  int64_t count = 0;
  std::vector<Done> dones;
  for (int index : members) {
    TensorArrival& arrival = call->arrivals[index];
    if (arrival.count > 0) {
      collective->segments.push_back({arrival.in, arrival.out, arrival.count});
      collective->ready.push_back(std::move(arrival.ready));
    }
    arrival.ready = nullptr;
    count += arrival.count;
    dones.push_back(std::exchange(arrival.done, nullptr));
  }
  const int64_t now = NowNanos();
  const int64_t bytes = count * static_cast<int64_t>(SizeOf(collective->dtype));
  recorder_.CollectiveStarted(NameOf(turn.plan), bytes, now);
  call->started_at[bucket] = now;
  call->device_plan_names[bucket] = NameOf(turn.plan);
  if (call->record != nullptr) {
    CallRecord::Bucket& record = call->record->buckets[bucket];
    record.bytes = bytes;
    record.plan = NameOf(turn.plan);
    record.started = now;
  }
  ++device_started_;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ++device_running_;
  }
  collective->done = [this, which = turn.bucket,
                      dones = std::move(dones)](const Status& status) mutable {
    for (Done& done : dones) done(status);
    dones.clear();  // what they hold goes before this engine may
    DeviceBucketEnded(which, status);
  };
  if (count == 0) return collective->done(OkStatus());
  device_->Start(std::move(collective));
}

void ProgressEngine::OnDeviceOrder(const std::string& payload) {
  SendDeviceOrder(payload);
  const Status status = rank_ == 0 || device_ == nullptr
                            ? Internal("an order of GPU buckets came to " + RankText(rank_))
                            : device_order_.Add(payload);
  if (!status.ok()) return Fail(status);
  StartDeviceTurns();
}

void ProgressEngine::SendDeviceOrder(const std::string& payload) {
  for (int peer : FanOut(rank_, size_)) {
    communicator_->SendControl(peer, ControlKind::kDeviceOrder, payload);
  }
}

// Rank 0 tells what it has started since the last turn; all take note of what has ended.
bool ProgressEngine::DrainDeviceEnds() {
  const std::string order = device_order_.Take();
  if (!order.empty()) SendDeviceOrder(order);
  std::vector<DeviceEnd> ends;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ends.swap(device_ends_);
  }
  for (const DeviceEnd& end : ends) {
    ++device_ended_;
    recorder_.CollectiveEnded(end.at);
    Group* group = groups_.at(end.bucket.group).get();
    Call* call = group->FindCall(end.bucket.call);
    const int bucket = end.bucket.bucket;
    int64_t bytes = 0;
    for (int index : call->layout->buckets[bucket]) {
      bytes += call->arrivals[index].count *
               static_cast<int64_t>(SizeOf(group->spec().tensors[index].dtype));
    }
    recorder_.BucketTook(call->device_plan_names[bucket], bytes, end.at - call->started_at[bucket]);
    if (call->record != nullptr) call->record->buckets[bucket].ended = end.at;
    if (call->unfinished == 1) Measure(group, *call, end.at);
    group->BucketFinished(call, &recorder_);
  }
  return !ends.empty() || !order.empty();
}

// No bucket of a call can be started once a rank has left; one that was started may have ended
// there before here.
void ProgressEngine::CheckDeviceLeft(const Group& group, const Call& call) {
  if (call.layout == nullptr || !group.agreed()) return;
  const auto late = Clock::now() - std::chrono::duration_cast<Clock::duration>(
                                       std::chrono::duration<double>(kLeftSeconds));
  const bool unstarted = std::any_of(call.started_at.begin(), call.started_at.end(),
                                     [](int64_t at) { return at == 0; });
  for (int peer = 0; peer < size_; ++peer) {
    if (!left_[peer] || (!unstarted && left_at_[peer] > late)) continue;
    return Fail(Unavailable(RankText(peer) + " (" + communicator_->HostOf(peer) +
                            ") has left the job: its program ended while " + RankText(rank_) +
                            " waits in " + ToString(group.spec().tensors[0])));
  }
}

std::string ProgressEngine::DescribeTurn(const DeviceTurn& turn) const {
  const auto found = groups_.find(turn.bucket.group);
  if (found == groups_.end()) return "a bucket of a group that this rank does not know";
  const Group& group = *found->second;
  std::string text = "bucket " + std::to_string(turn.bucket.bucket) + " of call " +
                     std::to_string(turn.bucket.call) + " of '" + group.spec().key + "' (" +
                     ToString(group.spec().tensors[0]) + ", ...)";
  for (const auto& call : group.calls()) {
    if (call->number != turn.bucket.call) continue;
    const std::string missing = group.DescribeMissing(*call);
    return text + (missing.empty() ? "" : ", which has not been given " + missing);
  }
  return text + ", of which nothing has arrived";
}

std::string ProgressEngine::DescribeDeviceWait(const Group& group, const Call& call) const {
  for (size_t bucket = 0; bucket < call.started_at.size(); ++bucket) {
    if (call.started_at[bucket] != 0 || call.missing[bucket] > 0) continue;
    const DeviceTurn* next = device_order_.waiting();
    return "waits for its turn on the GPU: " +
           (next == nullptr ? std::string("rank 0 has not started ") +
                                  group.Describe(call, static_cast<int>(bucket))
                            : "next is " + DescribeTurn(*next) + " on " + RankText(rank_));
  }
  return "waits for the GPUs, which have finished " + std::to_string(device_ended_) + " of " +
         std::to_string(device_started_) + " collectives started on " + RankText(rank_);
}

}  // namespace tf_ddl
