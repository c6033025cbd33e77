// The planners' plans, proved by the checker (which has a test of its own).
#include "plan/planner.h"

#include <gtest/gtest.h>

#include <functional>

#include "plan/check.h"
#include "plan_harness.h"

namespace tf_ddl {
namespace {

using Maker = std::function<Plan(int rank, int size, int64_t count)>;

void CheckSizes(const std::string& name, const Maker& make) {
  for (int size = 1; size <= 9; ++size) {
    for (int64_t count : {0, 1, 2, 3, 8, 9, 63, 100, 1023}) {
      SCOPED_TRACE(name + " of " + std::to_string(size) + " ranks, " + std::to_string(count));
      std::vector<Plan> plans;
      for (int r = 0; r < size; ++r) plans.push_back(make(r, size, count));
      const Status status = CheckAllReduce(plans);
      ASSERT_TRUE(status.ok()) << status.message();
    }
  }
}

TEST(Planner, DirectSumsEveryElementOnce) { CheckSizes("direct", DirectPlan); }

TEST(Planner, PairwiseSumsEveryElementOnce) {
  for (int64_t lane : {int64_t{1} << 40, int64_t{50}, int64_t{7}}) {
    CheckSizes("pairwise", [lane](int rank, int size, int64_t count) {
      return PairwisePlan(rank, size, count, lane);
    });
  }
}

TEST(Planner, RingSumsEveryElementOnce) {
  for (int64_t lane : {int64_t{1} << 40, int64_t{50}, int64_t{7}}) {
    CheckSizes("ring", [lane](int rank, int size, int64_t count) {
      return RingPlan(rank, size, count, lane);
    });
  }
}

TEST(Planner, BroadcastReachesEverybody) {
  for (int size : {1, 2, 5}) {
    for (int root = 0; root < size; ++root) {
      std::vector<Plan> plans;
      for (int r = 0; r < size; ++r) plans.push_back(BroadcastPlan(r, size, 100, root, 30));
      EXPECT_EQ(CheckBroadcast(plans, root).message(), "");
      EXPECT_EQ(CheckBroadcast(plans, (root + 1) % size).ok(), size == 1);
    }
  }
}

TEST(Planner, AllGatherPutsPartsInRankOrder) {
  for (const std::vector<int64_t>& counts :
       {std::vector<int64_t>{3, 0, 5, 1}, {0, 0, 0}, {7}, {100, 1, 1000, 64, 0}}) {
    std::vector<Plan> plans;
    for (size_t r = 0; r < counts.size(); ++r) {
      plans.push_back(AllGatherPlan(static_cast<int>(r), counts));
    }
    EXPECT_EQ(CheckAllGather(plans, counts).message(), "");
  }
}

TEST(Planner, PlansCanBePrinted) {
  const std::string text = ToString(RingPlan(0, 2, 4, 4));
  EXPECT_NE(text.find("ring: rank 0 of 2, 4 elements"), std::string::npos);
  EXPECT_NE(text.find("lane 0 round 0: send peer 1 [2, 4) input"), std::string::npos) << text;
}

TEST(Planner, MakesThePlansOfOldForOneColour) {
  const Topology topology = HostsOf({5});
  for (int rank = 0; rank < 5; ++rank) {
    EXPECT_EQ(ToString(MakePlan(OneColour("direct"), topology, rank, 100, 4)),
              ToString(DirectPlan(rank, 5, 100)));
    EXPECT_EQ(ToString(MakePlan(OneColour("pairwise", {}, 1024), topology, rank, 5000, 4)),
              ToString(PairwisePlan(rank, 5, 5000, 5 * 256)));
    EXPECT_EQ(ToString(MakePlan(OneColour("ring", {}, 1024), topology, rank, 5000, 4)),
              ToString(RingPlan(rank, 5, 5000, 5 * 256)));
  }
}

// Elements sent by each rank, and the number of rounds, are as the literature has them.
struct Expected {
  PlanSpec spec;
  std::vector<int> hosts;
  int64_t rounds;  // with messages or without; one of them divides
  int64_t sent;    // of 8 * 1024 elements, by each rank
};

TEST(Planner, SendsWhatTheAlgorithmIsKnownFor) {
  const int64_t n = 8 * 1024;
  const std::vector<Expected> table = {
      {OneColour("direct"), {8}, 2, 7 * n},
      {OneColour("pairwise"), {8}, 3, 2 * n * 7 / 8},
      {OneColour("ring"), {8}, 15, 2 * n * 7 / 8},
      {OneColour("halving-doubling"), {8}, 7, 2 * n * 7 / 8},
      {OneColour("grid", {4, 2}), {4, 4}, 2 + 2 + 1, 2 * n * 7 / 8},
      {OneColour("grid", {2, 4}), {2, 2, 2, 2}, 2 + 6 + 1, 2 * n * 7 / 8},
      {OneColour("grid", {2, 2, 2}), {1, 1, 1, 1, 1, 1, 1, 1}, 7, 2 * n * 7 / 8},
      {OneColour("grid"), {4, 4}, 2 + 2 + 1, 2 * n * 7 / 8},
  };
  for (const Expected& row : table) {
    const Topology topology = HostsOf(row.hosts);
    const auto plans = PlansOf(row.spec, topology, n);
    SCOPED_TRACE(plans[0].name + ", " + Describe(topology));
    CheckReport report;
    const Status status = CheckAllReduce(plans, &report);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(report.rounds, row.rounds);
    std::vector<int64_t> sent(8, 0);
    for (const auto& [message, count] : report.elements) sent[std::get<0>(message)] += count;
    EXPECT_EQ(sent, std::vector<int64_t>(8, row.sent));
  }
}

// 2(H-1)/H of the bucket leaves and enters each host, and not one element more, however many ranks
// the hosts have.
TEST(Planner, GridsSendTheLeastBytesBetweenHosts) {
  for (const std::vector<int>& hosts : std::vector<std::vector<int>>{
           {2, 2}, {3, 2}, {8, 8, 8}, {3, 3, 2}, {1, 4}, {1, 1, 5, 2}, {7, 8, 8, 8}}) {
    const Topology topology = HostsOf(hosts);
    SCOPED_TRACE(Describe(topology));
    const int64_t h = static_cast<int64_t>(hosts.size());
    const int64_t n = h * 840 * 16;  // all parts have equal lengths
    CheckReport report;
    const Status status = CheckAllReduce(PlansOf(OneColour("grid"), topology, n), &report);
    ASSERT_TRUE(status.ok()) << status.message();
    const std::vector<int64_t> least(hosts.size(), 2 * (h - 1) * n / h);
    const auto near = [&](const std::vector<int64_t>& counts) {
      for (size_t i = 0; i < counts.size(); ++i) {
        // Boundaries are rounded to 16 elements, by segment and host.
        EXPECT_NEAR(counts[i], least[i], 16 * 64) << "host " << i;
      }
    };
    near(report.SentByHosts(topology, 0));
    near(report.ReceivedByHosts(topology, 0));
    if (topology.uniform()) {
      const PlanSpec grid = OneColour("grid", {hosts[0], static_cast<int>(h)});
      ASSERT_TRUE(CheckAllReduce(PlansOf(grid, topology, n), &report).ok());
      EXPECT_EQ(report.SentByHosts(topology, 0), least);
      EXPECT_EQ(report.ReceivedByHosts(topology, 0), least);
    }
  }
}

TEST(Planner, FoldsSurplusRanksIntoNeighboursOnTheirHost) {
  const Topology topology = HostsOf({3, 3});
  CheckReport report;
  const auto plans = PlansOf(OneColour("halving-doubling"), topology, 1024);
  ASSERT_EQ(CheckAllReduce(plans, &report).message(), "");
  // Two ranks of each host remain; they exchange quarters between hosts, there and back.
  EXPECT_EQ(report.SentByHosts(topology, 0), (std::vector<int64_t>{1024, 1024}));
}

TEST(Planner, ColoursDivideTheBucketByTheirShares) {
  const Topology topology = HostsOf({1, 1, 1, 1}, 2);
  PlanSpec spec = OneColour("ring", {}, 4096);
  spec.colours.push_back(spec.colours[0]);
  spec.colours[0].share = 0.8;
  spec.colours[1].share = 0.2;
  spec.colours[1].rail = 1;
  const int64_t n = 100000;
  const auto plans = PlansOf(spec, topology, n);
  CheckReport report;
  ASSERT_EQ(CheckAllReduce(plans, &report).message(), "");
  EXPECT_EQ(plans[0].name, "2 x ring");
  EXPECT_NEAR(report.SentByHosts(topology, 0)[0], 0.8 * n * 6 / 4, 16 * 30);
  EXPECT_NEAR(report.SentByHosts(topology, 1)[0], 0.2 * n * 6 / 4, 16 * 30);
  for (const Lane& lane : plans[0].lanes) EXPECT_EQ(lane.rail, lane.colour);
  EXPECT_EQ(plans[0].lanes.front().colour, 0);
  EXPECT_EQ(plans[0].lanes.back().colour, 1);
  // Too few elements for two shares: one of them takes everything.
  EXPECT_EQ(CheckAllReduce(PlansOf(spec, topology, 3)).message(), "");
}

}  // namespace
}  // namespace tf_ddl
