// Failures: of every call, of peers, of the device; aborts from every state. Nothing hangs, each
// `done` runs once, and who failed is named.
#include "nccl/nccl_abi.h"
#include "nccl_buckets.h"
#include "time_limits.h"

namespace tf_ddl {
namespace {

// What a job says in the end.
struct Outcome {
  bool ended = false;             // every `done` ran, once
  bool created = false;           // on all ranks
  std::vector<std::string> said;  // by failures
  int reports = 0;                // on_failure
  int most_reports = 0;           // of one rank
};

// A bucket of several tensors, one for a grid in chunks, one that is cast; then the end in good
// order.
Outcome RunJob() {
  Outcome outcome;
  NcclWorld world({2, 2});
  outcome.created = world.all_created();
  Ends ends;
  std::vector<std::unique_ptr<Bucket>> buckets;
  for (int rank = 0; rank < world.size(); ++rank) {
    if (!world.created(rank).ok()) outcome.said.push_back(world.created(rank).message());
  }
  if (!outcome.created) {
    for (int rank = 0; rank < world.size(); ++rank) {
      if (world.created(rank).ok()) world[rank].Abort(Unavailable("another rank has failed"));
    }
    outcome.ended = true;
    return outcome;
  }
  world.Connect();
  for (int i = 0; i < 3; ++i) {
    for (int rank = 0; rank < world.size(); ++rank) {
      const std::vector<int64_t> counts =
          i == 1 ? std::vector<int64_t>{200} : std::vector<int64_t>{3, 50};
      buckets.push_back(
          std::make_unique<Bucket>(i == 0 ? DType::kInt32 : DType::kFloat32, counts, rank, false));
      auto collective = CollectiveOf(*buckets.back(), ReduceOp::kMean, {}, ends.Add(),
                                     "bucket " + std::to_string(i));
      if (i == 1) collective->plan = {{2, 2}, 512};
      if (i == 2) collective->wire = WireFormat::kFloat16;
      world[rank].Start(std::move(collective));
    }
  }
  outcome.ended = ends.Wait(20);
  if (!ends.First().ok()) outcome.said.push_back(ends.First().message());
  for (const auto& failures : world.Failures(!ends.First().ok())) {
    outcome.reports += static_cast<int>(failures.size());
    outcome.most_reports = std::max(outcome.most_reports, static_cast<int>(failures.size()));
    for (const Status& status : failures) outcome.said.push_back(status.message());
  }
  return outcome;
}

struct Function {
  const char* name;
  int code;
  int most;         // calls to try, from the first on
  bool is_noticed;  // else the job goes on without it
};

const Function kFunctions[] = {
    {"ncclGetUniqueId", kNcclSystemError, 0, true},
    {"ncclCommInitRankConfig", kNcclSystemError, 100, true},
    {"ncclCommSplit", kNcclSystemError, 100, true},
    {"ncclCommGetAsyncError", kNcclSystemError, 8, true},
    {"ncclAllReduce", kNcclSystemError, 100, true},
    {"ncclReduceScatter", kNcclSystemError, 100, true},
    {"ncclAllGather", kNcclSystemError, 100, true},
    {"ncclGroupStart", kNcclSystemError, 100, true},
    {"ncclGroupEnd", kNcclSystemError, 100, true},
    {"ncclCommFinalize", kNcclSystemError, 100, false},
    {"ncclCommDestroy", kNcclSystemError, 100, false},
    {"cuDeviceGet", kCudaErrorLaunchFailed, 4, true},
    {"cuDevicePrimaryCtxRetain", kCudaErrorLaunchFailed, 4, true},
    {"cuCtxGetStreamPriorityRange", kCudaErrorLaunchFailed, 14, true},
    {"cuStreamCreateWithPriority", kCudaErrorLaunchFailed, 14, true},
    {"cuStreamWaitEvent", kCudaErrorLaunchFailed, 30, true},
    {"cuEventCreate", kCudaErrorLaunchFailed, 10, true},
    {"cuEventRecord", kCudaErrorLaunchFailed, 30, true},
    {"cuEventQuery", kCudaErrorLaunchFailed, 4, true},
    {"cuModuleLoadData", kCudaErrorLaunchFailed, 4, true},
    {"cuModuleGetFunction", kCudaErrorNotFound, 4, true},
    {"cuMemAlloc_v2", kCudaErrorOutOfMemory, 4, true},
    {"cuLaunchKernel", kCudaErrorLaunchFailed, 100, true},
    {"cuDeviceGetName", kCudaErrorLaunchFailed, 2, false},
    {"cuStreamQuery", kCudaErrorLaunchFailed, 2, false},
    {"cuStreamDestroy_v2", kCudaErrorLaunchFailed, 2, false},
    {"cuModuleUnload", kCudaErrorLaunchFailed, 2, false},
    {"cuDevicePrimaryCtxRelease_v2", kCudaErrorLaunchFailed, 2, false},
};

TEST(NcclDeath, EveryCallMayFail) {
  Fake fake;
  const Outcome good = RunJob();
  ASSERT_TRUE(good.ended && good.created);
  ASSERT_TRUE(good.said.empty()) << good.said[0];
  EXPECT_STREQ(fake.misuse(), "");
  std::vector<int> calls;
  for (const Function& function : kFunctions) calls.push_back(fake.calls(function.name));
  for (size_t f = 0; f < std::size(kFunctions); ++f) {
    const Function& function = kFunctions[f];
    ASSERT_GT(calls[f], 0) << function.name;
#ifdef TF_DDL_SANITIZED
    const int step = 3;
#else
    const int step = 1;
#endif
    for (int n = 1; n <= std::min(calls[f], function.most); n += step) {
      fake.reset();
      fake.fail(function.name, n, function.code);
      const auto begin = Clock::now();
      const Outcome outcome = RunJob();
      const std::string which = std::string(function.name) + " number " + std::to_string(n);
      ASSERT_TRUE(outcome.ended) << which;
      EXPECT_LT(SecondsSince(begin), 10) << which;
      EXPECT_STREQ(fake.misuse(), "") << which;
      EXPECT_LE(outcome.most_reports, 1) << which;
      if (!function.is_noticed) continue;
      ASSERT_FALSE(outcome.said.empty()) << which;
      bool named = false;
      for (const std::string& text : outcome.said) {
        named |= Has(text, "rank ") || Has(text, "GPU ");
      }
      EXPECT_TRUE(named) << which << ": " << outcome.said[0];
      if (outcome.created) {
        EXPECT_GE(outcome.reports, 1) << which;
      }
    }
  }
}

TEST(NcclDeath, AnErrorNamesRankCallAndBucket) {
  Fake fake;
  NcclWorld world({1});
  ASSERT_TRUE(world.ok());
  fake.fail("ncclAllReduce", 1, kNcclRemoteError);
  Bucket bucket(DType::kFloat32, {4}, 0, true);
  Ends ends;
  world[0].Start(CollectiveOf(bucket, ReduceOp::kSum, {}, ends.Add(), "bucket 3 of group 'fit'"));
  ASSERT_TRUE(ends.Wait());
  EXPECT_EQ(ends.First().code(), Code::kUnavailable);
  EXPECT_EQ(ends.First().message(),
            "rank 0 (host-a): bucket 3 of group 'fit': ncclAllReduce failed: remote process exited "
            "or there was a network error (said by the fake NCCL)");
}

// A peer that never comes, for plans with one and several communicators.
TEST(NcclDeath, AbortOfAStuckPeerTakesNoTwoSeconds) {
  Fake fake;
  for (const DevicePlan& plan : {DevicePlan{}, DevicePlan{{2, 2}, 256}}) {
    NcclWorld world({2, 2});
    ASSERT_TRUE(world.ok());
    std::vector<std::unique_ptr<Bucket>> buckets;
    Ends warm, ends;
    for (int rank = 0; rank < 4; ++rank) {
      buckets.push_back(
          std::make_unique<Bucket>(DType::kFloat32, std::vector<int64_t>{500}, rank, true));
      world[rank].Start(CollectiveOf(*buckets.back(), ReduceOp::kSum, plan, warm.Add()));
    }
    ASSERT_TRUE(warm.Wait());
    for (int rank = 0; rank < 3; ++rank) {
      for (int i = 0; i < 3; ++i) {
        world[rank].Start(CollectiveOf(*buckets[rank], ReduceOp::kSum, plan, ends.Add()));
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_EQ(ends.ended(), 0u);
    const auto begin = Clock::now();
    for (int rank = 0; rank < 3; ++rank) {
      world[rank].Abort(Unavailable("lost connection to rank 3"));
      world[rank].Abort(Internal("a second one changes nothing"));
    }
    EXPECT_LT(SecondsSince(begin), Limit(2));
    ASSERT_TRUE(ends.Wait(Limit(0.1)));
    EXPECT_EQ(ends.First().message(), "lost connection to rank 3");
    // What comes later is refused, on the completion thread.
    Ends late;
    world[0].Start(CollectiveOf(*buckets[0], ReduceOp::kSum, plan, late.Add()));
    ASSERT_TRUE(late.Wait(5));
    EXPECT_EQ(late.First().message(), "lost connection to rank 3");
  }
  EXPECT_STREQ(fake.misuse(), "");
}

// Memory that a GPU may still touch after an abort, which is left alone until the process ends.
Bucket* Kept(std::unique_ptr<Bucket> bucket) {
  static auto* const kept = new std::vector<std::unique_ptr<Bucket>>;
  kept->push_back(std::move(bucket));
  return kept->back().get();
}

// A call that does not come back, until ncclCommAbort is called from another thread.
TEST(NcclDeath, AbortOfACallThatHangs) {
  for (const char* function : {"ncclGroupEnd", "ncclAllReduce", "cuLaunchKernel"}) {
    Fake fake;
    NcclWorld world({1});
    ASSERT_TRUE(world.ok());
    fake.block(function, 1);
    Bucket* bucket =
        Kept(std::make_unique<Bucket>(DType::kInt32, std::vector<int64_t>{4, 5}, 0, true));
    Ends ends;
    world[0].Start(CollectiveOf(*bucket, ReduceOp::kMean, {}, ends.Add()));
    // A world of one divides nothing: only what packs launches a kernel.
    Bucket* packed =
        Kept(std::make_unique<Bucket>(DType::kInt32, std::vector<int64_t>(100, 1), 0, true));
    world[0].Start(CollectiveOf(*packed, ReduceOp::kSum, {}, ends.Add()));
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    const auto begin = Clock::now();
    world[0].Abort(DeadlineExceeded("stuck"));
    EXPECT_LT(SecondsSince(begin), Limit(2)) << function;
    EXPECT_TRUE(ends.Wait(Limit(0.1))) << function;
    EXPECT_EQ(ends.First().message(), "stuck");
    fake.unblock();
  }
}

// Tensors that are never ready: nothing can end the stream's wait, but the callers go on.
TEST(NcclDeath, AbortWhileTensorsAreNotReady) {
  Fake fake;
  const TestDriver driver;
  const CuStream stream = driver.NewStream();
  Bucket* bucket =
      Kept(std::make_unique<Bucket>(DType::kFloat32, std::vector<int64_t>{4}, 0, true));
  {
    NcclWorld world({1});
    ASSERT_TRUE(world.ok());
    StreamLock lock(fake, stream);
    Ends ends;
    auto collective = CollectiveOf(*bucket, ReduceOp::kSum, {}, ends.Add());
    collective->ready.resize(1);
    ASSERT_TRUE(world[0].RecordReady(stream, &collective->ready[0]).ok());
    world[0].Start(std::move(collective));
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    const auto begin = Clock::now();
    world[0].Abort(DeadlineExceeded("stuck"));
    EXPECT_LT(SecondsSince(begin), Limit(2));
    ASSERT_TRUE(ends.Wait(Limit(0.1)));
    EXPECT_EQ(ends.First().message(), "stuck");
  }
  driver.cuda().stream_destroy(stream);
}

TEST(NcclDeath, ARankThatNeverComes) {
  Fake fake;
  NcclOptions options;
  options.libraries = FakePaths();
  ASSERT_TRUE(MakeNcclUniqueId(options.libraries, &options.unique_id).ok());
  options.size = 2;
  options.init_seconds = 0.3;
  std::unique_ptr<DeviceCommunicator> communicator;
  auto begin = Clock::now();
  Status status = CreateNcclCommunicator(options, &communicator);
  EXPECT_LT(SecondsSince(begin), Limit(2.3));
  EXPECT_EQ(status.code(), Code::kDeadlineExceeded);
  EXPECT_EQ(status.message(),
            "rank 0: ncclCommInitRankConfig: not all of the 2 ranks have come within 0.3 s");
  EXPECT_EQ(communicator, nullptr);

  ASSERT_TRUE(MakeNcclUniqueId(options.libraries, &options.unique_id).ok());
  options.init_seconds = 60;
  const auto give_up_at = Clock::now() + std::chrono::milliseconds(100);
  options.give_up = [&] {
    return Clock::now() < give_up_at ? OkStatus() : Unavailable("rank 1 has died");
  };
  begin = Clock::now();
  status = CreateNcclCommunicator(options, &communicator);
  EXPECT_LT(SecondsSince(begin), Limit(2.1));
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(status.message(), "rank 0: rank 1 has died");
}

TEST(NcclDeath, InitThatDoesNotComeBack) {
  Fake fake;
  NcclOptions options;
  options.libraries = FakePaths();
  ASSERT_TRUE(MakeNcclUniqueId(options.libraries, &options.unique_id).ok());
  options.init_seconds = 0.1;
  fake.block("ncclCommInitRankConfig", 1);
  std::unique_ptr<DeviceCommunicator> communicator;
  const auto begin = Clock::now();
  const Status status = CreateNcclCommunicator(options, &communicator);
  EXPECT_LT(SecondsSince(begin), Limit(8));
  EXPECT_EQ(status.code(), Code::kDeadlineExceeded);
  EXPECT_TRUE(Has(status.message(), "did not come back from starting")) << status.message();
  EXPECT_EQ(fake.calls("ncclCommAbort"), 0);
  // What comes back now is nobody's: it is aborted, and nothing else is done with it.
  fake.unblock();
  for (const Deadline deadline = DeadlineIn(Limit(5));
       fake.calls("ncclCommAbort") == 0 && Clock::now() < deadline;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(fake.calls("ncclCommAbort"), 1);
  EXPECT_EQ(fake.calls("ncclCommSplit"), 0);
}

TEST(NcclDeath, WhatNcclReportsByItselfIsNoticed) {
  for (const bool under_way : {true, false}) {
    Fake fake;
    NcclWorld world({2});
    ASSERT_TRUE(world.ok());
    world.Connect();
    Bucket bucket(DType::kFloat32, {4}, 0, true);
    Ends ends;
    if (under_way) world[0].Start(CollectiveOf(bucket, ReduceOp::kSum, {}, ends.Add()));
    const auto begin = Clock::now();
    fake.async_error(0, kNcclRemoteError);
    const auto failures = world.Failures(true);
    EXPECT_LT(SecondsSince(begin), Limit(4));
    ASSERT_EQ(failures[0].size(), 1u);
    EXPECT_EQ(failures[0][0].code(), Code::kUnavailable);
    EXPECT_TRUE(Has(failures[0][0].message(), "rank 0 (host-a): ")) << failures[0][0].message();
    EXPECT_TRUE(ends.Wait(5));
  }
}

TEST(NcclDeath, APlanThatDoesNotFitIsAFailure) {
  Fake fake;
  NcclWorld world({1, 2});
  ASSERT_TRUE(world.ok());
  Bucket bucket(DType::kFloat32, {4}, 0, true);
  Ends ends;
  world[0].Start(CollectiveOf(bucket, ReduceOp::kSum, {{3}, 0}, ends.Add(), "bucket 1"));
  ASSERT_TRUE(ends.Wait());
  EXPECT_EQ(ends.First().code(), Code::kInvalidArgument);
  EXPECT_EQ(ends.First().message(),
            "rank 0 (host-a): bucket 1: grid 3: hosts with unequal numbers of GPUs reduce flat");
}

TEST(NcclDeath, DestructionWhileUnderWay) {
  Fake fake;
  NcclWorld world({2});
  ASSERT_TRUE(world.ok());
  Bucket bucket(DType::kFloat32, {4}, 0, true);
  Ends ends;
  for (int i = 0; i < 3; ++i) {
    world[0].Start(CollectiveOf(bucket, ReduceOp::kSum, {}, ends.Add()));
  }
  const auto begin = Clock::now();
  world.Destroy(0);
  EXPECT_LT(SecondsSince(begin), Limit(2.5));
  ASSERT_TRUE(ends.Wait(Limit(0.1)));
  EXPECT_EQ(ends.First().message(), "rank 0 (host-a): the communicator was destroyed");
}

TEST(NcclDeath, CallbacksMayStartAndAbort) {
  Fake fake;
  NcclWorld world({1});
  ASSERT_TRUE(world.ok());
  Bucket bucket(DType::kFloat32, {4}, 0, true);
  Ends ends;
  const auto last = ends.Add();
  const auto second = ends.Add();
  world[0].Start(CollectiveOf(bucket, ReduceOp::kSum, {}, [&](const Status& first) {
    EXPECT_TRUE(first.ok());
    world[0].Start(CollectiveOf(bucket, ReduceOp::kSum, {}, [&](const Status& status) {
      second(status);
      world[0].Abort(Cancelled("enough"));
      world[0].Start(CollectiveOf(bucket, ReduceOp::kSum, {}, last));
    }));
  }));
  ASSERT_TRUE(ends.Wait(10));
  EXPECT_EQ(ends.First().message(), "enough");
}

TEST(NcclDeath, AbortAndDestructionRaceWithStarts) {
  Fake fake;
  for (int round = 0; round < 20; ++round) {
    NcclWorld world({2});
    ASSERT_TRUE(world.ok());
    Bucket bucket(DType::kFloat32, {4, 4}, 0, false), other(DType::kFloat32, {4, 4}, 1, false);
    Ends ends;
    std::thread aborter([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(100 * round));
      world[0].Abort(Cancelled("first"));
      world[1].Abort(Cancelled("second"));
    });
    world.Each([&](int rank) {
      for (int i = 0; i < 20; ++i) {
        world[rank].Start(CollectiveOf(rank == 0 ? bucket : other, ReduceOp::kSum, {}, ends.Add()));
      }
    });
    aborter.join();
    ASSERT_TRUE(ends.Wait(10));
  }
  EXPECT_STREQ(fake.misuse(), "");
}

}  // namespace
}  // namespace tf_ddl
