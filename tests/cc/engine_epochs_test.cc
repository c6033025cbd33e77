// Epochs with advice: sums stay exact while buckets and plans change, and all ranks do the same.
#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <set>

#include "gradients.h"
#include "topologies.h"

namespace tf_ddl {
namespace {

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
    if (kSanitized && sizes != std::vector<int>{2, 1}) continue;  // each takes long
    const Topology topology = Hosts(sizes);
    World world(topology.size(), Tuned(), true, &topology);
    const auto trainings = Train(&world, kSanitized ? 110 : 150);
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
    const auto trainings = Train(&world, kSanitized ? 15 : 40);
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
