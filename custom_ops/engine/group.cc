#include "engine/group.h"

#include <algorithm>
#include <utility>

namespace tf_ddl {
namespace {

// Groups of less are not worth the messages about them.
constexpr int64_t kAdaptiveBytes = 256 << 10;
constexpr uint64_t kEpochCalls = 5;
// On one host no link can become slow; and where calls take microseconds, messages about them and
// the threads that these wake take more.
constexpr int64_t kQuickBytes = 1 << 20;
constexpr uint64_t kQuickEpochCalls = 50;

}  // namespace

Group::Group(GroupSpec spec, uint64_t sequence, const EngineOptions& options, bool on_one_host)
    : spec_(std::move(spec)), id_(spec_.id()), sequence_(sequence), options_(options) {
  const int n = static_cast<int>(spec_.tensors.size());
  next_call_.assign(n, 0);
  first_layout_ = std::make_shared<BucketLayout>(AssignBuckets(spec_.tensors, ReverseOrder(n),
                                                               options.first_bucket_bytes,
                                                               options.BucketBytes(spec_.device)));
  // With a single bucket there is nothing to put in order; and measured order is not repeatable.
  if (first_layout_->buckets.size() == 1 || options.deterministic) order_ = ReverseOrder(n);
  bool known = true;
  for (const TensorSpec& tensor : spec_.tensors) {
    known = known && tensor.count() >= 0;
    tensor_bytes_.push_back(tensor.count() * static_cast<int64_t>(SizeOf(tensor.dtype)));
    bytes_ += tensor_bytes_.back();
  }
  adaptive_ = options.autotune && !options.deterministic &&
              spec_.kind == CollectiveKind::kAllReduce && known && bytes_ >= kAdaptiveBytes;
  epoch_calls_ =
      on_one_host && !spec_.device && bytes_ <= kQuickBytes ? kQuickEpochCalls : kEpochCalls;
  advice_[0].bucket_bytes = options.BucketBytes(spec_.device);
}

Call* Group::FindCall(uint64_t number) {
  for (auto& call : calls_) {
    if (call->number == number) return call.get();
  }
  return nullptr;
}

Call* Group::CallOfNext(int index, Recorder* recorder) {
  const uint64_t number = next_call_[index]++;
  if (Call* call = FindCall(number)) return call;
  auto call = std::make_unique<Call>();
  call->number = number;
  call->first_arrival = Clock::now();
  call->first_arrival_at = NowNanos();
  call->arrivals.resize(spec_.tensors.size());
  call->arrived.assign(spec_.tensors.size(), false);
  call->record = recorder->NewCall();
  if (call->record != nullptr) {
    call->record->group = spec_.key;
    call->record->number = number;
    call->record->arrived.assign(spec_.tensors.size(), 0);
    for (const TensorSpec& tensor : spec_.tensors) call->record->tensors.push_back(tensor.name);
  }
  Layout(call.get());
  calls_.push_back(std::move(call));
  return calls_.back().get();
}

std::shared_ptr<const BucketLayout> Group::LayoutBy(int64_t bucket_bytes) {
  auto& layout = layouts_[bucket_bytes];
  if (layout == nullptr) {
    layout = std::make_shared<BucketLayout>(
        AssignBuckets(spec_.tensors, order_, options_.first_bucket_bytes, bucket_bytes));
  }
  return layout;
}

void Group::Layout(Call* call) {
  if (call->number == 0) {
    call->layout = first_layout_;
    call->bucket_bytes = options_.BucketBytes(spec_.device);
  } else {
    const uint64_t epoch = EpochOf(call->number);
    const auto advice = advice_.find(epoch);
    if (order_.empty() || advice == advice_.end()) return;
    call->plans = advice->second.plans;
    call->bucket_bytes = advice->second.bucket_bytes;
    call->device_plan = advice->second.device_plan;
    call->has_device_plan = advice->second.has_device_plan;
    call->layout = LayoutBy(call->bucket_bytes);
    advice_.erase(advice_.begin(), advice_.lower_bound(epoch > 0 ? epoch - 1 : 0));
  }
  call->started_at.assign(call->layout->buckets.size(), 0);
  if (spec_.device) call->device_plan_names.resize(call->layout->buckets.size());
  call->unfinished = static_cast<int>(call->layout->buckets.size());
  call->started.assign(call->layout->buckets.size(), false);
  for (const auto& bucket : call->layout->buckets) {
    call->missing.push_back(static_cast<int>(
        std::count_if(bucket.begin(), bucket.end(), [call](int i) { return !call->arrived[i]; })));
  }
  if (call->record == nullptr) return;
  for (const auto& bucket : call->layout->buckets) {
    CallRecord::Bucket record;
    record.tensors = bucket;
    call->record->buckets.push_back(std::move(record));
  }
}

void Group::Add(Call* call, int index, TensorArrival arrival) {
  call->arrivals[index] = std::move(arrival);
  call->arrived[index] = true;
  ++call->num_arrived;
  if (call->record != nullptr) call->record->arrived[index] = NowNanos();
  if (call->num_arrived == static_cast<int>(spec_.tensors.size())) {
    call->last_arrival_at = NowNanos();
  }
  if (call->layout != nullptr) --call->missing[call->layout->bucket_of[index]];
  if (call->number == 0 && order_.empty()) measured_order_.push_back(index);
}

std::vector<int> Group::TakeComplete(Call* call) {
  std::vector<int> complete;
  if (!agreed_ || call->layout == nullptr) return complete;
  for (size_t b = 0; b < call->missing.size(); ++b) {
    if (call->missing[b] > 0 || call->started[b]) continue;
    call->started[b] = true;
    complete.push_back(static_cast<int>(b));
  }
  return complete;
}

bool Group::BucketFinished(Call* call, Recorder* recorder) {
  if (--call->unfinished > 0) return false;
  recorder->CallEnded(std::move(call->record));
  calls_.erase(std::find_if(calls_.begin(), calls_.end(),
                            [call](const auto& owned) { return owned.get() == call; }));
  return true;
}

std::vector<int> Group::TakeMeasuredOrder() {
  if (!agreed_ || order_taken_ || !order_.empty() ||
      measured_order_.size() != spec_.tensors.size()) {
    return {};
  }
  order_taken_ = true;
  return measured_order_;
}

void Group::SetOrder(const std::vector<int>& order) {
  order_ = order;
  layouts_.clear();
  for (auto& call : calls_) {
    if (call->layout == nullptr) Layout(call.get());
  }
}

void Group::SetAdvice(uint64_t epoch, const Advice& advice) {
  advice_[epoch] = advice;
  for (auto& call : calls_) {
    if (call->layout == nullptr) Layout(call.get());
  }
}

bool Group::waits_for_rank0() const {
  return std::any_of(calls_.begin(), calls_.end(),
                     [](const auto& call) { return call->layout == nullptr; });
}

std::string Group::Describe(const Call& call, int bucket) const {
  const auto& members = call.layout->buckets[bucket];
  std::string text = std::string(NameOf(spec_.kind)) + " of " + ToString(spec_.tensors[members[0]]);
  if (members.size() > 1) text += " and " + std::to_string(members.size() - 1) + " more";
  return text + " (bucket " + std::to_string(bucket) + ", call " + std::to_string(call.number) +
         " of '" + spec_.key + "')";
}

std::string Group::DescribeMissing(const Call& call) const {
  std::string text;
  int missing = 0;
  for (size_t i = 0; i < call.arrived.size(); ++i) {
    if (!call.arrived[i] && ++missing == 1) text = ToString(spec_.tensors[i]);
  }
  if (missing > 1) text += " and " + std::to_string(missing - 1) + " more";
  return text;
}

}  // namespace tf_ddl
