// Simulated times against ones worked out by hand, and folded simulations against full ones.
#include "plan/simulate.h"

#include <gtest/gtest.h>

#include <string>

#include "plan/planner.h"
#include "plan_harness.h"

namespace tf_ddl {
namespace {

constexpr double kAlpha = 1e-3;  // between hosts
constexpr double kBeta = 1e-6;
constexpr double kLocalAlpha = 1e-4;
constexpr double kLocalBeta = 1e-7;

Topology Cluster(int hosts, int ranks_per_host, int rails = 1) {
  Topology topology;
  topology.rails.assign(rails, "");
  for (int h = 0; h < hosts; ++h) {
    Host host;
    host.name = "host-" + std::to_string(h);
    for (int r = 0; r < ranks_per_host; ++r) host.ranks.push_back(h * ranks_per_host + r);
    topology.hosts.push_back(host);
  }
  return topology;
}

LinkModel Links(double gamma = 0, int rails = 1) {
  LinkModel links;
  links.local = {kLocalAlpha, kLocalBeta};
  links.gamma = gamma;
  links.rails.assign(rails, {kAlpha, kBeta});
  return links;
}

Lane OneRound(std::vector<Step> steps, int rail = 0, int colour = 0) {
  Lane lane;
  lane.rounds.push_back({std::move(steps)});
  lane.rail = rail;
  lane.colour = colour;
  return lane;
}

Step Send(int peer, int64_t count) { return {StepKind::kSend, peer, 0, count, Buffer::kInput}; }
Step Recv(int peer, int64_t count) { return {StepKind::kRecv, peer, 0, count, Buffer::kOutput}; }
Step Add(int peer, int64_t count) {
  return {StepKind::kRecvReduce, peer, 0, count, Buffer::kInput};
}

SimulatedCollective Of(std::vector<std::vector<Lane>> lanes, double start = 0) {
  SimulatedCollective collective;
  collective.start = start;
  collective.element_bytes = 1;
  collective.plan = [lanes](int rank) {
    Plan plan;
    plan.rank = rank;
    plan.size = static_cast<int>(lanes.size());
    plan.lanes = lanes[rank];
    return plan;
  };
  return collective;
}

SimulationOptions NoOverhead() {
  SimulationOptions options;
  options.local_overhead = options.rail_overhead = 0;
  return options;
}

Simulation Outcome(const Topology& topology, const LinkModel& links,
                   const std::vector<SimulatedCollective>& collectives,
                   const SimulationOptions& options = NoOverhead()) {
  Simulation simulation;
  const Status status = Simulate(topology, links, collectives, options, &simulation);
  EXPECT_TRUE(status.ok()) << status.message();
  return simulation;
}

std::string Refusal(const Topology& topology, const LinkModel& links,
                    const std::vector<SimulatedCollective>& collectives,
                    const SimulationOptions& options = NoOverhead()) {
  Simulation simulation;
  const Status status = Simulate(topology, links, collectives, options, &simulation);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  return status.message();
}

TEST(SimulateTest, OneMessage) {
  const auto send = Of({{OneRound({Send(1, 5000)})}, {OneRound({Recv(0, 5000)})}});
  EXPECT_DOUBLE_EQ(Outcome(Cluster(2, 1), Links(), {send}).seconds, kAlpha + 5000 * kBeta);
  EXPECT_DOUBLE_EQ(Outcome(Cluster(1, 2), Links(), {send}).seconds,
                   kLocalAlpha + 5000 * kLocalBeta);
}

TEST(SimulateTest, LatencyPassesWhileTheReceiverIsElsewhere) {
  // Rank 1 first waits 5 ms for rank 2, whose message to it is long; rank 0's has come by then.
  const auto sends = Of({{OneRound({Send(1, 1000)}, 0, 0)},
                         {Lane{{{{Recv(2, 4000)}}}, 0, 0}, OneRound({Recv(0, 1000)}, 0, 0)},
                         {OneRound({Send(1, 4000)}, 0, 0)}});
  auto collective = sends;
  collective.plan = [sends](int rank) {
    Plan plan = sends.plan(rank);
    if (rank == 0) plan.lanes.insert(plan.lanes.begin(), Lane());
    return plan;
  };
  SimulationOptions one_lane = NoOverhead();
  one_lane.max_lanes = 1;
  EXPECT_DOUBLE_EQ(Outcome(Cluster(3, 1), Links(), {collective}, one_lane).seconds,
                   kAlpha + 4000 * kBeta + 1000 * kBeta);
}

TEST(SimulateTest, MessagesShareAnInterface) {
  // Both leave host 0 at once: the short one takes twice its time, the long one gets all after.
  const auto send = Of({{OneRound({Send(1, 1000), Send(2, 3000)})},
                        {OneRound({Recv(0, 1000)})},
                        {OneRound({Recv(0, 3000)})}});
  EXPECT_DOUBLE_EQ(Outcome(Cluster(3, 1), Links(), {send}).seconds, kAlpha + 4000 * kBeta);
  // On rails of their own they do not meet.
  const auto apart = Of({{OneRound({Send(1, 1000)}, 0, 0), OneRound({Send(2, 3000)}, 1, 1)},
                         {OneRound({Recv(0, 1000)}, 0, 0), Lane{{}, 1, 1}},
                         {Lane{{}, 0, 0}, OneRound({Recv(0, 3000)}, 1, 1)}});
  EXPECT_DOUBLE_EQ(Outcome(Cluster(3, 1, 2), Links(0, 2), {apart}).seconds, kAlpha + 3000 * kBeta);
}

TEST(SimulateTest, MessagesLeaveOneAfterTheOther) {
  const auto send = Of({{OneRound({Send(1, 0), Send(2, 0), Send(3, 0)})},
                        {OneRound({Recv(0, 0)})},
                        {OneRound({Recv(0, 0)})},
                        {OneRound({Recv(0, 0)})}});
  SimulationOptions options;
  options.rail_overhead = 0.2;
  options.local_overhead = 0.5;
  EXPECT_DOUBLE_EQ(Outcome(Cluster(4, 1), Links(), {send}, options).seconds, 1.4 * kAlpha);
  EXPECT_DOUBLE_EQ(Outcome(Cluster(1, 4), Links(), {send}, options).seconds, 2 * kLocalAlpha);
}

TEST(SimulateTest, BothDirectionsAtOnce) {
  const auto exchange =
      Of({{OneRound({Send(1, 2000), Recv(1, 2000)})}, {OneRound({Send(0, 2000), Recv(0, 2000)})}});
  EXPECT_DOUBLE_EQ(Outcome(Cluster(2, 1), Links(), {exchange}).seconds, kAlpha + 2000 * kBeta);
}

TEST(SimulateTest, AdditionsAreChained) {
  // The second addition's bytes flow after the first addition: their latency has passed.
  const double gamma = 5e-7;
  const auto gather = Of({{OneRound({Add(1, 1000), Add(2, 1000)})},
                          {OneRound({Send(0, 1000)})},
                          {OneRound({Send(0, 1000)})}});
  EXPECT_DOUBLE_EQ(Outcome(Cluster(3, 1), Links(gamma), {gather}).seconds,
                   kAlpha + 2 * 1000 * (kBeta + gamma));
}

TEST(SimulateTest, OneEngineCopiesAndAdds) {
  // Three lanes within a host, two at a time, an addition taking as long as a copy; times below in
  // bytes, from the end of the first latency, which lasts 1000.
  const auto lanes =
      Of({{OneRound({Send(1, 500)}), OneRound({Send(1, 1500)}), OneRound({Send(1, 1000)})},
          {OneRound({Add(0, 500)}), OneRound({Add(0, 1500)}), OneRound({Add(0, 1000)})}});
  SimulationOptions options = NoOverhead();
  options.max_lanes = 2;
  // One engine is never idle: 3000 of copies and 3000 of additions.
  EXPECT_NEAR(Outcome(Cluster(1, 2), Links(kLocalBeta), {lanes}, options).seconds,
              kLocalAlpha + 6000 * kLocalBeta, 1e-12);
  // Two engines. Copies end at 500, 2000 and 3000, additions at 1000, 3500 and 4500.
  options.shared_engine = false;
  EXPECT_NEAR(Outcome(Cluster(1, 2), Links(kLocalBeta), {lanes}, options).seconds,
              kLocalAlpha + 4500 * kLocalBeta, 1e-12);
}

TEST(SimulateTest, EnginesDoFirstWhatWasBegunFirst) {
  // Rank 2 copies 4000 bytes of a later collective when an earlier one's 1000 come: they go first.
  SimulatedCollective chained;
  chained.element_bytes = 1;
  chained.plan = [](int rank) {
    Plan plan;
    plan.rank = rank;
    plan.size = 3;
    Lane lane;  // from 0 to 1, then from 1 to 2
    lane.rounds.resize(2);
    if (rank == 0) lane.rounds[0].steps = {Send(1, 1000)};
    if (rank == 1) lane.rounds[0].steps = {Recv(0, 1000)};
    if (rank == 1) lane.rounds[1].steps = {Send(2, 1000)};
    if (rank == 2) lane.rounds[1].steps = {Recv(1, 1000)};
    plan.lanes = {lane};
    return plan;
  };
  const auto late = Of({{OneRound({Send(2, 4000)})}, {Lane{}}, {OneRound({Recv(0, 4000)})}});
  const Simulation simulation = Outcome(Cluster(1, 3), Links(), {chained, late});
  EXPECT_NEAR(simulation.ends[0], 2 * (kLocalAlpha + 1000 * kLocalBeta), 1e-12);
  EXPECT_NEAR(simulation.ends[1], kLocalAlpha + 5000 * kLocalBeta, 1e-12);
}

TEST(SimulateTest, LanesPipelineTransferAndAddition) {
  // Three lanes, two at a time, each of 1000 bytes and an addition that takes as long, on an engine
  // of its own. Lane 1 travels while lane 0 is added; lane 2's latency, 1000, passes meanwhile.
  const double gamma = kBeta;
  const auto lanes =
      Of({{OneRound({Send(1, 1000)}), OneRound({Send(1, 1000)}), OneRound({Send(1, 1000)})},
          {OneRound({Add(0, 1000)}), OneRound({Add(0, 1000)}), OneRound({Add(0, 1000)})}});
  SimulationOptions options = NoOverhead();
  options.shared_engine = false;
  options.max_lanes = 2;
  EXPECT_NEAR(Outcome(Cluster(2, 1), Links(gamma), {lanes}, options).seconds,
              kAlpha + 4 * 1000 * kBeta, 1e-12);
}

TEST(SimulateTest, RingOfPRanks) {
  const double gamma = 3e-7;
  for (int p : {2, 3, 4, 7}) {
    const int64_t count = 16 * 64 * p;  // divides evenly
    SimulatedCollective ring;
    ring.plan = [=](int rank) { return RingPlan(rank, p, count, count); };
    const double part = 4.0 * count / p;
    const double expected = 2 * (p - 1) * (kAlpha + part * kBeta) + (p - 1) * part * gamma;
    for (bool fold : {false, true}) {
      SimulationOptions options = NoOverhead();
      options.fold = fold;
      const Simulation simulation = Outcome(Cluster(p, 1), Links(gamma), {ring}, options);
      EXPECT_NEAR(simulation.seconds, expected, 1e-9) << p;
      EXPECT_EQ(simulation.folded, fold);
      EXPECT_EQ(simulation.messages, 2 * (p - 1) * (fold ? 1 : p));
    }
  }
}

TEST(SimulateTest, RingAcrossHostsWaitsForItsSlowestLink) {
  // Four ranks on each of two hosts: in every round each host sends one message to the other.
  const int64_t count = 16 * 64 * 8;
  SimulatedCollective ring;
  ring.plan = [=](int rank) { return RingPlan(rank, 8, count, count); };
  const double part = 4.0 * count / 8;
  for (bool fold : {false, true}) {
    SimulationOptions options = NoOverhead();
    options.fold = fold;
    // After the first round, the ranks behind the slow link set the pace.
    EXPECT_NEAR(Outcome(Cluster(2, 4), Links(), {ring}, options).seconds,
                14 * (kAlpha + part * kBeta), 14 * (kLocalAlpha + part * kLocalBeta));
  }
}

TEST(SimulateTest, BucketsOverlapWithWhatComesBefore) {
  const auto early = Of({{OneRound({Send(1, 5000)})}, {OneRound({Recv(0, 5000)})}}, 0.002);
  const auto late = Of({{OneRound({Send(1, 5000)})}, {OneRound({Recv(0, 5000)})}}, 0.006);
  const Simulation apart = Outcome(Cluster(2, 1), Links(), {early, early});
  EXPECT_DOUBLE_EQ(apart.seconds, 0.002 + kAlpha + 10000 * kBeta);
  // The first flows from 3 ms to 8 ms; the second could from 7 ms on, and follows it.
  const Simulation simulation = Outcome(Cluster(2, 1), Links(), {early, late});
  EXPECT_NEAR(simulation.ends[0], 0.008, 1e-12);
  EXPECT_NEAR(simulation.ends[1], 0.013, 1e-12);
}

TEST(SimulateTest, ExceptionsAreSlowLinks) {
  LinkModel links = Links();
  links.exceptions[{0, 0, 1}] = {2 * kAlpha, 10 * kBeta};
  const auto there = Of({{OneRound({Send(1, 1000)})}, {OneRound({Recv(0, 1000)})}});
  const auto back = Of({{OneRound({Recv(1, 1000)})}, {OneRound({Send(0, 1000)})}});
  EXPECT_DOUBLE_EQ(Outcome(Cluster(2, 1), links, {there}).seconds, 2 * kAlpha + 10000 * kBeta);
  EXPECT_DOUBLE_EQ(Outcome(Cluster(2, 1), links, {back}).seconds, kAlpha + 1000 * kBeta);
}

TEST(SimulateTest, MeansAndSlotsCostAdditions) {
  const double gamma = 1e-6;
  SimulatedCollective direct;
  direct.plan = [](int rank) { return DirectPlan(rank, 3, 1000); };
  SimulationOptions options = NoOverhead();
  const double exchange = kAlpha + 2 * 4000 * kBeta;
  EXPECT_NEAR(Outcome(Cluster(3, 1), Links(gamma), {direct}, options).seconds,
              exchange + 2 * 4000 * gamma, 1e-12);
  options.mean = true;
  EXPECT_NEAR(Outcome(Cluster(3, 1), Links(gamma), {direct}, options).seconds,
              exchange + 3 * 4000 * gamma, 1e-12);
}

TEST(SimulateTest, FoldedAgreesWithFull) {
  struct Case {
    int hosts, per_host;
    int64_t count, lane_count;
  };
  for (const Case& c : {Case{4, 4, 1 << 16, 1 << 14}, Case{8, 2, 100003, 30000},
                        Case{3, 3, 77777, 77777}, Case{16, 4, 1 << 18, 1 << 18}}) {
    const int size = c.hosts * c.per_host;
    SimulatedCollective first, second;
    first.plan = [=](int rank) { return RingPlan(rank, size, c.count, c.lane_count); };
    second = first;
    second.start = 0.01;
    SimulationOptions options = NoOverhead();
    const Simulation folded =
        Outcome(Cluster(c.hosts, c.per_host), Links(2e-7), {first, second}, options);
    options.fold = false;
    const Simulation full =
        Outcome(Cluster(c.hosts, c.per_host), Links(2e-7), {first, second}, options);
    EXPECT_TRUE(folded.folded);
    EXPECT_FALSE(full.folded);
    EXPECT_EQ(full.messages, c.hosts * folded.messages);
    // Parts differ by a few elements.
    EXPECT_NEAR(folded.seconds, full.seconds, 0.01 * full.seconds);
  }
}

// `even`: parts are equally long, so that hosts do exactly the same. Else many lanes of slightly
// different lengths compete, and small differences change who comes first.
void ExpectFoldedAgreesWithFull(const Topology& topology, PlanSpec spec, bool even) {
  SCOPED_TRACE(ToString(spec) + ", " + Describe(topology) + (even ? ", even" : ", uneven"));
  if (even) spec.chunk_bytes = 1 << 30;
  std::vector<SimulatedCollective> buckets(3);
  for (size_t b = 0; b < buckets.size(); ++b) {
    const int64_t number = static_cast<int64_t>(b) + 1;
    const int64_t count = even ? 24 * 64 * 32 * number : 200003 + 100001 * number;
    buckets[b].start = 0.001 * static_cast<double>(b);
    buckets[b].plan = [=, &topology](int rank) { return MakePlan(spec, topology, rank, count, 4); };
  }
  SimulationOptions options = NoOverhead();
  const Simulation folded = Outcome(topology, Links(2e-8, 2), buckets, options);
  options.fold = false;
  const Simulation full = Outcome(topology, Links(2e-8, 2), buckets, options);
  ASSERT_TRUE(folded.folded);
  EXPECT_FALSE(full.folded);
  EXPECT_EQ(full.messages, static_cast<int64_t>(topology.hosts.size()) * folded.messages);
  for (size_t b = 0; b < buckets.size(); ++b) {
    EXPECT_NEAR(folded.ends[b], full.ends[b], (even ? 1e-9 : 0.07) * full.ends[b]);
  }
  EXPECT_NEAR(folded.seconds, full.seconds, (even ? 1e-9 : 0.03) * full.seconds);
}

TEST(SimulateTest, FoldedAgreesWithFullForEveryAlgorithm) {
  struct Case {
    int hosts, per_host;
    std::vector<int> grid;
  };
  for (const Case& c : {Case{8, 4, {4, 8}}, Case{8, 4, {4, 2, 4}}, Case{6, 2, {2, 6}},
                        Case{4, 2, {4, 2}}, Case{16, 1, {4, 4}}}) {
    const Topology topology = HostsOf(std::vector<int>(c.hosts, c.per_host), 2);
    std::vector<PlanSpec> specs = {OneColour("ring"), OneColour("grid", c.grid, 4096),
                                   OneColour("grid", {}, 8192)};
    if ((c.hosts & (c.hosts - 1)) == 0) specs.push_back(OneColour("halving-doubling"));
    PlanSpec colours = OneColour("grid", c.grid, 16384);
    colours.colours.push_back(colours.colours[0]);
    colours.colours[0].share = 0.75;
    colours.colours[1].share = 0.25;
    colours.colours[1].rail = 1;
    specs.push_back(colours);
    for (const PlanSpec& spec : specs) {
      ExpectFoldedAgreesWithFull(topology, spec, true);
      ExpectFoldedAgreesWithFull(topology, spec, false);
    }
  }
}

TEST(SimulateTest, UnlikeHostsAreNotFolded) {
  Topology uneven = Cluster(2, 2);
  uneven.hosts[1].ranks.push_back(4);
  SimulatedCollective ring;
  ring.plan = [](int rank) { return RingPlan(rank, 5, 5000, 5000); };
  EXPECT_FALSE(Outcome(uneven, Links(), {ring}).folded);
  // Everybody to everybody: a rank has several messages with the first ranks of other hosts.
  SimulatedCollective pairwise;
  pairwise.plan = [](int rank) { return PairwisePlan(rank, 6, 6000, 6000); };
  EXPECT_FALSE(Outcome(Cluster(3, 2), Links(), {pairwise}).folded);
  LinkModel slow = Links();
  slow.exceptions[{0, 0, 1}] = {kAlpha, 2 * kBeta};
  ring.plan = [](int rank) { return RingPlan(rank, 4, 4000, 4000); };
  EXPECT_FALSE(Outcome(Cluster(2, 2), slow, {ring}).folded);
}

TEST(SimulateTest, PlansThatWaitForEachOtherAreRefused) {
  // Each wants to receive first: with one lane at a time nobody comes to sending. Ranks have their
  // own names, though one host could stand for both.
  const auto cycle = Of({{OneRound({Recv(1, 8)}), OneRound({Send(1, 8)})},
                         {OneRound({Recv(0, 8)}), OneRound({Send(0, 8)})}});
  SimulationOptions options = NoOverhead();
  options.max_lanes = 1;
  const std::string text = Refusal(Cluster(2, 1), Links(), {cycle}, options);
  EXPECT_NE(text.find("the plans never end"), std::string::npos) << text;
  EXPECT_NE(text.find("lane 0, round 0: rank 0 waits for rank 1"), std::string::npos) << text;
  EXPECT_NE(text.find("rank 1 waits for rank 0"), std::string::npos) << text;
}

TEST(SimulateTest, PlansThatDoNotFitAreRefused) {
  const Topology two = Cluster(2, 1);
  const auto unawaited = Of({{OneRound({Send(1, 8)})}, {Lane{}}});
  EXPECT_NE(Refusal(two, Links(), {unawaited}).find("rank 0 sends to rank 1"), std::string::npos);
  const auto sizes = Of({{OneRound({Send(1, 8)})}, {OneRound({Recv(0, 9)})}});
  EXPECT_NE(Refusal(two, Links(), {sizes}).find("9 and 8 bytes"), std::string::npos);
  const auto twice = Of({{OneRound({Send(1, 8), Send(1, 8)})}, {OneRound({Recv(0, 8)})}});
  EXPECT_NE(Refusal(two, Links(), {twice}).find("two messages with rank 1"), std::string::npos);
  const auto nobody = Of({{OneRound({Send(2, 8)})}, {Lane{}}});
  EXPECT_NE(Refusal(two, Links(), {nobody}).find("rank 2, which is no peer"), std::string::npos);
  const auto rail = Of({{OneRound({Send(1, 8)}, 1)}, {OneRound({Recv(0, 8)}, 1)}});
  EXPECT_NE(Refusal(two, Links(), {rail}).find("rail 1"), std::string::npos);
  SimulationOptions none = NoOverhead();
  none.max_lanes = 0;
  EXPECT_NE(Refusal(two, Links(), {unawaited}, none).find("max_lanes is 0"), std::string::npos);
  EXPECT_NE(Refusal(two, Links(), {Of({{}, {}}, -1)}).find("starts at -1"), std::string::npos);
  EXPECT_NE(Refusal(Topology(), Links(), {}).find("without ranks"), std::string::npos);
}

TEST(SimulateTest, NothingToDoTakesNoTime) {
  const Simulation none = Outcome(Cluster(2, 1), Links(), {});
  EXPECT_EQ(none.seconds, 0);
  EXPECT_EQ(Outcome(Cluster(1, 1), Links(), {Of({{}}, 0.5)}).seconds, 0.5);
}

}  // namespace
}  // namespace tf_ddl
