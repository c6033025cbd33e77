// Links are measured when the ranks have met, and what was measured decides which plan comes first.
#include "base/time.h"
#include "nccl/nccl_abi.h"
#include "nccl_buckets.h"

namespace tf_ddl {
namespace {

constexpr int64_t kBytes = 1 << 20;  // the fake library is slow

void Measuring(NcclOptions* options) {
  options->measure_links = true;
  options->measured_bytes = kBytes;
}

// As long as they take in the fake library: the machine may be busy, so never less.
TEST(NcclLinks, AreWhatCallsTake) {
  Fake fake;
  fake.take(2, 4e-3, 40e-9);
  NcclWorld world({2}, Measuring);
  ASSERT_TRUE(world.ok());
  const DeviceLinks links = NcclDeviceLinks(world[0]);
  EXPECT_GE(links.flat.alpha, 3e-3);
  EXPECT_GE(links.flat.beta, 30e-9);
  EXPECT_LT(links.flat.alpha, 200e-3);
  EXPECT_LT(links.flat.beta, 1e-6);
  EXPECT_EQ(links.between.beta, UsualDeviceLinks().between.beta) << "there is one host";
  EXPECT_NE(world[0].Describe().find(", a flat all-reduce takes "), std::string::npos)
      << world[0].Describe();
  EXPECT_STREQ(fake.misuse(), "");
}

TEST(NcclLinks, AreTheSameOnAllRanks) {
  Fake fake;
  NcclWorld world({2, 2}, Measuring);
  ASSERT_TRUE(world.ok());
  const DeviceLinks first = NcclDeviceLinks(world[0]);
  EXPECT_NE(first.launch, UsualDeviceLinks().launch);
  EXPECT_NE(first.between.beta, UsualDeviceLinks().between.beta);
  for (int rank = 1; rank < 4; ++rank) {
    const DeviceLinks links = NcclDeviceLinks(world[rank]);
    EXPECT_EQ(links.flat.alpha, first.flat.alpha);
    EXPECT_EQ(links.flat.beta, first.flat.beta);
    EXPECT_EQ(links.local.alpha, first.local.alpha);
    EXPECT_EQ(links.local.beta, first.local.beta);
    EXPECT_EQ(links.between.alpha, first.between.alpha);
    EXPECT_EQ(links.between.beta, first.between.beta);
    EXPECT_EQ(links.launch, first.launch);
    EXPECT_EQ(links.call, first.call);
    EXPECT_EQ(links.memory_beta, first.memory_beta);
  }
  EXPECT_STREQ(fake.misuse(), "");
}

TEST(NcclLinks, DecideWhichPlanComesFirst) {
  for (const int slow : {4, 2}) {  // all ranks, or those along a dimension
    Fake fake;
    fake.take(slow, 20e-3, 100e-9);  // the machine may be busy: far from what else takes time
    NcclWorld world({2, 2}, Measuring);
    ASSERT_TRUE(world.ok());
    for (const int64_t bytes : {1000, 1 << 20}) {
      EXPECT_EQ(world[3].Plans(bytes)[0].grid.empty(), slow == 2)
          << ToString(world[3].Plans(bytes)[0]) << " for " << bytes;
    }
    // What was measured with is out of the way: buckets are right.
    for (const DevicePlan& plan : {DevicePlan{}, DevicePlan{{2, 2}, 512}}) {
      Ends ends;
      std::vector<std::unique_ptr<Bucket>> buckets;
      for (int rank = 0; rank < 4; ++rank) {
        buckets.push_back(
            std::make_unique<Bucket>(DType::kFloat32, std::vector<int64_t>{70, 500}, rank, false));
        world[rank].Start(CollectiveOf(*buckets.back(), ReduceOp::kSum, plan, ends.Add()));
      }
      ASSERT_TRUE(ends.Wait());
      for (const auto& bucket : buckets) EXPECT_EQ(bucket->Wrong(4, false), "");
    }
    EXPECT_STREQ(fake.misuse(), "");
  }
}

TEST(NcclLinks, AreNotMeasuredUnlessAskedFor) {
  Fake fake;
  NcclWorld world({2, 2});
  ASSERT_TRUE(world.ok());
  EXPECT_EQ(fake.calls("ncclAllReduce"), 0);
  EXPECT_EQ(NcclDeviceLinks(world[0]).flat.beta, 0);
}

// Whatever fails meanwhile is an error on every rank, in bounded time, that says where.
TEST(NcclLinks, AFailureMeanwhileIsEverybodys) {
  struct Injection {
    const char* function;
    int n, code;
  };
  for (const Injection& injection :
       std::vector<Injection>{{"ncclAllReduce", 1, kNcclSystemError},
                              {"ncclAllReduce", 60, kNcclSystemError},
                              {"ncclGroupEnd", 2, kNcclSystemError},
                              {"cuMemAlloc_v2", 1, kCudaErrorOutOfMemory},
                              {"cuEventElapsedTime", 3, kCudaErrorLaunchFailed},
                              {"cuLaunchKernel", 2, kCudaErrorLaunchFailed},
                              {"cuMemcpyDtoH_v2", 1, kCudaErrorLaunchFailed}}) {
    Fake fake;
    fake.fail(injection.function, injection.n, injection.code);
    const auto begin = Clock::now();
    NcclWorld world({2, 2}, Measuring);
    bool said = false, failed = false;
    for (int rank = 0; rank < 4; ++rank) {
      const Status& status = world.created(rank);
      failed |= !status.ok();
      said |=
          status.message().find("while the links of the GPUs were measured") != std::string::npos &&
          status.message().find("rank ") != std::string::npos;
      if (status.ok()) world[rank].Abort(Unavailable("another rank has failed"));
    }
    EXPECT_TRUE(failed && said) << injection.function;
    EXPECT_LT(std::chrono::duration<double>(Clock::now() - begin).count(), 15);
    EXPECT_STREQ(fake.misuse(), "") << injection.function;
  }
}

}  // namespace
}  // namespace tf_ddl
