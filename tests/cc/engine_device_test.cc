// Groups in device memory: what is read when, what is shown, which plans are used, what is refused.
#include <algorithm>

#include "device_harness.h"
#include "gradients.h"

namespace tf_ddl {
namespace {

DevicePlan Grid(std::vector<int> lengths, int64_t chunk_bytes = 0) {
  DevicePlan plan;
  plan.grid = std::move(lengths);
  plan.chunk_bytes = chunk_bytes;
  return plan;
}

// One call of a group in device memory, checked.
Status OneCall(Engine& engine, uint64_t group, const std::vector<int64_t>& counts, int rank,
               int size, int number) {
  CallData data(counts, rank, number);
  Latch latch(static_cast<int>(counts.size()));
  for (size_t t = counts.size(); t-- > 0;) {
    float* tensor = data.tensors[t].data();
    engine.AllReduceOnDevice(group, static_cast<int>(t), tensor, tensor, counts[t], nullptr,
                             latch.Callback());
  }
  const Status status = latch.Wait();
  if (status.ok()) data.Check(size, number);
  return status;
}

TEST(DeviceGroups, NothingIsReadBeforeTheStreamHasWrittenIt) {
  DeviceWorld world(2);
  DeviceEngines engines(&world, 2);
  engines.Run([&](int rank, Engine& engine) {
    uint64_t group;
    const auto spec = OnDevice(OneTensor("late", DType::kFloat32, {1000}, ReduceOp::kMean));
    ASSERT_TRUE(engine.RegisterGroup(spec, &group).ok());
    std::vector<float> in(1000, -1.0f), out(1000, -1.0f);
    TestStream stream;
    Latch latch(1);
    engine.AllReduceOnDevice(group, 0, in.data(), out.data(), 1000, &stream, latch.Callback());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::fill(in.begin(), in.end(), static_cast<float>(rank));
    stream.open = true;
    ASSERT_TRUE(latch.Wait().ok());
    for (float value : out) ASSERT_EQ(value, 0.5f);
    for (float value : in) ASSERT_EQ(value, static_cast<float>(rank));
  });
}

TEST(DeviceGroups, AreShownInStatsPlansAndTimeline) {
  DeviceWorld world(2);
  DeviceEngines engines(&world, 2);
  engines.Run([&](int rank, Engine& engine) {
    engine.RecordTimeline(true);
    uint64_t group;
    ASSERT_TRUE(engine.RegisterGroup(OnDevice(Gradients("shown", {1000, 0, 24})), &group).ok());
    for (int call = 0; call < 2; ++call) {
      ASSERT_TRUE(OneCall(engine, group, {1000, 0, 24}, rank, 2, call).ok());
    }
    // The driving thread notes the end after the callbacks have run.
    for (int i = 0; i < 500 && engine.PlansJson().find("\"count\":2") == std::string::npos; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    const std::string device = "\"device\":\"test device " + std::to_string(rank) + "\"";
    const std::string stats = engine.StatsJson(), plans = engine.PlansJson();
    EXPECT_NE(stats.find(device), std::string::npos) << stats;
    EXPECT_NE(stats.find("\"gpu flat\":2"), std::string::npos) << stats;
    EXPECT_NE(stats.find("\"bytes_reduced\":8192"), std::string::npos) << stats;
    EXPECT_NE(plans.find(device), std::string::npos) << plans;
    EXPECT_NE(plans.find("{\"plan\":\"gpu flat\",\"bytes\":4096,\"count\":2"), std::string::npos)
        << plans;
    const std::string timeline = engine.TimelineJson();
    EXPECT_NE(timeline.find("\"bytes\":4096,\"plan\":\"gpu flat\""), std::string::npos) << timeline;
    EXPECT_EQ(timeline.find("\"ended\":0.0"), std::string::npos) << timeline;
  });
}

TEST(DeviceGroups, EmptyTensorsNeedNoDevice) {
  DeviceWorld world(2);
  DeviceEngines engines(&world, 2);
  engines.Run([&](int, Engine& engine) {
    uint64_t group;
    const auto spec = OnDevice(OneTensor("empty", DType::kFloat32, {0, 5}));
    ASSERT_TRUE(engine.RegisterGroup(spec, &group).ok());
    Latch latch(1);
    engine.AllReduceOnDevice(group, 0, nullptr, nullptr, 0, nullptr, latch.Callback());
    EXPECT_TRUE(latch.Wait().ok());
  });
  EXPECT_EQ(world.executed(), 0);
}

TEST(DeviceGroups, RanksThatDisagreeAboutTheMemoryAreToldTensorRanksAndMemory) {
  DeviceWorld world(3);
  DeviceEngines engines(&world, 3);
  engines.Run([&](int rank, Engine& engine) {
    GroupSpec spec = OneTensor("dense/kernel", DType::kFloat32, {8});
    spec.device = rank != 1;
    uint64_t group;
    ASSERT_TRUE(engine.RegisterGroup(spec, &group).ok());
    std::vector<float> data(8);
    Latch latch(1);
    if (spec.device) {
      engine.AllReduceOnDevice(group, 0, data.data(), data.data(), 8, nullptr, latch.Callback());
    } else {
      engine.AllReduce(group, 0, data.data(), data.data(), 8, latch.Callback());
    }
    const Status status = latch.Wait(10);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    for (const char* part :
         {"'dense/kernel' float32 [8]", "in GPU memory on rank ", "in host memory on rank 1"}) {
      EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
    }
  });
}

TEST(DeviceGroups, TheWrongMemoryOfATensorIsAnError) {
  DeviceWorld world(2);
  DeviceEngines engines(&world, 2);
  uint64_t group;
  ASSERT_TRUE(
      engines[0].RegisterGroup(OnDevice(OneTensor("x", DType::kFloat32, {1})), &group).ok());
  float value = 0;
  Latch latch(1);
  engines[0].AllReduce(group, 0, &value, &value, 1, latch.Callback());
  const Status status = latch.Wait(10);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.message().find("called with one in host memory"), std::string::npos)
      << status.message();
}

TEST(DeviceGroups, NeedADeviceCommunicator) {
  World world(2);
  uint64_t group;
  const Status status =
      world[0].RegisterGroup(OnDevice(OneTensor("x", DType::kFloat32, {1})), &group);
  EXPECT_EQ(status.code(), Code::kFailedPrecondition) << status.message();
  GroupSpec spec = OnDevice(OneTensor("b", DType::kFloat32, {1}));
  spec.kind = CollectiveKind::kBroadcast;
  EXPECT_EQ(Validate(spec, 2).code(), Code::kInvalidArgument);
}

TEST(DeviceGroups, AWorldOfOneLeavesThemAsTheyAre) {
  World world(1);
  uint64_t group;
  ASSERT_TRUE(world[0].RegisterGroup(OnDevice(OneTensor("x", DType::kFloat32, {3})), &group).ok());
  Latch good(1), bad(1);
  float* nowhere = reinterpret_cast<float*>(64);  // not this process' memory, as a GPU's is not
  world[0].AllReduceOnDevice(group, 0, nowhere, nowhere, 3, nullptr, good.Callback());
  EXPECT_TRUE(good.Wait().ok());
  world[0].AllReduceOnDevice(group, 0, nowhere, nowhere + 3, 3, nullptr, bad.Callback());
  EXPECT_EQ(bad.Wait().code(), Code::kInternal);
}

// ---- plans ------------------------------------------------------------------------------------

std::vector<std::string> PlansUsed(const EngineOptions& options, std::vector<DevicePlan> plans,
                                   int calls,
                                   std::function<double(const DevicePlan&, int64_t)> cost = {},
                                   std::string* news = nullptr) {
  DeviceWorld world(2);
  world.set_plans(std::move(plans));
  world.set_cost(std::move(cost));
  DeviceEngines engines(&world, 2, options);
  const std::vector<int64_t> counts = {40000, 40000};
  engines.Run([&](int rank, Engine& engine) {
    uint64_t group;
    ASSERT_TRUE(engine.RegisterGroup(OnDevice(Gradients("tuned", counts)), &group).ok());
    for (int call = 0; call < calls; ++call) {
      const Status status = OneCall(engine, group, counts, rank, 2, call);
      ASSERT_TRUE(status.ok()) << status.message();
    }
  });
  EXPECT_EQ(world.mismatch(), "");
  if (news != nullptr) *news = engines[0].PlansJson();
  return world.executed_plans();
}

TEST(DevicePlansTest, TheFastestOfThoseOfferedIsKept) {
  EngineOptions options;
  options.tune_buckets = false;
  options.bucket_bytes = 4 << 20;
  std::string news;
  const auto used = PlansUsed(
      options, {DevicePlan(), Grid({2, 1}), Grid({2, 1}, 65536)}, 60,
      [](const DevicePlan& plan, int64_t bytes) {  // far apart: the machine may be busy
        return bytes < 100000 ? 0 : plan.chunk_bytes > 0 ? 0.01 : plan.grid.empty() ? 0.05 : 0.1;
      },
      &news);
  EXPECT_EQ(used.front(), "flat");
  EXPECT_NE(std::find(used.begin(), used.end(), "grid 2x1"), used.end()) << "tried";
  EXPECT_EQ(used.back(), "grid 2x1, chunks of 64 KiB");
  EXPECT_NE(news.find("tuned: plan flat -> grid 2x1, chunks of 64 KiB"), std::string::npos) << news;
}

TEST(DevicePlansTest, WithoutAutotuneTheFirstStays) {
  EngineOptions options;
  options.autotune = false;
  for (const std::string& plan : PlansUsed(options, {Grid({2, 1}), DevicePlan()}, 12)) {
    EXPECT_EQ(plan, "grid 2x1");
  }
}

TEST(DevicePlansTest, DeterministicJobsDoNotFollowPredictions) {
  EngineOptions options;
  options.deterministic = true;
  for (const std::string& plan : PlansUsed(options, {Grid({2, 1}), DevicePlan()}, 12)) {
    EXPECT_EQ(plan, "flat");
  }
}

TEST(DevicePlansTest, AGridThatIsWishedIsUsedWithItsChunks) {
  EngineOptions options;
  options.plan = "grid:2x1";
  options.chunk_bytes = 1 << 20;
  for (const std::string& plan : PlansUsed(options, {DevicePlan(), Grid({2, 1}, 5)}, 12)) {
    EXPECT_EQ(plan, "grid 2x1, chunks of 1 MiB");
  }
}

TEST(DevicePlansTest, AGridThatIsNotOfferedIsAnErrorThatSaysWhatIs) {
  DeviceWorld world(2);
  world.set_plans({DevicePlan(), Grid({1, 2})});
  EngineOptions options;
  options.plan = "grid:2x1";
  DeviceEngines engines(&world, 2, options);
  engines.Run([&](int, Engine& engine) {
    uint64_t group;
    (void)engine.RegisterGroup(OnDevice(OneTensor("x", DType::kFloat32, {1})), &group);
    float value = 0;
    Latch latch(1);
    engine.AllReduceOnDevice(group, 0, &value, &value, 1, nullptr, latch.Callback());
    const Status status = latch.Wait(10);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.message();
    EXPECT_NE(status.message().find("there are: flat; grid 1x2"), std::string::npos)
        << status.message();
  });
}

TEST(DevicePlansTest, PlansForHostMemoryLeaveTheChoiceFree) {
  EngineOptions options;
  options.plan = "ring";
  options.autotune = false;
  for (const std::string& plan : PlansUsed(options, {Grid({2, 1}), DevicePlan()}, 3)) {
    EXPECT_EQ(plan, "grid 2x1");
  }
}

}  // namespace
}  // namespace tf_ddl
