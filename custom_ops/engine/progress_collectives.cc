// The progress thread's work: from arrivals to running collectives and back to their callers.
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "base/time.h"
#include "engine/progress_engine.h"
#include "plan/planner.h"

namespace tf_ddl {
namespace {

// Elements per lane of a broadcast.
constexpr int64_t kBroadcastLane = 1 << 20;
// Marks the exchange of an all-gather's counts in its tags.
constexpr int kCountsBucket = 0xFFFF;

}  // namespace

void ProgressEngine::AddGroup(std::unique_ptr<Group> group) {
  Group* added = group.get();
  by_sequence_[added->sequence()] = added;
  groups_[added->id()] = std::move(group);
  if (rank_ == 0) {
    Confirm(0, added->sequence(), added->spec());
  } else {
    communicator_->SendControl(0, ControlKind::kGroup,
                               std::to_string(added->sequence()) + "\n" + Serialize(added->spec()));
  }
}

void ProgressEngine::AddArrival(Group* group, int index, TensorArrival arrival) {
  recorder_.TensorArrived();
  Call* call = group->CallOfNext(index, &recorder_);
  group->Add(call, index, std::move(arrival));
  StartComplete(group, call);
  if (rank_ == 0) AnnounceOrder(group);
}

// Rank 0, once per group: the order in which its tensors arrived in the first call.
void ProgressEngine::AnnounceOrder(Group* group) {
  const std::vector<int> order = group->TakeMeasuredOrder();
  if (order.empty()) return;
  std::string payload = std::to_string(group->id());
  for (int i : order) payload += " " + std::to_string(i);
  for (int peer = 1; peer < size_; ++peer) {
    communicator_->SendControl(peer, ControlKind::kOrder, payload);
  }
  OnOrder(payload);
}

void ProgressEngine::Confirm(int peer, uint64_t sequence, const GroupSpec& spec) {
  bool complete;
  const Status status = agreement_.Add(peer, sequence, spec, &complete);
  if (!status.ok()) return Fail(status);
  if (!complete) return;
  for (int other = 1; other < size_; ++other) {
    communicator_->SendControl(other, ControlKind::kAgreed, std::to_string(sequence));
  }
  OnAgreed(sequence);
}

void ProgressEngine::OnAgreed(uint64_t sequence) {
  auto it = by_sequence_.find(sequence);
  if (it == by_sequence_.end()) return Fail(Internal("rank 0 confirmed an unknown group"));
  Group* group = it->second;
  group->set_agreed();
  for (const auto& call : group->calls()) StartComplete(group, call.get());
  if (rank_ == 0) AnnounceOrder(group);
}

void ProgressEngine::OnOrder(const std::string& payload) {
  std::istringstream text(payload);
  uint64_t id = 0;
  std::vector<int> order;
  text >> id;
  for (int index; text >> index;) order.push_back(index);
  auto it = groups_.find(id);
  if (it == groups_.end() ||
      !IsPermutation(order, static_cast<int>(it->second->spec().tensors.size()))) {
    return Fail(Internal("rank 0 sent an order that does not fit its group"));
  }
  Group* group = it->second.get();
  group->SetOrder(order);
  for (const auto& call : group->calls()) StartComplete(group, call.get());
}

void ProgressEngine::StartComplete(Group* group, Call* call) {
  if (!failure_.ok()) return;  // what waits is told so; there may be no plans to start with
  for (int bucket : group->TakeComplete(call)) {
    if (group->spec().device) {
      QueueDeviceBucket(group, call, bucket);
    } else if (group->spec().kind == CollectiveKind::kAllGather) {
      StartGather(group, call);
    } else {
      StartBucket(group, call, bucket);
    }
  }
}

void ProgressEngine::StartBucket(Group* group, Call* call, int bucket) {
  const GroupSpec& spec = group->spec();
  const auto& members = call->layout->buckets[bucket];
  std::vector<TensorSegment> segments;
  int64_t count = 0;
  for (int index : members) {
    const TensorArrival& arrival = call->arrivals[index];
    segments.push_back({arrival.in, arrival.out, arrival.count});
    count += arrival.count;
  }
  const DType dtype = spec.tensors[members[0]].dtype;
  auto plan = spec.kind == CollectiveKind::kAllReduce
                  ? book_.AllReduce(call->plans, count, dtype)
                  : std::make_shared<const Plan>(
                        BroadcastPlan(rank_, size_, count, spec.root, kBroadcastLane));
  const uint64_t number = call->number;
  StartCollective(group, call, bucket, std::move(plan), std::move(segments),
                  [this, group, number, bucket] { BucketDone(group, number, bucket); });
}

void ProgressEngine::StartCollective(Group* group, Call* call, int bucket,
                                     std::shared_ptr<const Plan> plan,
                                     std::vector<TensorSegment> segments,
                                     std::function<void()> done) {
  const int64_t now = NowNanos();
  const bool counts = bucket == kCountsBucket;
  auto collective = std::make_unique<Collective>();
  collective->tag.group = group->id();
  collective->tag.instance = call->number << 16 | static_cast<uint64_t>(bucket);
  collective->plan = std::move(plan);
  collective->dtype =
      counts ? DType::kInt64 : group->spec().tensors[call->layout->buckets[bucket][0]].dtype;
  collective->op = group->spec().op;
  if (group->spec().kind == CollectiveKind::kAllReduce) collective->wire = options_.compression;
  collective->segments = std::move(segments);
  collective->done = std::move(done);
  const int64_t bytes = collective->plan->count * static_cast<int64_t>(SizeOf(collective->dtype));
  recorder_.CollectiveStarted(collective->plan->name, bytes, now);
  if (!counts) call->started_at[bucket] = now;
  if (call->record != nullptr && !counts) {
    CallRecord::Bucket& record = call->record->buckets[bucket];
    record.bytes = bytes;
    record.plan = collective->plan->name;
    record.started = now;
  }
  ++in_flight_;
  communicator_->Start(std::move(collective));
}

// First everybody's counts, then the data, once the place for it is known.
void ProgressEngine::StartGather(Group* group, Call* call) {
  const uint64_t number = call->number;
  TensorArrival* arrival = &call->arrivals[0];
  call->gathered_counts.assign(size_, 0);
  call->gathered_counts[rank_] = arrival->count;
  std::vector<TensorSegment> segments;
  for (int64_t& count : call->gathered_counts) segments.push_back({&count, &count, 1});
  auto gather_data = [this, group, number] {
    recorder_.CollectiveEnded(NowNanos());
    --in_flight_;
    Call* call = group->FindCall(number);
    TensorArrival* arrival = &call->arrivals[0];
    void* out = nullptr;
    const Status status = arrival->allocate(call->gathered_counts, &out);
    if (!status.ok()) {
      return Fail(
          status.Prefixed(RankText(rank_) + ": no memory for " + group->Describe(*call, 0)));
    }
    auto* place = static_cast<uint8_t*>(out);
    std::vector<TensorSegment> segments;
    for (int rank = 0; rank < size_; ++rank) {
      const int64_t count = call->gathered_counts[rank];
      segments.push_back({rank == rank_ ? arrival->in : nullptr, place, count});
      place += count * static_cast<int64_t>(SizeOf(group->spec().tensors[0].dtype));
    }
    StartCollective(group, call, 0,
                    std::make_shared<const Plan>(AllGatherPlan(rank_, call->gathered_counts)),
                    std::move(segments), [this, group, number] { BucketDone(group, number, 0); });
  };
  StartCollective(
      group, call, kCountsBucket,
      std::make_shared<const Plan>(AllGatherPlan(rank_, std::vector<int64_t>(size_, 1))),
      std::move(segments), std::move(gather_data));
}

void ProgressEngine::BucketTook(Group* group, const Call& call, int bucket, int64_t now) {
  int64_t count = 0;
  for (int index : call.layout->buckets[bucket]) count += call.arrivals[index].count;
  const DType dtype = group->spec().tensors[call.layout->buckets[bucket][0]].dtype;
  const int64_t bytes = count * static_cast<int64_t>(SizeOf(dtype));
  const int64_t nanos = now - call.started_at[bucket];
  recorder_.BucketTook(book_.AllReduce(call.plans, count, dtype)->name, bytes, nanos);
  if (rank_ == 0 && group->adaptive()) {
    adviser_.BucketTook(call.plans, bytes, static_cast<double>(nanos) * 1e-9);
  }
}

void ProgressEngine::BucketDone(Group* group, uint64_t number, int bucket) {
  const int64_t now = NowNanos();
  recorder_.CollectiveEnded(now);
  --in_flight_;
  Call* call = group->FindCall(number);
  if (call->record != nullptr) call->record->buckets[bucket].ended = now;
  if (group->spec().kind == CollectiveKind::kAllReduce) BucketTook(group, *call, bucket, now);
  std::vector<Done> dones;
  for (int index : call->layout->buckets[bucket]) {
    dones.push_back(std::move(call->arrivals[index].done));
    call->arrivals[index].done = nullptr;
  }
  if (call->unfinished == 1) Measure(group, *call, now);
  group->BucketFinished(call, &recorder_);
  for (Done& done : dones) done(OkStatus());
}

void ProgressEngine::OnControl(int peer, ControlKind kind, std::string payload) {
  if (kind == ControlKind::kLinks) return;  // of a rank that is late with measuring
  if (kind == ControlKind::kDeviceSetup) return;
  if (kind == ControlKind::kDeviceOrder) return OnDeviceOrder(payload);
  if (kind == ControlKind::kLast) return OnLast(peer, payload);
  if (kind == ControlKind::kOrder) return OnOrder(payload);
  if (kind == ControlKind::kPlans) return OnPlans(payload);
  if (kind == ControlKind::kReport) return OnReport(peer, payload);
  const uint64_t sequence = std::strtoull(payload.c_str(), nullptr, 10);
  if (kind == ControlKind::kAgreed) return OnAgreed(sequence);
  if (kind != ControlKind::kGroup || rank_ != 0) {
    return Fail(Internal(RankText(peer) + " sent a control message that is not for this rank"));
  }
  GroupSpec spec;
  const Status status = Parse(payload.substr(payload.find('\n') + 1), &spec);
  if (!status.ok()) return Fail(status.Prefixed(RankText(peer)));
  Confirm(peer, sequence, spec);
}

void ProgressEngine::OnBye(int peer) {
  left_[peer] = true;
  left_at_[peer] = Clock::now();
  next_check_ = Clock::now();  // something may wait for it that no message is posted for
}

}  // namespace tf_ddl
