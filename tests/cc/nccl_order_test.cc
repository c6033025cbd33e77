// What is launched when: tensors that are not ready, groups, packing, splits, the order of calls.
#include "base/time.h"
#include "nccl_buckets.h"

namespace tf_ddl {
namespace {

// Starts one bucket of `counts` on every rank.
std::vector<std::unique_ptr<Bucket>> StartOnAll(NcclWorld* world, Ends* ends,
                                                const std::vector<int64_t>& counts,
                                                const DevicePlan& plan = {}) {
  std::vector<std::unique_ptr<Bucket>> buckets;
  for (int rank = 0; rank < world->size(); ++rank) {
    buckets.push_back(std::make_unique<Bucket>(DType::kFloat32, counts, rank, false));
    (*world)[rank].Start(CollectiveOf(*buckets.back(), ReduceOp::kSum, plan, ends->Add()));
  }
  return buckets;
}

void ExpectRight(const NcclWorld& world, const std::vector<std::unique_ptr<Bucket>>& buckets) {
  for (const auto& bucket : buckets) EXPECT_EQ(bucket->Wrong(world.size(), false), "");
}

TEST(NcclOrder, TensorsAreWaitedFor) {
  Fake fake;
  NcclWorld world({2});
  ASSERT_TRUE(world.ok());
  const TestDriver driver;
  const CuStream stream = driver.NewStream();
  for (const std::vector<int64_t>& counts :
       {std::vector<int64_t>{100}, std::vector<int64_t>(100, 3)}) {  // direct, and packed
    StreamLock lock(fake, stream);
    Ends ends;
    std::vector<std::unique_ptr<Bucket>> buckets;
    for (int rank = 0; rank < 2; ++rank) {
      buckets.push_back(std::make_unique<Bucket>(DType::kFloat32, counts, rank, true));
      auto collective = CollectiveOf(*buckets.back(), ReduceOp::kSum, {}, ends.Add(), "late");
      if (rank == 0) {
        collective->ready.resize(1);
        ASSERT_TRUE(world[0].RecordReady(stream, &collective->ready[0]).ok());
      }
      world[rank].Start(std::move(collective));
    }
    const auto says = [&](int rank, const char* words) {
      const int64_t deadline = NowNanos() + int64_t{20} * 1000 * 1000 * 1000;
      while (NowNanos() < deadline) {
        if (world[rank].DescribeLast().find(words) != std::string::npos) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      return false;
    };
    EXPECT_TRUE(says(0, "late: "));
    EXPECT_TRUE(says(0, "waiting for its tensors since")) << world[0].DescribeLast();
    EXPECT_TRUE(says(1, "under way since")) << world[1].DescribeLast();
    EXPECT_EQ(ends.ended(), 0u);
    lock.Open();
    ASSERT_TRUE(ends.Wait());
    EXPECT_TRUE(ends.First().ok()) << ends.First().message();
    ExpectRight(world, buckets);
    EXPECT_NE(world[0].DescribeLast().find("finished after"), std::string::npos);
  }
  driver.cuda().stream_destroy(stream);
  EXPECT_STREQ(fake.misuse(), "");
}

// What TensorFlow issues behind a gradient runs while that is still reduced.
TEST(NcclOrder, TheStreamThatComputesWaitsForNothing) {
  Fake fake;
  NcclWorld world({2});
  ASSERT_TRUE(world.ok());
  const TestDriver driver;
  const CuStream stream = driver.NewStream();
  Ends ends;
  Bucket first(DType::kFloat32, {100}, 0, true), second(DType::kFloat32, {100}, 1, true);
  auto collective = CollectiveOf(first, ReduceOp::kSum, {}, ends.Add(), "early");
  collective->ready.resize(1);
  ASSERT_TRUE(world[0].RecordReady(stream, &collective->ready[0]).ok());
  world[0].Start(std::move(collective));
  const Clock::time_point deadline = Clock::now() + std::chrono::seconds(20);
  while (world[0].DescribeLast().find("early") == std::string::npos ||
         world[0].DescribeLast().find("under way") == std::string::npos) {
    ASSERT_LT(Clock::now(), deadline) << world[0].DescribeLast();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CuEvent behind = nullptr;
  ASSERT_EQ(driver.cuda().event_create(&behind, 0), kCudaSuccess);
  ASSERT_EQ(driver.cuda().event_record(behind, stream), kCudaSuccess);
  while (driver.cuda().event_query(behind) == kCudaErrorNotReady) {
    ASSERT_LT(Clock::now(), deadline) << "it waits for the reduction";
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(ends.ended(), 0u) << "its peer has not come";
  world[1].Start(CollectiveOf(second, ReduceOp::kSum, {}, ends.Add()));
  ASSERT_TRUE(ends.Wait());
  EXPECT_EQ(first.Wrong(2, false), "");
  driver.cuda().event_destroy(behind);
  driver.cuda().stream_destroy(stream);
}

// When the GPU has room for one of two, it takes what others wait for.
TEST(NcclOrder, StreamsThatReduceAreUrgent) {
  Fake fake;
  NcclWorld world({2, 2});
  ASSERT_TRUE(world.ok());
  Ends ends;
  const auto buckets = StartOnAll(&world, &ends, {1000, 3}, {{2, 2}, 0});
  ASSERT_TRUE(ends.Wait());
  ExpectRight(world, buckets);
  EXPECT_GE(fake.calls("cuStreamCreateWithPriority"), 4 * 5);
  EXPECT_EQ(fake.calls("cuStreamCreateWithPriority: most urgent, does not block"),
            fake.calls("cuStreamCreateWithPriority"));
}

TEST(NcclOrder, FewTensorsAreOneGroupAndManyArePacked) {
  Fake fake;
  NcclWorld world({2});
  ASSERT_TRUE(world.ok());
  Ends ends;
  const int reduces = fake.calls("ncclAllReduce"), groups = fake.calls("ncclGroupEnd");
  const auto few = StartOnAll(&world, &ends, {100, 5, 77});
  ASSERT_TRUE(ends.Wait());
  ExpectRight(world, few);
  EXPECT_EQ(fake.calls("ncclAllReduce") - reduces, 2 * 3);
  EXPECT_EQ(fake.calls("ncclGroupEnd") - groups, 2);
  EXPECT_EQ(fake.calls("cuLaunchKernel"), 0);
  // More than one launch's table has room for.
  const auto many = StartOnAll(&world, &ends, std::vector<int64_t>(400, 9));
  ASSERT_TRUE(ends.Wait());
  ExpectRight(world, many);
  EXPECT_EQ(fake.calls("ncclAllReduce") - reduces, 2 * (3 + 1));
  EXPECT_EQ(fake.calls("cuLaunchKernel"), 2 * 2 * 3);
  EXPECT_STREQ(fake.misuse(), "");
}

TEST(NcclOrder, WithoutMemoryToPackTensorsAreGrouped) {
  Fake fake;
  NcclWorld world({1});
  ASSERT_TRUE(world.ok());
  fake.fail("cuMemAlloc_v2", 1, kCudaErrorOutOfMemory);
  Ends ends;
  const auto many = StartOnAll(&world, &ends, std::vector<int64_t>(100, 9));
  ASSERT_TRUE(ends.Wait());
  EXPECT_TRUE(ends.First().ok()) << ends.First().message();
  ExpectRight(world, many);
  EXPECT_EQ(fake.calls("ncclAllReduce"), 100);
}

TEST(NcclOrder, AGridIsSplitOnce) {
  Fake fake;
  NcclWorld world({2, 2});
  ASSERT_TRUE(world.ok());
  const int before = fake.calls("ncclCommSplit");
  EXPECT_EQ(before, 4);  // the flat ones, which may block
  Ends ends;
  for (int i = 0; i < 5; ++i) {
    const auto buckets = StartOnAll(&world, &ends, {1000}, {{2, 2}, 512});
    ASSERT_TRUE(ends.Wait());
    ExpectRight(world, buckets);
  }
  EXPECT_EQ(fake.calls("ncclCommSplit") - before, 4 * 2);
  const std::string text = "NCCL 2.30.7, GPU 0 (fake GPU of host memory), 4 communicators, kernels";
  EXPECT_EQ(world[0].Describe().rfind(text, 0), 0u) << world[0].Describe();
  EXPECT_STREQ(fake.misuse(), "");
}

// Buckets of different plans and sizes, all started before the first has ended: the fake refuses
// calls that come in different orders on different ranks.
TEST(NcclOrder, ManyAreUnderWayAtATime) {
  for (const bool blocking : {true, false}) {
    Fake fake;
    NcclWorld world({2, 2}, [&](NcclOptions* options) { options->blocking_launches = blocking; });
    ASSERT_TRUE(world.ok());
    EXPECT_EQ(fake.calls("ncclCommSplit"), blocking ? 4 : 0);
    Ends ends;
    std::vector<std::unique_ptr<Bucket>> buckets;
    std::mutex mutex;
    world.Each([&](int rank) {
      for (int i = 0; i < 40; ++i) {
        auto bucket = std::make_unique<Bucket>(
            DType::kFloat32, std::vector<int64_t>(1 + i % 3 * 50, 1 + 37 * (i % 5)), rank, i % 2);
        DevicePlan plan;
        if (i % 4 == 1) plan = {{2, 2}, 256};
        if (i % 4 == 2) plan = {{2, 2}, 0};
        auto collective = CollectiveOf(*bucket, ReduceOp::kSum, plan, ends.Add());
        if (i % 4 == 3) collective->wire = WireFormat::kBFloat16;
        world[rank].Start(std::move(collective));
        std::lock_guard<std::mutex> lock(mutex);
        buckets.push_back(std::move(bucket));
      }
    });
    ASSERT_TRUE(ends.Wait()) << world[0].DescribeLast();
    EXPECT_TRUE(ends.First().ok()) << ends.First().message();
    ExpectRight(world, buckets);
    EXPECT_EQ(NcclLaunchCosts(world[1]).buckets, 40);
    EXPECT_STREQ(fake.misuse(), "");
  }
}

TEST(NcclOrder, DoneRunsInTheOrderOfStart) {
  Fake fake;
  NcclWorld world({1});
  ASSERT_TRUE(world.ok());
  std::vector<int> order;
  std::mutex mutex;
  Ends ends;
  std::vector<std::unique_ptr<Bucket>> buckets;
  for (int i = 0; i < 50; ++i) {
    buckets.push_back(
        std::make_unique<Bucket>(DType::kInt32, std::vector<int64_t>(i % 2 ? 1 : 80, 4), 0, false));
    world[0].Start(CollectiveOf(*buckets.back(), ReduceOp::kMean, {},
                                [&, i, done = ends.Add()](const Status& status) {
                                  {
                                    std::lock_guard<std::mutex> lock(mutex);
                                    order.push_back(i);
                                  }
                                  done(status);
                                }));
  }
  ASSERT_TRUE(ends.Wait());
  std::lock_guard<std::mutex> lock(mutex);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(order[i], i);
}

TEST(NcclOrder, PlansBeginWithTheFastest) {
  Fake fake;
  NcclWorld world({2, 2});
  ASSERT_TRUE(world.ok());
  EXPECT_EQ(ToString(world[0].Plans(1000)[0]), "flat");
  EXPECT_GT(world[0].Plans(25 << 20).size(), 1u);
  for (const DevicePlan& plan : world[0].Plans(25 << 20)) {
    Ends ends;
    const auto buckets = StartOnAll(&world, &ends, {3000}, plan);
    ASSERT_TRUE(ends.Wait());
    ExpectRight(world, buckets);
  }
}

}  // namespace
}  // namespace tf_ddl
