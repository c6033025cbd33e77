// Epochs with advice: nobody waits for ever, whoever is ahead, late, slow or gone.
#include <algorithm>
#include <memory>
#include <random>

#include "gradients.h"
#include "transport_harness.h"

namespace tf_ddl {
namespace {

// Submits `calls` calls, waiting for call c before call c + window.
void Ahead(int rank, Engine& engine, int calls, int window, double pause) {
  const auto& counts = SmallCounts();
  uint64_t group;
  ASSERT_TRUE(engine.RegisterGroup(Gradients("ahead", counts), &group).ok());
  std::vector<std::unique_ptr<CallData>> data;
  std::vector<std::unique_ptr<Latch>> latches;
  for (int call = 0; call < calls + window; ++call) {
    if (call >= window) {
      const Status status = latches[call - window]->Wait();
      ASSERT_TRUE(status.ok()) << status.message();
      data[call - window]->Check(engine.size(), call - window);
      if (testing::Test::HasFatalFailure()) return;
      data[call - window].reset();
    }
    if (call >= calls) continue;
    if (pause > 0) std::this_thread::sleep_for(std::chrono::duration<double>(pause));
    data.push_back(std::make_unique<CallData>(counts, rank, call));
    latches.push_back(std::make_unique<Latch>(static_cast<int>(counts.size())));
    for (size_t t = counts.size(); t-- > 0;) {
      float* tensor = data.back()->tensors[t].data();
      engine.AllReduce(group, static_cast<int>(t), tensor, tensor, counts[t],
                       latches.back()->Callback());
    }
  }
}

TEST(EpochsOutOfStep, OthersMayBeManyCallsAheadOfRank0) {
  World world(3, Tuned());
  world.Run([](int rank, Engine& engine) {
    Ahead(rank, engine, 60, rank == 0 ? 1 : 15 + rank, rank == 0 ? 0.002 : 0);
  });
}

TEST(EpochsOutOfStep, Rank0MayBeManyCallsAhead) {
  World world(3, Tuned());
  world.Run([](int rank, Engine& engine) {
    Ahead(rank, engine, 60, rank == 0 ? 23 : 1, rank == 2 ? 0.002 : 0);
  });
}

// Every tensor goes through its calls in its own time, up to 12 calls ahead of the slowest.
TEST(EpochsOutOfStep, TensorsOfDifferentCallsAtOnce) {
  const int kCalls = 40, kAhead = 12;
  World world(3, Tuned());
  world.Run([&](int rank, Engine& engine) {
    const auto& counts = SmallCounts();
    std::mt19937 random(rank + 7);
    uint64_t group;
    ASSERT_TRUE(engine.RegisterGroup(Gradients("skewed", counts), &group).ok());
    std::vector<std::unique_ptr<CallData>> data;
    for (int call = 0; call < kCalls; ++call) {
      data.push_back(std::make_unique<CallData>(counts, rank, call));
    }
    Latch latch(kCalls * static_cast<int>(counts.size()));
    std::vector<int> next(counts.size(), 0);
    while (*std::min_element(next.begin(), next.end()) < kCalls) {
      const size_t t = random() % counts.size();
      const int slowest = *std::min_element(next.begin(), next.end());
      if (next[t] >= std::min(kCalls, slowest + kAhead)) continue;
      float* tensor = data[next[t]++]->tensors[t].data();
      engine.AllReduce(group, static_cast<int>(t), tensor, tensor, counts[t], latch.Callback());
    }
    const Status status = latch.Wait();
    ASSERT_TRUE(status.ok()) << status.message();
    for (int call = 0; call < kCalls; ++call) data[call]->Check(3, call);
  });
}

TEST(EpochsOutOfStep, TwoGroupsInterleavedDifferentlyOnEachRank) {
  World world(3, Tuned());
  world.Run([](int rank, Engine& engine) {
    std::mt19937 random(rank * 3 + 1);
    uint64_t groups[2];
    for (int g = 0; g < 2; ++g) {
      ASSERT_TRUE(
          engine.RegisterGroup(Gradients("g" + std::to_string(g), SmallCounts()), &groups[g]).ok());
    }
    // The groups' threads run beside each other, each in its own time.
    std::vector<std::thread> threads;
    for (int g = 0; g < 2; ++g) {
      const auto pause = std::chrono::microseconds(random() % 1500);
      threads.emplace_back([&, g, pause] {
        for (int call = 0; call < 60; ++call) {
          CallData data(SmallCounts(), rank, call + g);
          Latch latch(static_cast<int>(SmallCounts().size()));
          for (size_t t = 0; t < SmallCounts().size(); ++t) {
            float* tensor = data.tensors[t].data();
            engine.AllReduce(groups[g], static_cast<int>(t), tensor, tensor, SmallCounts()[t],
                             latch.Callback());
          }
          const Status status = latch.Wait();
          ASSERT_TRUE(status.ok()) << status.message();
          data.Check(3, call + g);
          std::this_thread::sleep_for(pause);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
}

// Rank 0 ends when others wait for its data and, further ahead, for its advice.
TEST(EpochsOutOfStep, WhenRank0EndsEarlyTheOthersAreToldSo) {
  for (int calls : {0, 1, 2, 4, 5, 6, 11}) {
    World world(3, Tuned());
    world.Run([&](int rank, Engine& engine) {
      if (rank == 0) {
        Ahead(rank, engine, calls, 1, 0);
        engine.Shutdown();
        return;
      }
      const auto& counts = SmallCounts();
      uint64_t group;
      ASSERT_TRUE(engine.RegisterGroup(Gradients("ahead", counts), &group).ok());
      std::vector<std::unique_ptr<CallData>> data;
      std::vector<std::unique_ptr<Latch>> latches;
      for (int call = 0; call < calls + 12; ++call) {
        data.push_back(std::make_unique<CallData>(counts, rank, call));
        latches.push_back(std::make_unique<Latch>(static_cast<int>(counts.size())));
        for (size_t t = 0; t < counts.size(); ++t) {
          float* tensor = data.back()->tensors[t].data();
          engine.AllReduce(group, static_cast<int>(t), tensor, tensor, counts[t],
                           latches.back()->Callback());
        }
      }
      for (int call = 0; call < calls + 12; ++call) {
        const Status status = latches[call]->Wait(20);
        if (call < calls) continue;  // may have been cut off by the other's failure
        EXPECT_EQ(status.code(), Code::kUnavailable) << call << ": " << status.message();
        EXPECT_NE(status.message().find("rank 0"), std::string::npos) << status.message();
      }
    });
  }
}

// Whoever has finished its last call leaves at once, while reports and advice are still on their
// way to it; nobody's call may fail by that.
void LeaveRightAfter(std::vector<std::shared_ptr<Engine>> engines, int calls) {
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < engines.size(); ++rank) {
    threads.emplace_back([&, rank] {
      Ahead(static_cast<int>(rank), *engines[rank], calls, 1, 0);
      engines[rank]->Shutdown();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(EpochsOutOfStep, LeavingRightAfterTheLastCallHarmsNobody) {
  for (int round = 0; round < 4; ++round) {
    for (int calls : {2, 5, 7, 10, 12}) {
      std::vector<std::unique_ptr<Communicator>> communicators;
      ASSERT_TRUE(
          CreateLoopbackCommunicators(3, round % 2 == 0, nullptr, CommOptions(), &communicators)
              .ok());
      std::vector<std::shared_ptr<Engine>> engines;
      for (auto& each : communicators) engines.push_back(Engine::Create(std::move(each), Tuned()));
      LeaveRightAfter(std::move(engines), calls);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(EpochsOutOfStep, LeavingRightAfterTheLastCallHarmsNobodyOverTcp) {
  for (int calls : {0, 2, 5, 7, 0, 2, 5, 10}) {
    const int kSize = 3, port = FreePort();
    std::vector<std::shared_ptr<Engine>> engines(kSize);
    std::vector<std::thread> threads;
    for (int rank = 0; rank < kSize; ++rank) {
      threads.emplace_back([&, rank] {
        JobConfig config = Config(rank, kSize, port);
        config.use_shared_memory = false;
        std::unique_ptr<Communicator> communicator;
        const Status status = CreateHostCommunicator(config, CommOptions(), &communicator);
        ASSERT_TRUE(status.ok()) << status.message();
        engines[rank] = Engine::Create(std::move(communicator), Tuned());
        Ahead(rank, *engines[rank], calls, 1, 0);
        engines[rank]->Shutdown();
      });
    }
    for (std::thread& thread : threads) thread.join();
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
}

}  // namespace
}  // namespace tf_ddl
