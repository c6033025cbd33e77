// Ranks as threads over the fake NCCL and driver, and a blocking way to reduce on all of them.
#ifndef TF_DDL_TESTS_CC_NCCL_HARNESS_H_
#define TF_DDL_TESTS_CC_NCCL_HARNESS_H_

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "nccl/cuda_abi.h"
#include "nccl/nccl_communicator.h"

#ifndef DDL_FAKE_LIBRARY_DIR
#define DDL_FAKE_LIBRARY_DIR "."
#endif

namespace tf_ddl {

inline LibraryPaths FakePaths() {
  LibraryPaths paths;
  paths.nccl = {DDL_FAKE_LIBRARY_DIR "/libfake_nccl.so"};
  paths.cuda = {DDL_FAKE_LIBRARY_DIR "/libfake_cuda.so"};
  paths.only_these_nccl = paths.only_these_cuda = true;
  return paths;
}

inline bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The controls of fake_nccl/fake_control.h.
class Fake {
 public:
  Fake() : handle_(dlopen(FakePaths().cuda[0].c_str(), RTLD_NOW)) {
    if (handle_ == nullptr) ADD_FAILURE() << dlerror();
    Look("fake_reset", &reset);
    Look("fake_fail", &fail);
    Look("fake_block", &block);
    Look("fake_unblock", &unblock);
    Look("fake_calls", &calls);
    Look("fake_misuse", &misuse);
    Look("fake_async_error", &async_error);
    Look("fake_enqueue", &enqueue);
    Look("fake_take", &take);
    reset();
  }

  void (*reset)() = nullptr;
  void (*fail)(const char*, int, int) = nullptr;
  void (*block)(const char*, int) = nullptr;
  void (*unblock)() = nullptr;
  int (*calls)(const char*) = nullptr;
  const char* (*misuse)() = nullptr;
  void (*async_error)(int, int) = nullptr;
  void (*enqueue)(void*, void (*)(void*), void*) = nullptr;
  void (*take)(int, double, double) = nullptr;

 private:
  template <typename F>
  void Look(const char* name, F* function) {
    *function = reinterpret_cast<F>(dlsym(handle_, name));
    ASSERT_NE(*function, nullptr) << name;
  }
  void* const handle_;
};

// The driver's calls for tests, with GPU 0 current on this thread.
class TestDriver {
 public:
  TestDriver() {
    const Status status = DeviceLibraries::Open(FakePaths(), &libraries_);
    EXPECT_TRUE(status.ok()) << status.message();
    CuContext context = nullptr;
    cuda().primary_ctx_retain(&context, 0);
    cuda().ctx_set_current(context);
  }
  const CudaApi& cuda() const { return libraries_->cuda(); }
  CuStream NewStream() const {
    CuStream stream = nullptr;
    EXPECT_EQ(cuda().stream_create_with_priority(&stream, kCuStreamNonBlocking, 0), kCudaSuccess);
    return stream;
  }

 private:
  std::shared_ptr<const DeviceLibraries> libraries_;
};

// Holds up a stream of the fake device until it is opened.
class StreamLock {
 public:
  StreamLock(const Fake& fake, CuStream stream) {
    fake.enqueue(stream, [](void* self) { static_cast<StreamLock*>(self)->Wait(); }, this);
  }
  ~StreamLock() {
    Open();
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return passed_; });
  }
  void Open() {
    std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  void Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
    passed_ = true;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false, passed_ = false;
};

// The ends of a number of collectives; the deadline makes a hang a failed test.
class Ends {
 public:
  // Of collective `i`: its callback, which counts how often it is called.
  std::function<void(const Status&)> Add() {
    std::lock_guard<std::mutex> lock(mutex_);
    const size_t i = statuses_.size();
    statuses_.emplace_back();
    counts_.push_back(0);
    return [this, i](const Status& status) {
      std::lock_guard<std::mutex> lock(mutex_);
      statuses_[i] = status;
      ++counts_[i];
      ++ended_;
      changed_.notify_all();
    };
  }
  // Whether all have ended, once each.
  bool Wait(double seconds = 60) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, std::chrono::duration<double>(seconds),
                      [this] { return ended_ >= statuses_.size(); });
    for (const int count : counts_) {
      if (count != 1) return false;
    }
    return true;
  }
  size_t ended() {
    std::lock_guard<std::mutex> lock(mutex_);
    return ended_;
  }
  // The first that is not OK.
  Status First() {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const Status& status : statuses_) {
      if (!status.ok()) return status;
    }
    return OkStatus();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Status> statuses_;
  std::vector<int> counts_;
  size_t ended_ = 0;
};

// The communicators of all ranks of a job. `hosts`: ranks on each.
class NcclWorld {
 public:
  explicit NcclWorld(const std::vector<int>& hosts,
                     const std::function<void(NcclOptions*)>& change = {}) {
    NcclOptions options;
    options.libraries = FakePaths();
    options.init_seconds = 30;
    for (size_t h = 0; h < hosts.size(); ++h) {
      for (int i = 0; i < hosts[h]; ++i) {
        options.hosts.push_back("host-" + std::string(1, static_cast<char>('a' + h)));
      }
    }
    options.size = static_cast<int>(options.hosts.size());
    EXPECT_TRUE(MakeNcclUniqueId(options.libraries, &options.unique_id).ok());
    ranks_.resize(options.size);
    statuses_.resize(options.size);
    failures_.resize(options.size);
    if (change) change(&options);
    // As a control plane that tells of failures while ranks meet.
    std::atomic<bool> failed{false};
    if (!options.give_up) {
      options.give_up = [&failed] {
        return failed ? Unavailable("another rank has failed") : OkStatus();
      };
    }
    Each([&](int rank) {
      NcclOptions own = options;
      own.rank = own.ordinal = rank;
      statuses_[rank] = CreateNcclCommunicator(own, &ranks_[rank]);
      if (!statuses_[rank].ok()) failed = true;
    });
  }
  // In good order, as at the end of a job; or as they are.
  ~NcclWorld() {
    Failures(false);
    Each([&](int rank) { ranks_[rank].reset(); });
  }

  int size() const { return static_cast<int>(ranks_.size()); }
  DeviceCommunicator& operator[](int rank) { return *ranks_[rank]; }
  void Destroy(int rank) { ranks_[rank].reset(); }
  // For an engine; this world forgets the rank.
  std::unique_ptr<DeviceCommunicator> Take(int rank) { return std::move(ranks_[rank]); }
  const Status& created(int rank) const { return statuses_[rank]; }
  bool all_created() const {
    for (const Status& status : statuses_) {
      if (!status.ok()) return false;
    }
    return true;
  }
  bool ok() const {
    for (const Status& status : statuses_) {
      if (!status.ok()) {
        ADD_FAILURE() << status.message();
        return false;
      }
    }
    return true;
  }

  // As an engine's control plane: the first failure of a rank aborts all others.
  void Connect() {
    for (int rank = 0; rank < size(); ++rank) {
      ranks_[rank]->set_on_failure([this, rank](const Status& status) {
        std::lock_guard<std::mutex> lock(mutex_);
        failures_[rank].push_back(status);
        reported_.notify_all();
        if (closed_ || aborter_.joinable()) return;
        aborter_ = std::thread([this, rank, status] {
          for (int other = 0; other < size(); ++other) {
            if (other != rank) {
              ranks_[other]->Abort(
                  Unavailable("rank " + std::to_string(rank) + " has failed: " + status.message()));
            }
          }
        });
      });
    }
  }
  // What on_failure said on each rank, once there is something if `expected`. Afterwards nobody is
  // aborted any more.
  std::vector<std::vector<Status>> Failures(bool expected) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto any = [this] {
      for (const auto& failures : failures_) {
        if (!failures.empty()) return true;
      }
      return false;
    };
    if (expected) reported_.wait_for(lock, std::chrono::seconds(10), any);
    closed_ = true;
    lock.unlock();
    if (aborter_.joinable()) aborter_.join();
    lock.lock();
    return failures_;
  }

  void Each(const std::function<void(int rank)>& body) {
    std::vector<std::thread> threads;
    for (int rank = 0; rank < size(); ++rank) threads.emplace_back(body, rank);
    for (std::thread& thread : threads) thread.join();
  }

 private:
  std::vector<std::unique_ptr<DeviceCommunicator>> ranks_;
  std::vector<Status> statuses_;
  std::mutex mutex_;
  std::vector<std::vector<Status>> failures_;
  std::condition_variable reported_;
  bool closed_ = false;
  std::thread aborter_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_TESTS_CC_NCCL_HARNESS_H_
