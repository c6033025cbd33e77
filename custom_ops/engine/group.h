// The progress thread's view of one group: the calls that are under way and their buckets.
#ifndef TF_DDL_ENGINE_GROUP_H_
#define TF_DDL_ENGINE_GROUP_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "engine/adviser.h"
#include "engine/buckets.h"
#include "engine/engine.h"
#include "engine/group_spec.h"
#include "engine/recorder.h"

namespace tf_ddl {

// A tensor that has become ready on this rank.
struct TensorArrival {
  const void* in = nullptr;
  void* out = nullptr;
  int64_t count = 0;
  Engine::Done done;
  Engine::Allocate allocate;           // all-gather only
  std::shared_ptr<DeviceEvent> ready;  // GPU memory only
};

// One execution of the group's call site: every tensor arrives once.
struct Call {
  uint64_t number = 0;
  Clock::time_point first_arrival;
  std::vector<TensorArrival> arrivals;  // by tensor; done is empty until it arrives
  std::vector<bool> arrived;            // by tensor
  int num_arrived = 0;
  std::shared_ptr<const BucketLayout> layout;  // null until rank 0 has said what is needed for it
  std::vector<int> missing;                    // by bucket: tensors that have not arrived
  std::vector<bool> started;                   // by bucket
  std::vector<int64_t> started_at;             // by bucket, nanoseconds
  int plans = 0;                               // version of the table
  int64_t bucket_bytes = 0;                    // of the layout
  DevicePlan device_plan;                      // GPU memory: of large buckets, if has_device_plan
  bool has_device_plan = false;
  std::vector<std::string> device_plan_names;  // GPU memory: by bucket, once started
  int64_t first_arrival_at = 0;                // nanoseconds
  int64_t last_arrival_at = 0;                 // likewise, once all have arrived
  int unfinished = 0;                          // buckets
  std::vector<int64_t> gathered_counts;        // all-gather: elements by rank
  std::shared_ptr<CallRecord> record;
  bool warned = false;
};

class Group {
 public:
  // `sequence`: the how-many'th group this is, the same on every rank.
  Group(GroupSpec spec, uint64_t sequence, const EngineOptions& options, bool on_one_host);

  const GroupSpec& spec() const { return spec_; }
  uint64_t id() const { return id_; }
  uint64_t sequence() const { return sequence_; }
  bool agreed() const { return agreed_; }
  void set_agreed() { agreed_ = true; }
  const std::deque<std::unique_ptr<Call>>& calls() const { return calls_; }

  // The call that tensor `index` belongs to by its arriving now. Made when it is the first.
  Call* CallOfNext(int index, Recorder* recorder);
  Call* FindCall(uint64_t number);
  // Notes the arrival.
  void Add(Call* call, int index, TensorArrival arrival);
  // Buckets of `call` that have all their tensors and were not taken yet; marks them taken.
  std::vector<int> TakeComplete(Call* call);
  // A bucket is finished; returns true when it was the call's last, which is then forgotten.
  bool BucketFinished(Call* call, Recorder* recorder);

  // The order of arrival in the first call, once all its tensors have arrived, every rank knows the
  // group and buckets are to be rebuilt by it; empty otherwise. Rank 0 asks, once.
  std::vector<int> TakeMeasuredOrder();
  // Rebuilds the buckets of all calls but the first.
  void SetOrder(const std::vector<int>& order);

  // Whether rank 0's advice changes plans and buckets while training. Then calls come in epochs,
  // and a call waits until the advice for its epoch is there.
  bool adaptive() const { return adaptive_; }
  uint64_t epoch_calls() const { return epoch_calls_; }
  uint64_t EpochOf(uint64_t call) const { return adaptive_ ? call / epoch_calls_ : 0; }
  void SetAdvice(uint64_t epoch, const Advice& advice);
  // If adaptive: of each tensor, and of all.
  const std::vector<int64_t>& tensor_bytes() const { return tensor_bytes_; }
  int64_t bytes() const { return bytes_; }

  bool waits_for_rank0() const;

  // "all-reduce 'fit' bucket 2 ('dense/kernel' float32 [784,128] and 3 more)"
  std::string Describe(const Call& call, int bucket) const;
  // Which tensors of the call have not arrived on this rank; empty if all have.
  std::string DescribeMissing(const Call& call) const;

 private:
  // Gives the call its buckets and plans if all that is needed is known.
  void Layout(Call* call);
  std::shared_ptr<const BucketLayout> LayoutBy(int64_t bucket_bytes);

  const GroupSpec spec_;
  const uint64_t id_;
  const uint64_t sequence_;
  const EngineOptions options_;
  bool agreed_ = false;
  std::vector<int64_t> tensor_bytes_;
  int64_t bytes_ = 0;
  bool adaptive_ = false;
  uint64_t epoch_calls_ = 0;
  std::map<uint64_t, Advice> advice_;  // by epoch
  std::shared_ptr<const BucketLayout> first_layout_;
  std::vector<int> order_;                                          // empty until it is agreed
  std::map<int64_t, std::shared_ptr<const BucketLayout>> layouts_;  // in that order, by bucket size
  std::vector<uint64_t> next_call_;                                 // by tensor
  std::vector<int> measured_order_;
  bool order_taken_ = false;
  std::deque<std::unique_ptr<Call>> calls_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_GROUP_H_
