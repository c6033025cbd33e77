// A device communicator for tests of the engine: ranks are threads, "device memory" is host memory,
// and a DeviceWorld carries out the n'th collective of every rank as one, or notes that they
// differ. Test code: nothing of it is in the package.
#ifndef TF_DDL_TESTS_CC_DEVICE_HARNESS_H_
#define TF_DDL_TESTS_CC_DEVICE_HARNESS_H_

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "comm/device_communicator.h"
#include "comm/host.h"
#include "engine/engine.h"
#include "engine_harness.h"

namespace tf_ddl {

// What a stream has been given runs once the gate is open.
struct TestStream {
  std::atomic<bool> open{false};
};

class DeviceWorld {
 public:
  explicit DeviceWorld(int size);
  ~DeviceWorld();

  std::unique_ptr<DeviceCommunicator> ForRank(int rank);

  // All before anything is started:
  void set_plans(std::vector<DevicePlan> plans) {
    std::lock_guard<std::mutex> lock(mutex_);
    plans_ = std::move(plans);
  }
  // How long a collective takes, in seconds.
  void set_cost(std::function<double(const DevicePlan&, int64_t bytes)> cost) {
    std::lock_guard<std::mutex> lock(mutex_);
    cost_ = std::move(cost);
  }
  // The n'th Start of `rank` fails, with its device.
  void FailAt(int rank, int n) {
    std::lock_guard<std::mutex> lock(mutex_);
    fail_rank_ = rank;
    fail_at_ = n;
  }
  // The n'th collective never ends by itself.
  void StickAt(int n) {
    std::lock_guard<std::mutex> lock(mutex_);
    stick_at_ = n;
  }

  // In what the ranks' collectives differed; empty if in nothing.
  std::string mismatch() const;
  int64_t executed() const;
  std::vector<std::string> executed_plans() const;
  // Seconds since the first Abort of `rank`; negative if there was none.
  double AbortedSince(int rank) const;

 private:
  class Rank;
  struct Pending {
    std::unique_ptr<DeviceCollective> collective;
  };

  void Run();
  bool ReadyToRun(std::string* difference) const;
  void Execute();

  const int size_;
  std::vector<DevicePlan> plans_{DevicePlan()};
  std::function<double(const DevicePlan&, int64_t)> cost_;
  int fail_rank_ = -1, fail_at_ = -1, stick_at_ = -1;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Rank*> ranks_;  // null once destroyed
  std::string mismatch_;
  int64_t executed_ = 0;
  std::vector<std::string> executed_plans_;
  std::vector<int64_t> aborted_at_;  // nanoseconds; 0: not
  bool stop_ = false;
  std::thread thread_;
};

// Engines over loopback communicators with a device each.
class DeviceEngines {
 public:
  DeviceEngines(DeviceWorld* world, int size, const EngineOptions& options = EngineOptions()) {
    std::vector<std::unique_ptr<Communicator>> communicators;
    const Status status =
        CreateLoopbackCommunicators(size, true, nullptr, CommOptions(), &communicators);
    EXPECT_TRUE(status.ok()) << status.message();
    for (int rank = 0; rank < size; ++rank) {
      engines_.push_back(
          Engine::Create(std::move(communicators[rank]), options, world->ForRank(rank)));
    }
  }
  ~DeviceEngines() {
    for (auto& engine : engines_) {
      if (engine != nullptr) engine->Shutdown();
    }
  }
  Engine& operator[](int rank) { return *engines_[rank]; }
  void Run(const std::function<void(int rank, Engine& engine)>& body) {
    std::vector<std::thread> threads;
    for (size_t rank = 0; rank < engines_.size(); ++rank) {
      threads.emplace_back([&, rank] { body(static_cast<int>(rank), *engines_[rank]); });
    }
    for (auto& thread : threads) thread.join();
  }

 private:
  std::vector<std::shared_ptr<Engine>> engines_;
};

inline GroupSpec OnDevice(GroupSpec spec) {
  spec.device = true;
  return spec;
}

}  // namespace tf_ddl

#endif  // TF_DDL_TESTS_CC_DEVICE_HARNESS_H_
