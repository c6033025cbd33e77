// Epochs with advice: sums stay exact while buckets and plans change, all ranks do the same, and
// nobody waits for ever, whoever is ahead, late, slow or gone.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <random>
#include <set>

#include "engine_harness.h"
#include "topologies.h"
#include "transport_harness.h"

namespace tf_ddl {
namespace {

GroupSpec Gradients(const std::string& key, const std::vector<int64_t>& counts) {
  GroupSpec spec;
  spec.key = key;
  for (size_t i = 0; i < counts.size(); ++i) {
    spec.tensors.push_back({"t" + std::to_string(i), DType::kFloat32, {counts[i]}});
  }
  return spec;
}

// 1.5 MB.
const std::vector<int64_t>& Counts() {
  static const std::vector<int64_t> counts = {1000,  64,    60000, 1, 90000, 3000,
                                              50001, 20000, 5,     0, 80000, 70000};
  return counts;
}

// 270 KB, just enough for advice.
const std::vector<int64_t>& SmallCounts() {
  static const std::vector<int64_t> counts = {20000, 10, 17000, 1, 30001, 512};
  return counts;
}

EngineOptions Tuned(bool autotune = true) {
  EngineOptions options;
  options.bucket_bytes = 300 << 10;
  options.first_bucket_bytes = 64 << 10;
  options.autotune = autotune;
  options.timeout = 60;
  return options;
}

// One call's tensors: rank r's elements of call c are r + c + tensor, exact in any order.
struct CallData {
  std::vector<std::vector<float>> tensors;

  CallData(const std::vector<int64_t>& counts, int rank, int call) {
    for (size_t t = 0; t < counts.size(); ++t) {
      tensors.emplace_back(counts[t], static_cast<float>(rank + call + static_cast<int>(t)));
    }
  }
  void Check(int size, int call) const {
    for (size_t t = 0; t < tensors.size(); ++t) {
      const float expected =
          static_cast<float>(size * (call + static_cast<int>(t)) + size * (size - 1) / 2);
      for (float value : tensors[t]) {
        ASSERT_EQ(value, expected) << "call " << call << " tensor " << t;
      }
    }
  }
};

// By call: its buckets as text, without times: which tensors, how many bytes, which plan.
std::map<int, std::string> Layouts(const std::string& timeline) {
  std::map<int, std::string> layouts;
  size_t at = 0;
  while ((at = timeline.find("{\"group\":", at)) != std::string::npos) {
    const size_t next = std::min(timeline.find("{\"group\":", at + 1), timeline.size());
    const std::string record = timeline.substr(at, next - at);
    const int call = std::stoi(record.substr(record.find("\"call\":") + 7));
    std::string text = record.substr(record.find("\"buckets\":"));
    size_t time;
    while ((time = text.find(",\"started\":")) != std::string::npos) {
      text.erase(time, text.find('}', time) - time);
    }
    layouts[call] = text.substr(0, text.rfind("]}"));
    at = next;
  }
  return layouts;
}

struct Training {
  std::map<int, std::string> layouts;  // by call
};

// Trains in lockstep, tensors arriving in an order of each rank's own.
std::vector<Training> Train(World* world, int calls, const std::string& key = "gradients") {
  std::vector<Training> trainings(world->size());
  world->Run([&](int rank, Engine& engine) {
    engine.RecordTimeline(true);
    std::mt19937 random(rank + 1);
    uint64_t group;
    ASSERT_TRUE(engine.RegisterGroup(Gradients(key, Counts()), &group).ok());
    for (int call = 0; call < calls; ++call) {
      CallData data(Counts(), rank, call);
      std::vector<int> order(Counts().size());
      for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
      if (call % 2 == 1) std::shuffle(order.begin(), order.end(), random);
      Latch latch(static_cast<int>(order.size()));
      for (int t : order) {
        float* tensor = data.tensors[t].data();
        engine.AllReduce(group, t, tensor, tensor, Counts()[t], latch.Callback());
      }
      const Status status = latch.Wait();
      ASSERT_TRUE(status.ok()) << status.message();
      data.Check(engine.size(), call);
      if (call % 5 == 4) {
        for (auto& [number, layout] : Layouts(engine.TimelineJson())) {
          trainings[rank].layouts[number] = layout;
        }
      }
    }
  });
  return trainings;
}

TEST(Epochs, SumsAreExactWhileBucketsChangeAndAllRanksDoTheSame) {
  for (const auto& sizes : {std::vector<int>{2}, std::vector<int>{2, 2}, std::vector<int>{2, 1}}) {
    const Topology topology = Hosts(sizes);
    World world(topology.size(), Tuned(), true, &topology);
    // Fewer under a sanitizer, in which time goes further.
#ifdef TF_DDL_SANITIZED
    const auto trainings = Train(&world, 80);
#else
    const auto trainings = Train(&world, 150);
#endif
    ASSERT_FALSE(HasFatalFailure());
    std::set<std::string> different;
    EXPECT_GE(trainings[0].layouts.size(), 75u);
    for (const auto& [call, layout] : trainings[0].layouts) {
      if (call > 0) different.insert(layout);
      for (int rank = 1; rank < world.size(); ++rank) {
        const auto theirs = trainings[rank].layouts.find(call);
        if (theirs == trainings[rank].layouts.end()) continue;  // recorded too late to be seen
        ASSERT_EQ(theirs->second, layout) << "call " << call << " on rank " << rank;
      }
    }
    EXPECT_GE(different.size(), 4u) << "bucket sizes were to be tried";
  }
}

TEST(Epochs, WithoutAutotuneTheLayoutStays) {
  for (bool deterministic : {false, true}) {
    EngineOptions options = Tuned(deterministic);
    options.deterministic = deterministic;
    World world(2, options);
    const auto trainings = Train(&world, 40);
    ASSERT_FALSE(HasFatalFailure());
    std::set<std::string> different;
    for (const Training& training : trainings) {
      for (const auto& [call, layout] : training.layouts) {
        if (call > 0) different.insert(layout);
      }
    }
    EXPECT_EQ(different.size(), 1u);
  }
}

TEST(Epochs, DeterministicMeansTheSameBitsInEveryRun) {
  const Topology topology = Hosts({2, 1});
  std::vector<std::vector<float>> runs;
  for (int run = 0; run < 2; ++run) {
    EngineOptions options = Tuned();
    options.deterministic = true;
    World world(3, options, true, &topology);
    std::vector<float> all;
    world.Run([&](int rank, Engine& engine) {
      std::mt19937 random(rank * 10 + run);
      uint64_t group;
      ASSERT_TRUE(engine.RegisterGroup(Gradients("g", Counts()), &group).ok());
      for (int call = 0; call < 12; ++call) {
        CallData data(Counts(), rank, call);
        std::vector<int> order;
        for (size_t t = 0; t < Counts().size(); ++t) {
          order.push_back(static_cast<int>(t));
          for (size_t i = 0; i < data.tensors[t].size(); ++i) {
            data.tensors[t][i] = 1.0f / static_cast<float>(1 + rank + call + i % 1000);
          }
        }
        std::shuffle(order.begin(), order.end(), random);
        Latch latch(static_cast<int>(order.size()));
        for (int t : order) {
          float* tensor = data.tensors[t].data();
          engine.AllReduce(group, t, tensor, tensor, Counts()[t], latch.Callback());
        }
        ASSERT_TRUE(latch.Wait().ok());
        if (rank != 0) continue;
        for (const auto& tensor : data.tensors) all.insert(all.end(), tensor.begin(), tensor.end());
      }
    });
    runs.push_back(std::move(all));
  }
  ASSERT_EQ(runs[0].size(), runs[1].size());
  EXPECT_EQ(0, std::memcmp(runs[0].data(), runs[1].data(), runs[0].size() * sizeof(float)));
}

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

TEST(Epochs, OthersMayBeManyCallsAheadOfRank0) {
  World world(3, Tuned());
  world.Run([](int rank, Engine& engine) {
    Ahead(rank, engine, 60, rank == 0 ? 1 : 15 + rank, rank == 0 ? 0.002 : 0);
  });
}

TEST(Epochs, Rank0MayBeManyCallsAhead) {
  World world(3, Tuned());
  world.Run([](int rank, Engine& engine) {
    Ahead(rank, engine, 60, rank == 0 ? 23 : 1, rank == 2 ? 0.002 : 0);
  });
}

// Every tensor goes through its calls in its own time, up to 12 calls ahead of the slowest.
TEST(Epochs, TensorsOfDifferentCallsAtOnce) {
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

TEST(Epochs, TwoGroupsInterleavedDifferentlyOnEachRank) {
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
TEST(Epochs, WhenRank0EndsEarlyTheOthersAreToldSo) {
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

TEST(Epochs, LeavingRightAfterTheLastCallHarmsNobody) {
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

TEST(Epochs, LeavingRightAfterTheLastCallHarmsNobodyOverTcp) {
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

TEST(Epochs, DifferentSettingsAreNamedAtOnce) {
  for (int which = 0; which < 5; ++which) {
    std::vector<std::unique_ptr<Communicator>> communicators;
    ASSERT_TRUE(CreateLoopbackCommunicators(2, true, nullptr, CommOptions(), &communicators).ok());
    EngineOptions options[2] = {Tuned(), Tuned()};
    const char* name = "";
    switch (which) {
      case 0:
        options[1].bucket_bytes = 123456, name = "bucket_bytes=123456";
        break;
      case 1:
        options[1].autotune = false, name = "autotune=0";
        break;
      case 2:
        options[0].compression = WireFormat::kBFloat16, name = "compression=1";
        break;
      case 3:
        options[0].deterministic = true, name = "deterministic=1";
        break;
      default:
        options[1].first_bucket_bytes = 99, name = "first_bucket_bytes=99";
    }
    std::vector<std::shared_ptr<Engine>> engines;
    for (int rank = 0; rank < 2; ++rank) {
      engines.push_back(Engine::Create(std::move(communicators[rank]), options[rank]));
    }
    for (auto& engine : engines) {
      uint64_t group;
      ASSERT_TRUE(engine->RegisterGroup(Gradients("x", {4}), &group).ok());
      float data[4] = {};
      Latch latch(1);
      engine->AllReduce(group, 0, data, data, 4, latch.Callback());
      const Status status = latch.Wait(20);
      EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.message();
      EXPECT_NE(status.message().find(name), std::string::npos) << status.message();
    }
  }
}

}  // namespace
}  // namespace tf_ddl
