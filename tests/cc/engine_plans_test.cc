// Every plan, executed by engines on every kind of topology, with awkward sizes: sums are exact,
// nothing is written where it does not belong, and all ranks have the same bits.
#include <cctype>
#include <cmath>
#include <cstring>
#include <memory>

#include "engine_harness.h"
#include "topologies.h"

namespace tf_ddl {
namespace {

// Sums of 8 ranks are exact in float16, and means are integers.
Sawtooth ValuesOf(int rank, int64_t first) { return {1, 2 * rank, first}; }

Sawtooth Expected(int size, int64_t first, ReduceOp op) {
  if (op == ReduceOp::kMean) return {1, size - 1, first};
  return {size, size * (size - 1), first};
}

struct Case {
  DType dtype;
  ReduceOp op;
  std::vector<int64_t> counts;  // of the group's tensors
  bool in_place;

  std::string Key() const {
    std::string key = std::string(NameOf(dtype)) + (op == ReduceOp::kMean ? " mean" : " sum");
    for (int64_t count : counts) key += " " + std::to_string(count);
    return key + (in_place ? " in place" : "");
  }
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (DType dtype : {DType::kFloat32, DType::kFloat16, DType::kInt64}) {
    for (ReduceOp op : {ReduceOp::kSum, ReduceOp::kMean}) {
      for (int64_t count : {0, 1, 3, 17, 1023}) {
        cases.push_back({dtype, op, {count}, true});
        cases.push_back({dtype, op, {count}, false});
      }
    }
  }
  cases.push_back({DType::kFloat32, ReduceOp::kSum, {40000}, true});
  cases.push_back({DType::kFloat16, ReduceOp::kMean, {40000}, false});
  cases.push_back({DType::kInt64, ReduceOp::kSum, {8191}, true});
  cases.push_back({DType::kFloat32, ReduceOp::kMean, {50021}, false});
  cases.push_back({DType::kFloat32, ReduceOp::kSum, {5, 0, 1000, 3, 1, 7001, 2}, true});
  cases.push_back({DType::kFloat32, ReduceOp::kMean, {1, 1, 1, 4096, 0, 9}, false});
  return cases;
}

constexpr uint8_t kUntouched = 0xEE;

// One rank's memory of a case; one byte more than needed stays as it is.
struct Tensors {
  std::vector<std::vector<uint8_t>> in, out;

  Tensors(const Case& c, int rank) {
    int64_t at = 0;
    for (int64_t count : c.counts) {
      in.emplace_back(count * SizeOf(c.dtype) + 1, kUntouched);
      out.emplace_back(count * SizeOf(c.dtype) + 1, kUntouched);
      ValuesOf(rank, at).Put(c.dtype, in.back().data(), count);
      at += count;
    }
  }

  void Check(const Case& c, int rank, int size) const {
    int64_t at = 0;
    for (size_t t = 0; t < c.counts.size(); ++t) {
      const auto& result = c.in_place ? in[t] : out[t];
      ASSERT_EQ(result.back(), kUntouched) << c.Key() << ": written past the end";
      ASSERT_TRUE(Expected(size, at, c.op).IsIn(c.dtype, result.data(), c.counts[t]))
          << c.Key() << ", tensor " << t << " on rank " << rank;
      if (!c.in_place) {
        ASSERT_TRUE(ValuesOf(rank, at).IsIn(c.dtype, in[t].data(), c.counts[t]))
            << "input of " << c.Key();
      }
      at += c.counts[t];
    }
  }
};

std::unique_ptr<World> MakeWorld(const Topology& topology, const std::string& plan, bool pull) {
  EngineOptions options;
  options.plan = plan;
  options.chunk_bytes = 8 << 10;  // so that there are more lanes than are under way at a time
  options.autotune = false;
  auto world = std::make_unique<World>(topology.size(), options, pull, &topology);
  return world;
}

// All cases at once, so that plans of different sizes run beside each other.
void CheckExact(World* world) {
  const auto cases = Cases();
  world->Run([&](int rank, Engine& engine) {
    std::vector<std::unique_ptr<Tensors>> memory;
    int tensors = 0;
    for (const Case& c : cases) {
      memory.push_back(std::make_unique<Tensors>(c, rank));
      tensors += static_cast<int>(c.counts.size());
    }
    Latch latch(tensors);
    for (size_t i = 0; i < cases.size(); ++i) {
      GroupSpec spec;
      spec.key = cases[i].Key();
      spec.op = cases[i].op;
      for (int64_t count : cases[i].counts) spec.tensors.push_back({"t", cases[i].dtype, {count}});
      uint64_t group;
      ASSERT_TRUE(engine.RegisterGroup(spec, &group).ok());
      for (size_t t = 0; t < cases[i].counts.size(); ++t) {
        uint8_t* in = memory[i]->in[t].data();
        uint8_t* out = cases[i].in_place ? in : memory[i]->out[t].data();
        engine.AllReduce(group, static_cast<int>(t), in, out, cases[i].counts[t], latch.Callback());
      }
    }
    const Status status = latch.Wait();
    ASSERT_TRUE(status.ok()) << status.message();
    for (size_t i = 0; i < cases.size(); ++i) memory[i]->Check(cases[i], rank, engine.size());
  });
}

// Sums that are not exact: they must be near, and the same on all ranks to the bit.
void CheckBits(World* world, int64_t count) {
  const int size = world->size();
  std::vector<std::vector<float>> results(size);
  const auto value = [](int rank, int64_t i) {
    const float magnitude = 1.0f / static_cast<float>(1 + (i * 7919 + rank * 104729) % 1000003);
    return (i + rank) % 3 == 0 ? -magnitude : magnitude;
  };
  world->Run([&](int rank, Engine& engine) {
    uint64_t group;
    ASSERT_TRUE(engine.RegisterGroup(OneTensor("bits", DType::kFloat32, {count}), &group).ok());
    std::vector<float>& data = results[rank];
    data.resize(count);
    for (int64_t i = 0; i < count; ++i) data[i] = value(rank, i);
    Latch latch(1);
    engine.AllReduce(group, 0, data.data(), data.data(), count, latch.Callback());
    const Status status = latch.Wait();
    ASSERT_TRUE(status.ok()) << status.message();
  });
  for (int rank = 1; rank < size; ++rank) {
    ASSERT_EQ(0, std::memcmp(results[0].data(), results[rank].data(), count * sizeof(float)));
  }
  for (int64_t i = 0; i < count; ++i) {
    double sum = 0, magnitude = 0;
    for (int rank = 0; rank < size; ++rank) {
      sum += value(rank, i);
      magnitude += std::abs(value(rank, i));
    }
    ASSERT_NEAR(results[0][i], sum, magnitude * size * 6e-8) << "at " << i;
  }
}

class Plans : public testing::TestWithParam<NamedTopology> {};

TEST_P(Plans, ExactSumsAndEqualBits) {
  const Topology& topology = GetParam().topology;
  bool pull = false;
  for (const std::string& plan : PlanWishesFor(topology)) {
    SCOPED_TRACE(plan + " on " + GetParam().name);
    pull = !pull;
    auto world = MakeWorld(topology, plan, pull);
    CheckExact(world.get());
    CheckBits(world.get(), 20011);
    if (HasFatalFailure() || HasNonfatalFailure()) return;
    // It was this plan that ran, and no other.
    const std::string stats = (*world)[0].StatsJson();
    const std::string name = plan.substr(0, plan.find(':')) == "grid" ? "grid"
                             : plan == "rings"                        ? "ring"
                                                                      : plan;
    for (const char* other : {"direct", "pairwise", "halving-doubling", "ring", "grid"}) {
      const bool found = stats.find("\"" + std::string(other)) != std::string::npos ||
                         stats.find("x " + std::string(other)) != std::string::npos;
      EXPECT_EQ(found, name == other) << stats;
    }
    if (plan.find(':') != std::string::npos) {
      EXPECT_NE(stats.find("grid " + plan.substr(5)), std::string::npos) << stats;
    }
    if (plan == "rings" && topology.rails.size() == 2) {
      EXPECT_NE(stats.find("2 x ring"), std::string::npos) << stats;
    }
  }
}

// What the engine chooses by itself.
TEST_P(Plans, TheChosenOnes) {
  for (bool pull : {false, true}) {
    SCOPED_TRACE(GetParam().name);
    auto world = MakeWorld(GetParam().topology, "", pull);
    CheckExact(world.get());
    CheckBits(world.get(), 20011);
  }
}

INSTANTIATE_TEST_SUITE_P(Topologies, Plans, testing::ValuesIn(TestTopologies()), TestName);

TEST(UnknownPlan, FailsOnEveryRank) {
  EngineOptions options;
  options.plan = "torus";
  World world(2, options);
  world.Run([&](int, Engine& engine) {
    uint64_t group;
    ASSERT_TRUE(engine.RegisterGroup(OneTensor("x", DType::kFloat32, {4}), &group).ok());
    float data[4] = {};
    Latch latch(1);
    engine.AllReduce(group, 0, data, data, 4, latch.Callback());
    const Status status = latch.Wait(20);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.message();
    EXPECT_NE(status.message().find("\"torus\""), std::string::npos) << status.message();
  });
}

}  // namespace
}  // namespace tf_ddl
