// What the engine did: counters since its start, and the last calls in detail.
#ifndef TF_DDL_ENGINE_RECORDER_H_
#define TF_DDL_ENGINE_RECORDER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace tf_ddl {

// One call of a group. Times are nanoseconds of the monotonic clock, 0 until they happen.
struct CallRecord {
  struct Bucket {
    std::vector<int> tensors;
    int64_t bytes = 0;
    std::string plan;
    int64_t started = 0;
    int64_t ended = 0;
  };
  std::string group;
  uint64_t number = 0;
  std::vector<std::string> tensors;
  std::vector<int64_t> arrived;
  std::vector<Bucket> buckets;
};

// Thread-safe: the progress thread writes, anybody reads.
class Recorder {
 public:
  void EnableTimeline(bool enabled);
  bool timeline_enabled() const;

  // A call's record, kept by the caller until its end; null when the timeline is off.
  std::shared_ptr<CallRecord> NewCall();
  void CallEnded(std::shared_ptr<CallRecord> record);

  void TensorArrived() { Count(&tensors_, 1); }
  void CollectiveStarted(const std::string& plan, int64_t bytes, int64_t now);
  void CollectiveEnded(int64_t now);
  // A bucket of `bytes` took so long by `plan`.
  void BucketTook(const std::string& plan, int64_t bytes, int64_t nanos);

  // `identity` is put at the front of the object: "\"rank\":0,...,".
  std::string StatsJson(const std::string& identity) const;
  std::string TimelineJson() const;
  std::string BucketsJson() const;

 private:
  void Count(int64_t* counter, int64_t n);

  mutable std::mutex mutex_;
  // All below: guarded by mutex_.
  bool timeline_ = false;
  std::deque<std::shared_ptr<const CallRecord>> calls_;
  std::map<std::string, int64_t> plans_;
  struct Times {
    int64_t count = 0;
    int64_t nanos = 0;
  };
  std::map<std::pair<std::string, int64_t>, Times> buckets_;  // by plan and bytes
  int64_t tensors_ = 0;
  int64_t collectives_ = 0;
  int64_t bytes_ = 0;
  int64_t busy_nanos_ = 0;
  int in_flight_ = 0;
  int64_t busy_since_ = 0;
};

std::string JsonQuoted(const std::string& text);

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_RECORDER_H_
