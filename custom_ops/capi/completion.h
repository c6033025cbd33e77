// Collects the ends of several asynchronous calls. It has no deadline of its own: the engine ends
// every call, at the latest after its timeout.
#ifndef TF_DDL_CAPI_COMPLETION_H_
#define TF_DDL_CAPI_COMPLETION_H_

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "base/status.h"
#include "engine/engine.h"

namespace tf_ddl {

class Completion {
 public:
  explicit Completion(int calls) : left_(calls) {}
  Engine::Done Callback() {
    return [this](const Status& status) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (status_.ok()) status_ = status;
      if (--left_ > 0) return;
      finished_.store(true, std::memory_order_release);
      all_done_.notify_all();
    };
  }
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  Status Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    all_done_.wait(lock, [this] { return left_ == 0; });
    return status_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_done_;
  int left_;       // guarded by mutex_
  Status status_;  // guarded by mutex_
  std::atomic<bool> finished_{false};
};

}  // namespace tf_ddl

#endif  // TF_DDL_CAPI_COMPLETION_H_
