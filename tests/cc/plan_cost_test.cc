// Predictions against times that are worked out by hand.
#include "plan/cost.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "plan/simulate.h"
#include "plan_harness.h"

namespace tf_ddl {
namespace {

constexpr int64_t kBytes = 1'200'000;
constexpr double kB = 1.2e6;

// Round figures, and no time of a rank's own for messages, so that sums are exact.
LinkModel RoundLinks(int rails = 1) {
  LinkModel links;
  links.local = {0, 1e-9};
  links.gamma = 5e-10;
  links.rails.assign(rails, LinkCost{0, 1e-8});
  return links;
}

double Predict(const PlanSpec& spec, const Topology& topology, const LinkModel& links) {
  return PredictSeconds(spec, topology, links, kBytes);
}

PlanSpec OneLane(const std::string& algorithm, std::vector<int> grid = {}) {
  return OneColour(algorithm, std::move(grid), int64_t{1} << 30);
}

TEST(Cost, WithinAHostRanksMoveAndAdd) {
  const LinkModel links = RoundLinks();
  const double beta = 1e-9, gamma = 5e-10;
  for (int p : {2, 4, 8}) {
    const Topology topology = HostsOf({p});
    const double part = kB * (p - 1) / p;
    EXPECT_NEAR(Predict(OneLane("direct"), topology, links), kB * (p - 1) * (beta + gamma), 1e-9);
    for (const char* algorithm : {"pairwise", "halving-doubling", "ring"}) {
      EXPECT_NEAR(Predict(OneLane(algorithm), topology, links), part * (2 * beta + gamma), 1e-9)
          << algorithm << " of " << p;
    }
  }
}

TEST(Cost, LatenciesCountByRound) {
  LinkModel links = RoundLinks();
  links.local.alpha = 1e-3;
  links.rails[0].alpha = 1e-2;
  const double own = 0.25 * 1e-3;  // of the rank, for each message beyond the first of a round
  const auto tiny = [&](const PlanSpec& spec, const std::vector<int>& hosts) {
    return PredictSeconds(spec, HostsOf(hosts), links, 0);
  };
  EXPECT_NEAR(tiny(OneLane("ring"), {4}), 6e-3, 1e-9);
  EXPECT_NEAR(tiny(OneLane("halving-doubling"), {8}), 6e-3, 1e-9);
  EXPECT_NEAR(tiny(OneLane("halving-doubling"), {6}), 6e-3, 1e-9);  // two more to fold and unfold
  EXPECT_NEAR(tiny(OneLane("pairwise"), {2}), 2e-3, 1e-9);
  EXPECT_NEAR(tiny(OneLane("direct"), {2}), 1e-3, 1e-9);
  EXPECT_NEAR(tiny(OneLane("direct"), {4}), 1e-3 + 2 * own, 1e-9);
  EXPECT_NEAR(tiny(OneLane("ring"), {2, 2}), 6e-2, 1e-9);
  EXPECT_NEAR(tiny(OneLane("grid", {2, 3}), {2, 2, 2}), 2e-3 + 4e-2, 1e-9);
  EXPECT_NEAR(tiny(OneLane("grid"), {2, 1, 2}), 2e-3 + 4e-2, 1e-9);
}

TEST(Cost, ManyLanesTakeWhatTheBusiestResourceNeeds) {
  // Four hosts of two: a quarter of the bucket is added and sent on in each of six rounds; the NIC
  // is busy 2 * 3/4 * b * beta.
  const Topology topology = HostsOf({2, 2, 2, 2});
  const double bound = 1.5 * kB * 1e-8;
  const PlanSpec one = OneLane("grid", {2, 4});
  PlanSpec many = one;
  many.chunk_bytes = 1000;
  EXPECT_GT(Predict(one, topology, RoundLinks()), bound);
  EXPECT_NEAR(Predict(one, topology, RoundLinks()), bound + kB * (1e-9 + 7.0 / 16 * 1e-9), 2e-4);
  EXPECT_GT(Predict(many, topology, RoundLinks()), bound);
  EXPECT_LT(Predict(many, topology, RoundLinks()), bound * 1.01);
  // A ring over all ranks sends more over the NICs.
  PlanSpec ring = OneLane("ring");
  ring.chunk_bytes = 1000;
  EXPECT_NEAR(Predict(ring, topology, RoundLinks()), 2.0 * 7 / 8 * kB * 1e-8, 1e-4);
}

TEST(Cost, ColoursOnTwoRailsRunAtTheSameTimeAndOnOneTheyDoNot) {
  const Topology topology = HostsOf({1, 1, 1, 1}, 2);
  PlanSpec spec = OneLane("ring");
  const double alone = Predict(spec, topology, RoundLinks(2));
  spec.colours.push_back(spec.colours[0]);
  spec.colours[0].share = spec.colours[1].share = 0.5;
  EXPECT_NEAR(Predict(spec, topology, RoundLinks(2)), alone, 0.04 * alone);
  spec.colours[1].rail = 1;
  EXPECT_NEAR(Predict(spec, topology, RoundLinks(2)), alone / 2, 0.01 * alone);
}

TEST(Cost, ExceptionsSlowDownOnlyWhatUsesThem) {
  const Topology topology = HostsOf({1, 1, 1, 1});
  LinkModel links = RoundLinks();
  links.exceptions[{0, 0, 1}] = {0, 1e-7};
  const PlanSpec spec = OneLane("ring");
  EXPECT_NEAR(Predict(spec, topology, links) / Predict(spec, topology, RoundLinks()), 10, 0.5);
  links.exceptions.clear();
  links.exceptions[{0, 1, 0}] = {0, 1e-7};  // the ring goes the other way
  EXPECT_EQ(Predict(spec, topology, links), Predict(spec, topology, RoundLinks()));
}

TEST(Cost, MoreBytesNeverTakeLessTimeInOneLane) {
  std::mt19937 random(9);
  for (int i = 0; i < 100; ++i) {
    const Topology topology = RandomTopology(&random, 5, 5);
    const LinkModel links = UsualLinks(static_cast<int>(topology.rails.size()));
    for (const char* algorithm : {"direct", "pairwise", "halving-doubling", "ring", "grid"}) {
      double before = 0;
      for (int64_t bytes = 1; bytes < 1'000'000'000; bytes *= 10) {
        const double seconds = PredictSeconds(OneLane(algorithm), topology, links, bytes);
        EXPECT_GE(seconds, before) << algorithm << " on " << Describe(topology);
        EXPECT_TRUE(topology.size() == 1 || seconds > 0);
        before = seconds;
      }
    }
  }
}

// The simulator executes the plans event by event; it knows of specifications nothing, so both
// would have to be wrong in the same way.
TEST(Cost, AgreesWithTheSimulatorAndChoosesWhatIsFastThere) {
  struct Case {
    std::vector<int> hosts;
    int rails;
  };
  std::vector<double> errors, regrets;
  for (const Case& row : std::vector<Case>{{{4}, 1},
                                           {{2, 2}, 1},
                                           {{1, 1, 1, 1}, 2},
                                           {{2, 2, 2, 2}, 1},
                                           {{4, 4}, 1},
                                           {{3, 2}, 1},
                                           {{2, 2, 2}, 2},
                                           {{3, 3, 2}, 1}}) {
    const Topology topology = HostsOf(row.hosts, row.rails);
    for (const double mbits : {200.0, 2000.0, 10000.0}) {
      LinkModel links = UsualLinks(row.rails);
      for (int k = 0; k < row.rails; ++k) links.rails[k] = {50e-6, 8e-6 / mbits * (1 + k)};
      for (const int64_t bytes : {4096, 100'000, 1'000'000, 10'000'000}) {
        double first = 0, best = 1e300;
        for (const Candidate& candidate : Candidates(topology, links, bytes, PlanWishes())) {
          SimulatedCollective collective;
          collective.plan = [&](int rank) {
            return MakePlan(candidate.spec, topology, rank, bytes / 4, 4);
          };
          Simulation simulation;
          const Status status =
              Simulate(topology, links, {collective}, SimulationOptions(), &simulation);
          ASSERT_TRUE(status.ok()) << status.message();
          errors.push_back(std::abs(candidate.seconds / simulation.seconds - 1));
          if (first == 0) first = simulation.seconds;
          best = std::min(best, simulation.seconds);
        }
        regrets.push_back(first / best - 1);
      }
    }
  }
  const auto quantile = [](std::vector<double> values, double q) {
    std::sort(values.begin(), values.end());
    return values[static_cast<size_t>(q * (values.size() - 1))];
  };
  RecordProperty("median_error_percent", std::to_string(100 * quantile(errors, 0.5)));
  RecordProperty("p90_error_percent", std::to_string(100 * quantile(errors, 0.9)));
  RecordProperty("worst_regret_percent", std::to_string(100 * quantile(regrets, 1)));
  EXPECT_LT(quantile(errors, 0.5), 0.05);
  EXPECT_LT(quantile(errors, 0.9), 0.2);
  EXPECT_LT(quantile(regrets, 0.9), 0.1);
  EXPECT_LT(quantile(regrets, 1), 0.25);
}

}  // namespace
}  // namespace tf_ddl
