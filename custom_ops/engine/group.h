// The progress thread's view of one group: the calls that are under way and their buckets.
#ifndef TF_DDL_ENGINE_GROUP_H_
#define TF_DDL_ENGINE_GROUP_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "engine/buckets.h"
#include "engine/engine.h"
#include "engine/group_spec.h"
#include "engine/recorder.h"

namespace tf_ddl {

// A tensor that has become ready on this rank.
struct Arrival {
  const void* in = nullptr;
  void* out = nullptr;
  int64_t count = 0;
  Engine::Done done;
  Engine::Allocate allocate;  // all-gather only
};

// One execution of the group's call site: every tensor arrives once.
struct Call {
  uint64_t number = 0;
  Clock::time_point first_arrival;
  std::vector<Arrival> arrivals;  // by tensor; done is empty until it arrives
  std::vector<bool> arrived;      // by tensor
  int num_arrived = 0;
  std::shared_ptr<const BucketLayout> layout;  // null until the order is agreed
  std::vector<int> missing;                    // by bucket: tensors that have not arrived
  std::vector<bool> started;                   // by bucket
  int unfinished = 0;                          // buckets
  std::vector<int64_t> gathered_counts;        // all-gather: elements by rank
  std::shared_ptr<CallRecord> record;
  bool warned = false;
};

class Group {
 public:
  // `sequence`: the how-many'th group this is, the same on every rank.
  Group(GroupSpec spec, uint64_t sequence, const EngineOptions& options);

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
  void Add(Call* call, int index, Arrival arrival);
  // Buckets of `call` that have all their tensors and were not taken yet; marks them taken.
  std::vector<int> TakeComplete(Call* call);
  // A bucket is finished; returns true when it was the call's last, which is then forgotten.
  bool BucketFinished(Call* call, Recorder* recorder);

  // The order of arrival in the first call, once all its tensors have arrived, every rank knows the
  // group and buckets are to be rebuilt by it; empty otherwise. Rank 0 asks, once.
  std::vector<int> TakeMeasuredOrder();
  // Rebuilds the buckets of all calls but the first.
  void SetOrder(const std::vector<int>& order);
  bool waits_for_order() const { return final_layout_ == nullptr && calls_.size() > 1; }

  // "all-reduce 'fit' bucket 2 ('dense/kernel' float32 [784,128] and 3 more)"
  std::string Describe(const Call& call, int bucket) const;
  // Which tensors of the call have not arrived on this rank; empty if all have.
  std::string DescribeMissing(const Call& call) const;

 private:
  void Layout(Call* call, std::shared_ptr<const BucketLayout> layout);

  const GroupSpec spec_;
  const uint64_t id_;
  const uint64_t sequence_;
  const EngineOptions options_;
  bool agreed_ = false;
  std::shared_ptr<const BucketLayout> first_layout_;
  std::shared_ptr<const BucketLayout> final_layout_;  // null until the order is agreed
  std::vector<uint64_t> next_call_;                   // by tensor
  std::vector<int> measured_order_;
  bool order_taken_ = false;
  std::deque<std::unique_ptr<Call>> calls_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_GROUP_H_
