// Ranks as threads: engines over loopback communicators, and blocking calls on them.
#ifndef TF_DDL_TESTS_CC_ENGINE_HARNESS_H_
#define TF_DDL_TESTS_CC_ENGINE_HARNESS_H_

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "comm/host.h"
#include "engine/engine.h"
#include "values.h"

namespace tf_ddl {

// Waits for a number of Done callbacks; the deadline makes a hang a failed test.
class Latch {
 public:
  explicit Latch(int count) : left_(count) {}
  Engine::Done Callback() {
    return [this](const Status& status) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (status_.ok()) status_ = status;
      if (--left_ == 0) changed_.notify_all();
    };
  }
  Status Wait(double seconds = 60) {
    std::unique_lock<std::mutex> lock(mutex_);
    const bool done = changed_.wait_for(lock, std::chrono::duration<double>(seconds),
                                        [this] { return left_ <= 0; });
    if (!done) return DeadlineExceeded("test: " + std::to_string(left_) + " callbacks missing");
    return status_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int left_;
  Status status_;
};

class World {
 public:
  explicit World(int size, const EngineOptions& options = EngineOptions(), bool pull = true,
                 const Topology* topology = nullptr, const CommOptions& comm = CommOptions()) {
    if (size == 1) {
      engines_.push_back(Engine::Create(nullptr, options));
      return;
    }
    std::vector<std::unique_ptr<Communicator>> communicators;
    const Status status = CreateLoopbackCommunicators(size, pull, topology, comm, &communicators);
    EXPECT_TRUE(status.ok()) << status.message();
    for (auto& communicator : communicators) {
      engines_.push_back(Engine::Create(std::move(communicator), options));
    }
  }
  ~World() {
    // Each says goodbye in its own time, as processes do.
    for (auto& engine : engines_) engine->Shutdown();
  }

  int size() const { return static_cast<int>(engines_.size()); }
  Engine& operator[](int rank) { return *engines_[rank]; }

  // Runs `body` for every rank on a thread of its own.
  void Run(const std::function<void(int rank, Engine& engine)>& body) {
    std::vector<std::thread> threads;
    for (int rank = 0; rank < size(); ++rank) {
      threads.emplace_back([&, rank] { body(rank, *engines_[rank]); });
    }
    for (auto& thread : threads) thread.join();
  }

 private:
  std::vector<std::shared_ptr<Engine>> engines_;
};

inline GroupSpec OneTensor(const std::string& key, DType dtype, std::vector<int64_t> shape,
                           ReduceOp op = ReduceOp::kSum) {
  GroupSpec spec;
  spec.key = key;
  spec.op = op;
  spec.tensors.push_back({key, dtype, std::move(shape)});
  return spec;
}

inline void Says(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in: " << text;
}

}  // namespace tf_ddl

#endif  // TF_DDL_TESTS_CC_ENGINE_HARNESS_H_
