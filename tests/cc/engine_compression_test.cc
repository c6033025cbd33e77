// 16-bit wire formats: results are the same on all ranks to the bit and their error is within the
// bound that docs/plans.md states; what does not travel as float32 is untouched.
//
// The bound. Each rank's addend x_r is added to others' and rounded whenever a partial sum travels
// in the 16-bit form, and once more at the end, where the owner of a sum rounds it (so that what
// the others get by all-gather, which then rounds nothing, is what the owner has). A rounding of a
// partial sum s is off by at most u*|s|, u being the unit roundoff, and |s| is at most the sum of
// the |x_r| in it (but for what earlier roundings added, hence the (1+u)^D). So if no addend is
// rounded more than D times, the error is at most D * u * (1+u)^D * sum |x_r|. D is
//
//   direct              0: every rank adds up what it is sent as it is
//   pairwise            2: each addend travels once, to the owner; then the owner's rounding
//   halving-doubling    log2(ranks that take part) + 1, and 1 more if ranks are folded in
//   ring, rings         p: a part's sum travels p-1 times; then the owner's
//   grid n1 x n2 x ...  1 + the sum over dimensions of: 1 within a host, where lines are exchanged
//                       pairwise (0 outside of this test, in which also the ranks of a host send
//                       16 bits to each other), n-1 where they are rings
//   grid by host        1 + 1 (likewise) + H-1 for H hosts
//
// To this comes what float32's own additions are off by, (p-1) * 2^-24 * sum |x_r|, and for
// float16, whose smallest numbers are 2^-24 apart, p * 2^-25 for as many roundings. A mean's error
// is that of the sum, divided by p; its division is rounded in float32 once more.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "base/half.h"
#include "engine_harness.h"
#include "plan/arrangement.h"
#include "topologies.h"

namespace tf_ddl {
namespace {

constexpr double kFloat32Roundoff = 5.9604645e-08;  // 2^-24

double Roundoff(WireFormat format) { return format == WireFormat::kFloat16 ? 0x1p-11 : 0x1p-8; }

// D of the comment above; more is not needed, less would be wrong.
int MostRoundings(const std::string& plan, const Topology& topology) {
  const int size = topology.size();
  const int hosts = static_cast<int>(topology.hosts.size());
  const bool several = std::any_of(topology.hosts.begin(), topology.hosts.end(),
                                   [](const Host& host) { return host.ranks.size() > 1; });
  if (plan == "direct") return 0;
  if (plan == "pairwise") return 2;
  if (plan == "halving-doubling") {
    int doublings = 0;
    while (2 << doublings <= size) ++doublings;
    return doublings + 1 + (1 << doublings < size ? 1 : 0);
  }
  if (plan.rfind("grid:", 0) == 0) {
    Colour colour;
    colour.algorithm = "grid";
    EXPECT_TRUE(ParseGrid(plan.substr(5), size, &colour.grid).ok());
    const auto within =
        DimensionsWithinHosts(colour.grid, Positions(colour, topology), topology.HostOf());
    int most = 1;
    for (size_t d = 0; d < colour.grid.size(); ++d) most += within[d] ? 1 : colour.grid[d] - 1;
    return most;
  }
  if (plan == "grid" && (hosts == 1 || !topology.uniform()))
    return 1 + (several ? 1 : 0) + hosts - 1;
  return size;  // rings; and no grid rounds more often than a ring of all
}

struct Outcome {
  std::vector<std::vector<float>> results;  // by rank
  std::string stats;
};

Outcome AllReduce(const Topology& topology, const std::string& plan, WireFormat format, ReduceOp op,
                  bool narrow_all, const std::vector<std::vector<float>>& inputs) {
  EngineOptions options;
  options.plan = plan;
  options.chunk_bytes = 4 << 10;
  options.autotune = false;
  options.compression = format;
  CommOptions comm;
  comm.narrow_all = narrow_all;
  World world(topology.size(), options, true, &topology, comm);
  Outcome outcome;
  outcome.results.resize(world.size());
  const int64_t count = static_cast<int64_t>(inputs[0].size());
  world.Run([&](int rank, Engine& engine) {
    uint64_t group;
    ASSERT_TRUE(engine.RegisterGroup(OneTensor("x", DType::kFloat32, {count}, op), &group).ok());
    std::vector<float>& out = outcome.results[rank];
    out.assign(count, -12345);
    Latch latch(1);
    engine.AllReduce(group, 0, inputs[rank].data(), out.data(), count, latch.Callback());
    const Status status = latch.Wait();
    ASSERT_TRUE(status.ok()) << status.message();
  });
  outcome.stats = world[0].StatsJson();
  return outcome;
}

void ExpectEqualBits(const std::vector<std::vector<float>>& results) {
  for (size_t rank = 1; rank < results.size(); ++rank) {
    for (size_t i = 0; i < results[0].size(); ++i) {
      ASSERT_EQ(FloatToBits(results[rank][i]), FloatToBits(results[0][i]))
          << "rank " << rank << " has " << results[rank][i] << ", rank 0 has " << results[0][i]
          << " at " << i;
    }
  }
}

class Compression : public testing::TestWithParam<NamedTopology> {};

TEST_P(Compression, ErrorsWithinTheBoundAndEqualBits) {
  const Topology& topology = GetParam().topology;
  const int size = topology.size();
  std::vector<std::vector<float>> inputs(size);
  for (int rank = 0; rank < size; ++rank) {
    for (int64_t i = 0; i < 10007; ++i) {
      // Of one sign in the first half, so that sums are as large as the bound's; then of both.
      const float magnitude = 0.5f + static_cast<float>((i * 7919 + rank * 104729) % 10007) / 3000;
      inputs[rank].push_back(i > 5000 && (i + rank) % 2 == 0 ? -magnitude : magnitude);
    }
  }
  int combination = 0;
  for (const std::string& plan : PlanWishesFor(topology)) {
    for (WireFormat format : {WireFormat::kBFloat16, WireFormat::kFloat16}) {
      const ReduceOp op = ++combination % 3 == 0 ? ReduceOp::kMean : ReduceOp::kSum;
      SCOPED_TRACE(plan + " on " + GetParam().name + " in format " +
                   std::to_string(static_cast<int>(format)));
      const Outcome outcome = AllReduce(topology, plan, format, op, true, inputs);
      ExpectEqualBits(outcome.results);
      const double u = Roundoff(format);
      const int most = MostRoundings(plan, topology);
      const double divisor = op == ReduceOp::kMean ? size : 1;
      double worst = 0;  // as a part of the bound
      bool rounded = true;
      for (size_t i = 0; i < inputs[0].size(); ++i) {
        double sum = 0, magnitude = 0;
        for (int rank = 0; rank < size; ++rank) {
          sum += inputs[rank][i];
          magnitude += std::abs(inputs[rank][i]);
        }
        const double bound = most * u * std::pow(1 + u, most) * magnitude +
                             size * kFloat32Roundoff * magnitude +
                             (format == WireFormat::kFloat16 ? size * 0x1p-25 : 0);
        const float result = outcome.results[0][i];
        const double error = std::abs(result - sum / divisor);
        ASSERT_LE(error, bound / divisor) << "at " << i << " of at most " << most << " roundings";
        worst = std::max(worst, error * divisor / bound);
        float again = result;
        RoundTo(format, &again, 1);
        rounded = rounded && again == result;
      }
      // What was to travel in 16 bits did: a sum in float32 is hardly ever one of 16 bits.
      EXPECT_EQ(rounded, plan != "direct");
      if (plan != "direct") {
        EXPECT_GT(worst, 0.1) << "the bound is too generous to say anything";
      }
    }
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
}

TEST_P(Compression, SpecialValues) {
  const Topology& topology = GetParam().topology;
  const int size = topology.size();
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  // Per element: what the first, the last and the other ranks have.
  struct Special {
    float first, last, others;
  };
  const std::vector<Special> specials = {{nan, 1, 1},        {1, nan, 1},         {inf, 1, 1},
                                         {1, -inf, 1},       {inf, -inf, 1},      {inf, inf, inf},
                                         {-0.f, -0.f, -0.f}, {1e-45f, 1e-45f, 0}, {60000, 60000, 0},
                                         {1e30f, 1, 1},      {3e38f, 3e38f, 0},   {0, 0, 0}};
  std::vector<std::vector<float>> inputs(size);
  const int kRepeat = 50;
  for (int rank = 0; rank < size; ++rank) {
    for (int i = 0; i < kRepeat; ++i) {
      for (const Special& s : specials) {
        inputs[rank].push_back(rank == 0 ? s.first : rank == size - 1 ? s.last : s.others);
      }
    }
  }
  for (const std::string& plan : PlanWishesFor(topology)) {
    for (WireFormat format : {WireFormat::kBFloat16, WireFormat::kFloat16}) {
      SCOPED_TRACE(plan + " on " + GetParam().name + " in format " +
                   std::to_string(static_cast<int>(format)));
      const auto results = AllReduce(topology, plan, format, ReduceOp::kSum, true, inputs).results;
      ExpectEqualBits(results);
      const bool small = format == WireFormat::kFloat16 && plan != "direct";
      for (size_t i = 0; i < inputs[0].size(); ++i) {
        const float got = results[0][i];
        switch (i % specials.size()) {
          case 0:
          case 1:
          case 4:
            ASSERT_TRUE(std::isnan(got)) << got << " at " << i;
            break;
          case 2:
          case 5:
            ASSERT_EQ(got, inf);
            break;
          case 3:
            ASSERT_EQ(got, -inf);
            break;
          case 6:
            ASSERT_EQ(got, 0);
            break;
          case 7:
            ASSERT_LE(std::abs(got), 3e-45f);
            break;
          case 8:  // beyond float16's 65504
            ASSERT_TRUE(small ? got == inf : std::abs(got - 120000) < 1000) << got;
            break;
          case 9:
            ASSERT_TRUE(small ? got == inf : std::abs(got - 1e30f) < 1e28f) << got;
            break;
          case 10:  // beyond float32's range
            ASSERT_EQ(got, inf);
            break;
          default:
            ASSERT_EQ(FloatToBits(got), 0u);
        }
      }
    }
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Topologies, Compression, testing::ValuesIn(TestTopologies()), TestName);

// Whatever is not float32 travels as it is, and so does everything in a broadcast or a gather.
TEST(Uncompressed, OtherTypesAndCollectives) {
  const Topology topology = Hosts({2, 2});
  EngineOptions options;
  options.plan = "ring";
  options.compression = WireFormat::kFloat16;
  CommOptions comm;
  comm.narrow_all = true;
  World world(4, options, true, &topology, comm);
  world.Run([&](int rank, Engine& engine) {
    const int64_t count = 3001;
    std::vector<int64_t> whole(count);
    std::vector<int32_t> half(count);
    std::vector<double> real(count);
    for (int64_t i = 0; i < count; ++i) {
      whole[i] = (int64_t{1} << 40) + i * 4 + rank;
      half[i] = (1 << 28) + static_cast<int32_t>(i) + rank;
      real[i] = 1.0 + std::ldexp(static_cast<double>(i), -40);
    }
    uint64_t groups[4];
    ASSERT_TRUE(engine.RegisterGroup(OneTensor("w", DType::kInt64, {count}), &groups[0]).ok());
    ASSERT_TRUE(engine.RegisterGroup(OneTensor("h", DType::kInt32, {count}), &groups[1]).ok());
    ASSERT_TRUE(engine.RegisterGroup(OneTensor("r", DType::kFloat64, {count}), &groups[2]).ok());
    GroupSpec broadcast = OneTensor("b", DType::kFloat32, {count});
    broadcast.kind = CollectiveKind::kBroadcast;
    broadcast.root = 1;
    ASSERT_TRUE(engine.RegisterGroup(broadcast, &groups[3]).ok());
    std::vector<float> sent(count);
    for (int64_t i = 0; i < count; ++i) sent[i] = rank == 1 ? 1.0f + i * 1e-6f : 0;
    Latch latch(4);
    engine.AllReduce(groups[0], 0, whole.data(), whole.data(), count, latch.Callback());
    engine.AllReduce(groups[1], 0, half.data(), half.data(), count, latch.Callback());
    engine.AllReduce(groups[2], 0, real.data(), real.data(), count, latch.Callback());
    engine.Broadcast(groups[3], sent.data(), sent.data(), count, latch.Callback());
    const Status status = latch.Wait();
    ASSERT_TRUE(status.ok()) << status.message();
    for (int64_t i = 0; i < count; ++i) {
      ASSERT_EQ(whole[i], (int64_t{4} << 40) + i * 16 + 6);
      ASSERT_EQ(half[i], (4 << 28) + static_cast<int32_t>(i) * 4 + 6);
      ASSERT_EQ(real[i], 4.0 + std::ldexp(static_cast<double>(i), -38));
      ASSERT_EQ(sent[i], 1.0f + i * 1e-6f);
    }
  });
}

// A direct plan's sums are those without compression, to the bit.
TEST(Uncompressed, TheDirectPlan) {
  const Topology topology = Hosts({2, 1});
  std::vector<std::vector<float>> inputs(3);
  for (int rank = 0; rank < 3; ++rank) {
    for (int i = 0; i < 1000; ++i) inputs[rank].push_back(1.0f / static_cast<float>(3 + i + rank));
  }
  const auto plain =
      AllReduce(topology, "direct", WireFormat::kAsIs, ReduceOp::kSum, true, inputs).results;
  const auto compressed =
      AllReduce(topology, "direct", WireFormat::kBFloat16, ReduceOp::kSum, true, inputs).results;
  EXPECT_EQ(plain, compressed);
}

// Within one host nothing is saved by 16 bits, so nothing is rounded.
TEST(Uncompressed, OnOneHost) {
  std::vector<std::vector<float>> inputs(3);
  for (int rank = 0; rank < 3; ++rank) {
    for (int i = 0; i < 1000; ++i) inputs[rank].push_back(1.0f / static_cast<float>(3 + i + rank));
  }
  for (const auto& sizes : {std::vector<int>{3}, std::vector<int>{2, 1}}) {
    const Topology topology = Hosts(sizes);
    const auto plain =
        AllReduce(topology, "ring", WireFormat::kAsIs, ReduceOp::kSum, false, inputs).results;
    const auto compressed =
        AllReduce(topology, "ring", WireFormat::kBFloat16, ReduceOp::kSum, false, inputs).results;
    EXPECT_EQ(plain == compressed, sizes.size() == 1);
  }
}

}  // namespace
}  // namespace tf_ddl
