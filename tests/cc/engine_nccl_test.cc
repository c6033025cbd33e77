// Engines whose buckets NCCL reduces (the fake one), in trouble: what a stuck collective leaves in
// the log, and how soon everybody is out of NCCL when a rank is gone.
#include "engine_harness.h"
#include "nccl/nccl_abi.h"
#include "nccl_harness.h"
#include "time_limits.h"

namespace tf_ddl {
namespace {

// Three ranks, with a group of one tensor.
class NcclJob {
 public:
  static constexpr int kRanks = 3;

  explicit NcclJob(const EngineOptions& options = EngineOptions()) : world_({2, 1}) {
    std::vector<std::unique_ptr<Communicator>> communicators;
    EXPECT_TRUE(
        CreateLoopbackCommunicators(kRanks, true, nullptr, CommOptions(), &communicators).ok());
    for (int rank = 0; rank < kRanks && world_.ok(); ++rank) {
      engines_.push_back(
          Engine::Create(std::move(communicators[rank]), options, world_.Take(rank)));
      GroupSpec spec;
      spec.key = "gradients";
      spec.device = true;
      spec.tensors.push_back({"dense/kernel", DType::kFloat32, {1000}});
      EXPECT_TRUE(engines_[rank]->RegisterGroup(spec, &groups_[rank]).ok());
    }
  }
  ~NcclJob() {
    for (const auto& engine : engines_) engine->Shutdown();
  }

  Engine& operator[](int rank) { return *engines_[rank]; }
  // Memory is kept: a call that has failed may have left NCCL with it.
  Status Reduce(int rank, double seconds = 20) {
    auto data = std::make_shared<std::vector<float>>(1000, static_cast<float>(rank));
    auto latch = std::make_shared<Latch>(1);
    kept_.Add(data);
    engines_[rank]->AllReduceOnDevice(
        groups_[rank], 0, data->data(), data->data(), 1000, nullptr,
        [data, latch, done = latch->Callback()](const Status& status) { done(status); });
    const Status status = latch->Wait(seconds);
    EXPECT_TRUE(!status.ok() || (*data)[999] == 3.0f);
    return status;
  }
  void Each(const std::function<void(int rank)>& body) { world_.Each(body); }

 private:
  class Kept {
   public:
    void Add(std::shared_ptr<void> one) {
      std::lock_guard<std::mutex> lock(mutex_);
      all_->push_back(std::move(one));
    }

   private:
    std::mutex mutex_;
    std::vector<std::shared_ptr<void>>* const all_ = AllKept();
  };
  static std::vector<std::shared_ptr<void>>* AllKept() {
    static auto* const all = new std::vector<std::shared_ptr<void>>;
    return all;
  }

  NcclWorld world_;
  std::vector<std::shared_ptr<Engine>> engines_;
  uint64_t groups_[kRanks] = {};
  Kept kept_;
};

TEST(EngineNccl, AStuckCollectiveEndsWithTheLastOfEveryRankInTheLog) {
  Fake fake;
  EngineOptions options;
  options.timeout = 3.0;
  testing::internal::CaptureStderr();
  {
    NcclJob job(options);
    job.Each([&](int rank) { EXPECT_TRUE(job.Reduce(rank).ok()); });
    fake.block("ncclAllReduce", 1);  // of some rank: the others wait for it on their GPUs
    job.Each([&](int rank) {
      const auto begin = Clock::now();
      const Status status = job.Reduce(rank);
      EXPECT_EQ(status.code(), Code::kDeadlineExceeded) << status.message();
      Says(status.message(), "waits for the GPUs, which have finished 1 of 2");
      EXPECT_LT(SecondsSince(begin), Limit(10));
    });
    EXPECT_GE(fake.calls("ncclCommAbort"), 3);
  }
  const std::string log = testing::internal::GetCapturedStderr();
  Says(log, "the last collectives on GPUs:");
  for (const char* rank : {"\nrank 0 (", "\nrank 1 (", "\nrank 2 ("}) Says(log, rank);
  Says(log, ": started 2, finished 1");
  Says(log, "#0 all-reduce of 'dense/kernel'");
  Says(log, "finished after");
  Says(log, "not launched since");
  Says(log, "under way since");
}

TEST(EngineNccl, EverybodyIsOutOfNcclSoonAfterARankHasDied) {
  Fake fake;
  NcclJob job;
  job.Each([&](int rank) { EXPECT_TRUE(job.Reduce(rank).ok()); });
  const int before = fake.calls("ncclCommAbort");
  job.Each([&](int rank) {
    if (rank == 2) {  // while the others wait for it in NCCL
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      return job[2].Abort(Unavailable("the process was killed"));
    }
    const auto begin = Clock::now();
    const Status status = job.Reduce(rank);
    EXPECT_EQ(status.code(), Code::kUnavailable) << status.message();
    Says(status.message(), "rank 2");
    EXPECT_LT(SecondsSince(begin), Limit(2.2));
  });
  EXPECT_GE(fake.calls("ncclCommAbort") - before, 2 * 2) << "those of both ranks that waited";
  EXPECT_STREQ(fake.misuse(), "");
}

TEST(EngineNccl, WhatNcclReportsOfOneRankEndsTheJobAndNamesIt) {
  Fake fake;
  NcclJob job;
  job.Each([&](int rank) { EXPECT_TRUE(job.Reduce(rank).ok()); });
  fake.async_error(1, kNcclRemoteError);
  job.Each([&](int rank) {
    if (rank == 2) return;  // does not come: the others wait
    const Status status = job.Reduce(rank);
    EXPECT_EQ(status.code(), Code::kUnavailable) << status.message();
    Says(status.message(), "rank 1");
    Says(status.message(), "remote process exited");
  });
}

}  // namespace
}  // namespace tf_ddl
