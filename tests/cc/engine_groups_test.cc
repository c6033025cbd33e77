// Groups of many tensors: arrival orders that differ per rank and per call, several groups at once,
// the agreed order, broadcast, all-gather, and what happens when ranks disagree or leave.
#include <algorithm>
#include <atomic>
#include <numeric>
#include <random>

#include "engine_harness.h"

namespace tf_ddl {
namespace {

GroupSpec ManyTensors(const std::string& key, const std::vector<int64_t>& counts) {
  GroupSpec spec;
  spec.key = key;
  for (size_t i = 0; i < counts.size(); ++i) {
    spec.tensors.push_back({"t" + std::to_string(i), DType::kFloat32, {counts[i]}});
  }
  return spec;
}

std::vector<int64_t> MixedCounts() {
  return {10, 5000, 1, 0, 70000, 64, 64, 300, 20000, 1, 90000, 12, 4096, 3, 150000, 10};
}

TEST(Groups, ManyAtOnceWithArrivalOrdersThatDiffer) {
  for (int size : {2, 3, 5}) {
    EngineOptions options;
    options.bucket_bytes = 100 << 10;
    options.first_bucket_bytes = 8 << 10;
    World world(size, options);
    const auto counts = MixedCounts();
    const int kGroups = 4, kCalls = 5;
    world.Run([&](int rank, Engine& engine) {
      std::mt19937 random(rank * 1000 + size);
      std::vector<uint64_t> ids(kGroups);
      for (int g = 0; g < kGroups; ++g) {
        const auto spec = ManyTensors("group " + std::to_string(g), counts);
        ASSERT_TRUE(engine.RegisterGroup(spec, &ids[g]).ok());
      }
      for (int call = 0; call < kCalls; ++call) {
        std::vector<std::vector<std::vector<float>>> data(kGroups);
        std::vector<std::pair<int, int>> arrivals;
        for (int g = 0; g < kGroups; ++g) {
          for (size_t t = 0; t < counts.size(); ++t) {
            data[g].emplace_back(counts[t]);
            const Sawtooth mine{0, rank + g + call + static_cast<int>(t)};
            mine.Put(DType::kFloat32, data[g][t].data(), counts[t]);
            arrivals.push_back({g, static_cast<int>(t)});
          }
        }
        std::shuffle(arrivals.begin(), arrivals.end(), random);
        Latch latch(static_cast<int>(arrivals.size()));
        for (auto [g, t] : arrivals) {
          auto& tensor = data[g][t];
          engine.AllReduce(ids[g], t, tensor.data(), tensor.data(), counts[t], latch.Callback());
        }
        const Status status = latch.Wait();
        ASSERT_TRUE(status.ok()) << status.message();
        for (int g = 0; g < kGroups; ++g) {
          for (size_t t = 0; t < counts.size(); ++t) {
            const Sawtooth sum{0, size * (g + call + static_cast<int>(t)) + size * (size - 1) / 2};
            ASSERT_TRUE(sum.IsIn(DType::kFloat32, data[g][t].data(), counts[t]));
          }
        }
      }
    });
  }
}

TEST(Groups, CallsMayOverlap) {
  // The next call's tensors may arrive while the last one's still travel (loops in a graph).
  EngineOptions options;
  options.bucket_bytes = 4096;
  options.first_bucket_bytes = 4096;
  World world(2, options);
  const std::vector<int64_t> counts = {3000, 10, 3000};
  world.Run([&](int rank, Engine& engine) {
    uint64_t group;
    ASSERT_TRUE(engine.RegisterGroup(ManyTensors("overlap", counts), &group).ok());
    const int kCalls = 20;
    std::vector<std::vector<float>> data;
    for (int call = 0; call < kCalls; ++call) {
      for (int64_t n : counts) data.emplace_back(n, static_cast<float>(call + rank));
    }
    Latch latch(kCalls * 3);
    for (int call = 0; call < kCalls; ++call) {
      for (int t = 0; t < 3; ++t) {
        auto& tensor = data[call * 3 + t];
        engine.AllReduce(group, t, tensor.data(), tensor.data(), counts[t], latch.Callback());
      }
    }
    ASSERT_TRUE(latch.Wait().ok());
    for (int i = 0; i < kCalls * 3; ++i) {
      for (float value : data[i]) ASSERT_EQ(value, static_cast<float>(i / 3 * 2 + 1));
    }
  });
}

TEST(Groups, BucketsFollowTheOrderMeasuredOnRankZero) {
  EngineOptions options;
  options.bucket_bytes = 1000;
  options.first_bucket_bytes = 100;
  World world(2, options);
  const std::vector<int64_t> counts = {100, 100, 100, 100, 100};
  const std::vector<int> order = {2, 0, 4, 1, 3};
  world.Run([&](int rank, Engine& engine) {
    engine.RecordTimeline(true);
    uint64_t group;
    ASSERT_TRUE(engine.RegisterGroup(ManyTensors("ordered", counts), &group).ok());
    for (int call = 0; call < 3; ++call) {
      std::vector<std::vector<float>> data(5, std::vector<float>(100, 1.0f));
      Latch latch(5);
      for (int i = 0; i < 5; ++i) {
        const int t = rank == 0 ? order[i] : 4 - i;
        engine.AllReduce(group, t, data[t].data(), data[t].data(), 100, latch.Callback());
      }
      ASSERT_TRUE(latch.Wait().ok());
    }
    const std::string timeline = engine.TimelineJson();
    EXPECT_NE(timeline.find("\"buckets\":[{\"tensors\":[2]"), std::string::npos) << timeline;
    EXPECT_NE(timeline.find("{\"tensors\":[0,4,1],"), std::string::npos) << timeline;
  });
}

TEST(Groups, BroadcastFromEveryRoot) {
  World world(4);
  for (int root = 0; root < 4; ++root) {
    for (int64_t count : {0, 1, 100, kSanitized ? 300001 : 3000001}) {
      world.Run([&](int rank, Engine& engine) {
        GroupSpec spec = OneTensor("b" + std::to_string(root) + "/" + std::to_string(count),
                                   DType::kBytes, {count});
        spec.kind = CollectiveKind::kBroadcast;
        spec.root = root;
        uint64_t group;
        ASSERT_TRUE(engine.RegisterGroup(spec, &group).ok());
        std::vector<uint8_t> in(count, static_cast<uint8_t>(rank + 1)), out(count);
        Latch latch(1);
        engine.Broadcast(group, in.data(), out.data(), count, latch.Callback());
        ASSERT_TRUE(latch.Wait().ok());
        for (uint8_t value : out) ASSERT_EQ(value, root + 1);
      });
    }
  }
}

TEST(Groups, AllGatherOfUnevenParts) {
  for (int size : {1, 2, 5}) {
    World world(size);
    for (int64_t scale : {0, 1, 1000, 200000}) {
      world.Run([&](int rank, Engine& engine) {
        GroupSpec spec = OneTensor("g" + std::to_string(scale), DType::kInt32, {-1});
        spec.kind = CollectiveKind::kAllGather;
        uint64_t group;
        ASSERT_TRUE(engine.RegisterGroup(spec, &group).ok());
        const std::vector<int32_t> in(rank * scale + (rank == 2 ? 0 : 1), rank);
        std::vector<int32_t> out;
        std::vector<int64_t> seen;
        auto allocate = [&](const std::vector<int64_t>& counts, void** place) {
          seen = counts;
          out.resize(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
          *place = out.data();
          return OkStatus();
        };
        Latch latch(1);
        engine.AllGather(group, in.data(), static_cast<int64_t>(in.size()), allocate,
                         latch.Callback());
        ASSERT_TRUE(latch.Wait().ok());
        size_t at = 0;
        for (int r = 0; r < size; ++r) {
          ASSERT_EQ(seen[r], r * scale + (r == 2 ? 0 : 1));
          for (int64_t i = 0; i < seen[r]; ++i) ASSERT_EQ(out[at++], r);
        }
        ASSERT_EQ(at, out.size());
      });
    }
  }
}

TEST(Groups, DifferentModelsAreAnErrorOnEveryRankThatNamesTheTensor) {
  World world(3);
  world.Run([&](int rank, Engine& engine) {
    GroupSpec spec;
    spec.key = rank == 2 ? "model b" : "model a";
    spec.tensors = {{"dense/kernel", DType::kFloat32, {784, 128}},
                    {"dense_1/kernel", DType::kFloat32, {128, rank == 2 ? 64 : 10}}};
    uint64_t group;
    ASSERT_TRUE(engine.RegisterGroup(spec, &group).ok());
    std::vector<float> kernel(784 * 128);
    Latch latch(1);
    engine.AllReduce(group, 0, kernel.data(), kernel.data(), 784 * 128, latch.Callback());
    const Status status = latch.Wait();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_NE(status.message().find("dense_1/kernel"), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("[128,64] on rank 2"), std::string::npos) << status.message();
  });
}

TEST(Groups, AnAbortReachesEveryRankWithItsReason) {
  World world(4);
  world.Run([&](int rank, Engine& engine) {
    uint64_t group;
    ASSERT_TRUE(engine.RegisterGroup(OneTensor("x", DType::kFloat32, {10}), &group).ok());
    std::vector<float> data(10);
    Latch latch(1);
    if (rank == 3) {
      engine.Abort(Unavailable("the program raised ValueError: no such file"));
      latch.Callback()(OkStatus());
    } else {
      engine.AllReduce(group, 0, data.data(), data.data(), 10, latch.Callback());
      const Status status = latch.Wait(5);
      EXPECT_EQ(status.code(), Code::kUnavailable) << status.message();
      EXPECT_NE(status.message().find("rank 3"), std::string::npos) << status.message();
      EXPECT_NE(status.message().find("no such file"), std::string::npos) << status.message();
    }
    // What is asked for afterwards fails at once.
    Latch after(1);
    for (int i = 0; i < 100 && engine.health().ok(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    engine.AllReduce(group, 0, data.data(), data.data(), 10, after.Callback());
    EXPECT_EQ(after.Wait(5).code(), Code::kUnavailable);
  });
}

TEST(Groups, ARankThatLeavesEarlyIsNamed) {
  World world(3);
  std::atomic<int> finished{0};
  world.Run([&](int rank, Engine& engine) {
    uint64_t group;
    ASSERT_TRUE(engine.RegisterGroup(OneTensor("x", DType::kFloat32, {50000}), &group).ok());
    std::vector<float> data(50000, 1.0f);
    Latch first(1);
    engine.AllReduce(group, 0, data.data(), data.data(), 50000, first.Callback());
    const Status before = first.Wait();
    ASSERT_TRUE(before.ok()) << before.message();
    ++finished;
    if (rank == 1) {
      // Leaving is an error for those who still wait, so let them finish what they can.
      while (finished < 3) std::this_thread::yield();
      engine.Shutdown();
      return;
    }
    Latch second(1);
    engine.AllReduce(group, 0, data.data(), data.data(), 50000, second.Callback());
    const Status status = second.Wait(5);
    EXPECT_EQ(status.code(), Code::kUnavailable) << status.message();
    EXPECT_NE(status.message().find("rank 1"), std::string::npos) << status.message();
  });
}

TEST(Groups, AWaitHasADeadlineThatNamesTheMissingRank) {
  EngineOptions options;
  options.timeout = 3.0;
  World world(2, options);
  uint64_t group[2];
  world.Run([&](int rank, Engine& engine) {
    ASSERT_TRUE(engine.RegisterGroup(OneTensor("x", DType::kFloat32, {10}), &group[rank]).ok());
    std::vector<float> data(10, 1.0f);
    Latch latch(1);
    engine.AllReduce(group[rank], 0, data.data(), data.data(), 10, latch.Callback());
    ASSERT_TRUE(latch.Wait().ok());
  });
  std::vector<float> data(10, 1.0f);
  Latch latch(1);
  world[0].AllReduce(group[0], 0, data.data(), data.data(), 10, latch.Callback());
  const Status status = latch.Wait(10);
  EXPECT_EQ(status.code(), Code::kDeadlineExceeded) << status.message();
  EXPECT_NE(status.message().find("rank 1"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("'x' float32 [10]"), std::string::npos) << status.message();
}

TEST(Groups, MisuseIsAnErrorAndNotAHang) {
  World world(2);
  world.Run([&](int, Engine& engine) {
    uint64_t group;
    EXPECT_EQ(engine.RegisterGroup(GroupSpec(), &group).code(), Code::kInvalidArgument);
    EXPECT_EQ(engine.RegisterGroup(OneTensor("raw", DType::kBytes, {1}), &group).code(),
              Code::kInvalidArgument);
    ASSERT_TRUE(engine.RegisterGroup(OneTensor("x", DType::kFloat32, {10}), &group).ok());
    EXPECT_EQ(engine.RegisterGroup(OneTensor("x", DType::kFloat32, {11}), &group).code(),
              Code::kInvalidArgument);
  });
  std::vector<float> data(10);
  Latch latch(1);
  world[0].AllReduce(12345, 0, data.data(), data.data(), 10, latch.Callback());
  EXPECT_EQ(latch.Wait(5).code(), Code::kFailedPrecondition);
}

}  // namespace
}  // namespace tf_ddl
