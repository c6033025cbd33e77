// In which order buckets in device memory are started. The device's library wants the same order on
// every rank; that of rank 0 is everybody's. Rank 0 starts a bucket as soon as it is complete there
// and tells the others, who start it when it comes to their turn and is complete with them. What is
// told goes one way: nobody answers, and rank 0 waits for nobody.
//
// Pure bookkeeping, of the driving thread.
#ifndef TF_DDL_ENGINE_DEVICE_ORDER_H_
#define TF_DDL_ENGINE_DEVICE_ORDER_H_

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/status.h"
#include "plan/device_plan.h"

namespace tf_ddl {

struct DeviceBucket {
  uint64_t group = 0;
  uint64_t call = 0;
  int bucket = 0;
  bool operator<(const DeviceBucket& o) const {
    return std::tie(group, call, bucket) < std::tie(o.group, o.call, o.bucket);
  }
};

// Rank 0's word on one bucket: it is next, by this plan.
struct DeviceTurn {
  DeviceBucket bucket;
  DevicePlan plan;
};

class DeviceOrder {
 public:
  // Rank 0: a bucket that it starts now; told with the next Take.
  void Started(const DeviceTurn& turn) { told_.push_back(turn); }
  // What to tell the others; empty if there is nothing new.
  std::string Take();

  // The other ranks: what rank 0 has told.
  Status Add(const std::string& payload);
  // A bucket has all its tensors on this rank.
  void Complete(const DeviceBucket& bucket) { complete_.insert(bucket); }
  // Whether the next bucket can be started; then it is taken out.
  bool Next(DeviceTurn* turn);
  // The bucket that the next turn waits for; null if nothing is known of what comes next.
  const DeviceTurn* waiting() const { return turns_.empty() ? nullptr : &turns_.front(); }
  size_t num_complete() const { return complete_.size(); }

 private:
  std::vector<DeviceTurn> told_;
  std::deque<DeviceTurn> turns_;
  std::set<DeviceBucket> complete_;
};

// Control frames of rank 0 reach everybody along a tree, so that no rank has to send to all: those
// to whom `rank` passes on what it gets.
std::vector<int> FanOut(int rank, int size);

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_DEVICE_ORDER_H_
