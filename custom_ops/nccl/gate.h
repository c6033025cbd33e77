// The way into NCCL and the driver for the launch thread, and the watcher of errors: one at a time.
// Whoever aborts closes it and waits until nobody is in, so that communicators are not taken away
// under a call; what hangs in a call is left behind after a while.
#ifndef TF_DDL_NCCL_GATE_H_
#define TF_DDL_NCCL_GATE_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace tf_ddl {

class Gate {
 public:
  // False: closed, for ever.
  bool Enter() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !inside_; });
    if (closed_) return false;
    inside_ = true;
    return true;
  }
  // False: closed, or somebody is in.
  bool TryEnter() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_ || inside_) return false;
    inside_ = true;
    return true;
  }
  void Leave() {
    std::lock_guard<std::mutex> lock(mutex_);
    inside_ = false;
    changed_.notify_all();
  }
  // From inside: sleeps outside for a moment and comes back in. False: closed meanwhile; the caller
  // makes no more calls and leaves.
  bool Pause(double seconds) {
    std::unique_lock<std::mutex> lock(mutex_);
    inside_ = false;
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return closed_; });
    changed_.wait(lock, [this] { return !inside_; });
    inside_ = true;
    return !closed_;
  }
  // Whether everybody has left within `seconds`.
  bool Close(double seconds) {
    std::unique_lock<std::mutex> lock(mutex_);
    closed_ = true;
    changed_.notify_all();
    return changed_.wait_for(lock, std::chrono::duration<double>(seconds),
                             [this] { return !inside_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool inside_ = false;  // guarded by mutex_, as closed_
  bool closed_ = false;
};

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_GATE_H_
