// One order of device buckets on every rank: rank 0's, whatever the order in which tensors and
// groups become ready elsewhere.
#include "engine/device_order.h"

#include <algorithm>
#include <random>
#include <set>

#include "device_harness.h"
#include "gradients.h"

namespace tf_ddl {
namespace {

DeviceTurn Turn(uint64_t group, uint64_t call, int bucket, DevicePlan plan = DevicePlan()) {
  return {{group, call, bucket}, std::move(plan)};
}

TEST(DeviceOrder, WhatRank0TellsIsReadByTheOthers) {
  DeviceOrder rank0, other;
  EXPECT_EQ(rank0.Take(), "");
  DevicePlan grid;
  grid.grid = {8, 4};
  grid.chunk_bytes = 4 << 20;
  rank0.Started(Turn(0xFFFFFFFFFFFFFFFFull, 3, 1, grid));
  rank0.Started(Turn(7, 0, 0));
  ASSERT_TRUE(other.Add(rank0.Take()).ok());
  EXPECT_EQ(rank0.Take(), "");
  DeviceTurn turn;
  EXPECT_FALSE(other.Next(&turn));
  other.Complete({7, 0, 0});
  EXPECT_FALSE(other.Next(&turn)) << "the first one has not come";
  EXPECT_EQ(other.waiting()->bucket.call, 3u);
  other.Complete({0xFFFFFFFFFFFFFFFFull, 3, 1});
  ASSERT_TRUE(other.Next(&turn));
  EXPECT_EQ(turn.plan.grid, (std::vector<int>{8, 4}));
  EXPECT_EQ(turn.plan.chunk_bytes, 4 << 20);
  ASSERT_TRUE(other.Next(&turn));
  EXPECT_TRUE(turn.plan.grid.empty());
  EXPECT_FALSE(other.Next(&turn));
  EXPECT_EQ(other.num_complete(), 0u);
}

TEST(DeviceOrder, NonsenseIsRefused) {
  DeviceOrder order;
  for (const char* text :
       {"x", "1 2", "1 2 -1 0 0", "1 2 0 0 3 4", "1 2 0 0 99999999999", "1 2 0 -4 0"}) {
    EXPECT_EQ(order.Add(text).code(), Code::kInternal) << text;
  }
  EXPECT_EQ(order.waiting(), nullptr);
}

TEST(DeviceOrder, TheTreeReachesEveryRankOnce) {
  for (int size : {1, 2, 9, 10, 73, 74, 1024}) {
    std::vector<int> reached(size, 0);
    reached[0] = 1;
    for (int rank = 0; rank < size; ++rank) {
      for (int child : FanOut(rank, size)) {
        ASSERT_GT(child, rank);
        ++reached[child];
      }
    }
    EXPECT_EQ(std::count(reached.begin(), reached.end(), 1), size);
  }
}

// Several groups in device memory and one in host memory, each tensor of each call in an order of
// each rank's own, calls of different groups overlapping.
TEST(DeviceOrder, GroupsThatBecomeReadyInDifferentOrders) {
  const int kGroups = 3, kCalls = 12;
  for (int size : {2, 3, 10}) {
    DeviceWorld world(size);
    EngineOptions options = Tuned();
    options.tune_buckets = false;  // small buckets, so many
    DeviceEngines engines(&world, size, options);
    engines.Run([&](int rank, Engine& engine) {
      std::mt19937 random(rank * 71 + size);
      const auto& counts = SmallCounts();
      uint64_t ids[kGroups + 1];
      for (int g = 0; g <= kGroups; ++g) {
        GroupSpec spec = Gradients("group " + std::to_string(g), counts);
        spec.device = g < kGroups;
        ASSERT_TRUE(engine.RegisterGroup(spec, &ids[g]).ok());
      }
      std::vector<std::thread> threads;  // each group in its own time
      for (int g = 0; g <= kGroups; ++g) {
        threads.emplace_back([&, g, seed = random()] {
          std::mt19937 own(seed);
          for (int call = 0; call < kCalls; ++call) {
            CallData data(counts, rank, call + g);
            std::vector<int> order(counts.size());
            for (size_t t = 0; t < order.size(); ++t) order[t] = static_cast<int>(t);
            std::shuffle(order.begin(), order.end(), own);
            Latch latch(static_cast<int>(counts.size()));
            for (int t : order) {
              float* tensor = data.tensors[t].data();
              if (g < kGroups) {
                engine.AllReduceOnDevice(ids[g], t, tensor, tensor, counts[t], nullptr,
                                         latch.Callback());
              } else {
                engine.AllReduce(ids[g], t, tensor, tensor, counts[t], latch.Callback());
              }
              if (own() % 4 == 0) std::this_thread::yield();
            }
            const Status status = latch.Wait();
            ASSERT_TRUE(status.ok()) << status.message();
            data.Check(size, call + g);
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
    });
    EXPECT_EQ(world.mismatch(), "");
    EXPECT_GT(world.executed(), kGroups * kCalls) << "several buckets to a call";
  }
}

// Ranks whose host runs many calls ahead of the others', as it does ahead of a GPU.
TEST(DeviceOrder, HostsThatRunAhead) {
  const int kCalls = 40;
  for (int ahead : {0, 1}) {
    DeviceWorld world(2);
    DeviceEngines engines(&world, 2, Tuned());
    engines.Run([&](int rank, Engine& engine) {
      const auto& counts = SmallCounts();
      uint64_t group;
      ASSERT_TRUE(engine.RegisterGroup(OnDevice(Gradients("ahead", counts)), &group).ok());
      std::vector<std::unique_ptr<CallData>> data;
      std::vector<std::unique_ptr<Latch>> latches;
      for (int call = 0; call < kCalls; ++call) {
        data.push_back(std::make_unique<CallData>(counts, rank, call));
        latches.push_back(std::make_unique<Latch>(static_cast<int>(counts.size())));
        for (size_t t = counts.size(); t-- > 0;) {
          float* tensor = data.back()->tensors[t].data();
          engine.AllReduceOnDevice(group, static_cast<int>(t), tensor, tensor, counts[t], nullptr,
                                   latches.back()->Callback());
        }
        if (rank != ahead) {
          const Status status = latches.back()->Wait();
          ASSERT_TRUE(status.ok()) << status.message();
        }
      }
      for (int call = 0; call < kCalls; ++call) {
        ASSERT_TRUE(rank != ahead || latches[call]->Wait().ok());
        data[call]->Check(2, call);
      }
    });
    EXPECT_EQ(world.mismatch(), "");
  }
}

}  // namespace
}  // namespace tf_ddl
