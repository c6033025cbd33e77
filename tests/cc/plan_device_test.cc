// Plans of device buckets: proved by the checker of plans, costed, refused when they do not fit.
#include <gtest/gtest.h>

#include "plan/check.h"
#include "plan/device_cost.h"
#include "plan/device_schedule.h"
#include "plan_harness.h"

namespace tf_ddl {
namespace {

std::vector<DevicePlan> PlansFor(const Topology& topology) {
  std::vector<DevicePlan> plans = {{}};
  const int n = topology.size();
  if (!topology.uniform() && topology.hosts.size() > 1) return plans;
  for (const int64_t chunk : {0, 256, 4096}) {
    if (n > 1) plans.push_back({{n}, chunk});
    for (int x = 2; x < n; ++x) {
      if (n % x != 0) continue;
      plans.push_back({{x, n / x}, chunk});
      for (int y = 2; y < n / x; ++y) {
        if (n / x % y == 0) plans.push_back({{x, y, n / x / y}, chunk});
      }
    }
  }
  return plans;
}

TEST(DevicePlans, AreProvedByTheChecker) {
  int proved = 0;
  for (const std::vector<int>& hosts :
       {std::vector<int>{1}, {2}, {4}, {8}, {2, 2}, {4, 4}, {2, 2, 2}, {3, 3}, {1, 2}, {6, 6}}) {
    const Topology topology = HostsOf(hosts);
    for (const DevicePlan& plan : PlansFor(topology)) {
      ASSERT_TRUE(Validate(plan, topology).ok());
      for (const int64_t count : {1, 7, 64, 1000, 4096, 5001}) {
        std::vector<Plan> plans;
        for (int rank = 0; rank < topology.size(); ++rank) {
          plans.push_back(EquivalentPlan(plan, topology, rank, count, 4));
        }
        const Status status = CheckAllReduce(plans);
        EXPECT_TRUE(status.ok()) << ToString(plan) << ", " << count << ": " << status.message();
        ++proved;
      }
    }
  }
  EXPECT_GT(proved, 300);
}

// Ranks that are dealt to hosts in turn: a dimension within hosts stays within hosts.
TEST(DevicePlans, FirstDimensionsAreWithinHosts) {
  Topology topology = HostsOf({2, 2});
  topology.hosts[0].ranks = {0, 2};
  topology.hosts[1].ranks = {1, 3};
  const std::vector<GridPlace> places = GridPlaces({{2, 2}, 0}, topology, 2);
  EXPECT_EQ(places[0].ranks, (std::vector<int>{0, 2}));
  EXPECT_EQ(places[0].place, 1);
  EXPECT_EQ(places[1].ranks, (std::vector<int>{2, 3}));
  EXPECT_EQ(places[1].place, 0);
}

// All ranks call the same kinds along the same dimensions in the same order, chunks follow each
// other, and parts of a reduce-scatter are equally large.
TEST(DevicePlans, SchedulesAreTheSameOnAllRanks) {
  const Topology topology = HostsOf({4, 4});
  const DevicePlan plan{{4, 2}, 1024};
  const auto first = DeviceSchedule(plan, topology, 0, 1001, 4);
  for (int rank = 0; rank < 8; ++rank) {
    const auto other = DeviceSchedule(plan, topology, rank, 1001, 4);
    ASSERT_EQ(other.size(), first.size());
    std::vector<int> phase(10, 0);
    for (size_t i = 0; i < other.size(); ++i) {
      EXPECT_EQ(other[i].kind, first[i].kind);
      EXPECT_EQ(other[i].dimension, first[i].dimension);
      EXPECT_EQ(other[i].chunk, first[i].chunk);
      EXPECT_EQ(other[i].range.size(), first[i].range.size());
      EXPECT_EQ(other[i].own.size(), first[i].own.size());
      const int expected[] = {0, 1, 0};
      if (other[i].dimension >= 0) {
        EXPECT_EQ(other[i].dimension, expected[phase[other[i].chunk]++]);
        EXPECT_EQ(other[i].range.begin % 4, 0);
      }
    }
  }
  // 960 elements in 4 chunks of 256, 256, 256 and 192; 41 that cannot be divided.
  EXPECT_EQ(first.size(), 4u * 3 + 1);
  EXPECT_EQ(first.back().range.size(), 41);
  // The second chunk is on its way before the first has been gathered.
  EXPECT_EQ(first[1].chunk, 1);
  EXPECT_EQ(first[1].kind, DeviceStepKind::kReduceScatter);
}

TEST(DevicePlans, ThatDoNotFitAreRefused) {
  const Topology even = HostsOf({2, 2}), uneven = HostsOf({1, 2});
  EXPECT_NE(Validate(DevicePlan{{3}, 0}, even).message().find("makes 3 ranks, the job has 4"),
            std::string::npos);
  EXPECT_FALSE(Validate(DevicePlan{{4, 1}, 0}, even).ok());
  EXPECT_FALSE(Validate(DevicePlan{{2, 2}, -1}, even).ok());
  EXPECT_FALSE(Validate(DevicePlan{{3}, 0}, uneven).ok());
  EXPECT_TRUE(Validate(DevicePlan{}, uneven).ok());
}

TEST(DevicePlans, CandidatesAndTheirCosts) {
  const DeviceLinks links = UsualDeviceLinks();
  EXPECT_TRUE(Validate(links).ok());
  // NCCL's own is all there is on one host, and where hosts are uneven.
  EXPECT_EQ(DevicePlanCandidates(HostsOf({8}), links, 25 << 20).size(), 1u);
  EXPECT_EQ(DevicePlanCandidates(HostsOf({8, 4}), links, 25 << 20).size(), 1u);
  EXPECT_EQ(DevicePlanCandidates(HostsOf({1, 1}), links, 25 << 20).size(), 1u);
  const Topology topology = HostsOf({8, 8, 8, 8});
  const auto plans = DevicePlanCandidates(topology, links, 100 << 20);
  EXPECT_EQ(plans.size(), 5u);
  double before = 0;
  for (const DevicePlan& plan : plans) {
    const double seconds = PredictSeconds(plan, topology, links, 100 << 20);
    EXPECT_GE(seconds, before);
    before = seconds;
  }
  // Small buckets: one call. More bytes never cost less.
  EXPECT_TRUE(DevicePlanCandidates(topology, links, 1000)[0].grid.empty());
  for (const DevicePlan& plan : plans) {
    EXPECT_LT(PredictSeconds(plan, topology, links, 10 << 20),
              PredictSeconds(plan, topology, links, 100 << 20));
  }
  // No plan is faster than what the hosts' networks carry.
  for (const DevicePlan& plan : plans) {
    EXPECT_GE(PredictSeconds(plan, topology, links, 100 << 20),
              2.0 * 3 / 4 * (100 << 20) * links.between.beta);
  }
}

// What a job with these links would measure.
DeviceTimes TimesOf(const DeviceLinks& links, const Topology& topology) {
  const auto times = [&](const Topology& ranks, double lines) {
    DeviceLinks shared = links;
    shared.between.beta *= lines;  // of a host's network
    return TwoTimes{PredictSeconds({}, ranks, shared, kFewBytes),
                    PredictSeconds({}, ranks, shared, kManyBytes)};
  };
  const int hosts = static_cast<int>(topology.hosts.size()), per_host = topology.size() / hosts;
  DeviceTimes measured;
  measured.flat = times(topology, 1);
  if (hosts > 1 && per_host > 1) {
    measured.local = times(HostsOf({per_host}), 1);
    measured.between = times(HostsOf(std::vector<int>(hosts, 1)), per_host);
  }
  measured.pack = {links.launch + 2 * kFewBytes * links.memory_beta,
                   links.launch + 2 * kManyBytes * links.memory_beta};
  measured.grouped = measured.flat.few + (kGroupedTensors - 1) * links.call;
  return measured;
}

TEST(DevicePlans, LinksAreFoundFromWhatTheyTake) {
  DeviceLinks links;
  links.local = {7e-6, 1 / 90e9};
  links.between = {31e-6, 1 / 3e9};
  links.launch = 4e-6;
  links.call = 2.5e-6;
  links.memory_beta = 1 / 1.1e12;
  for (const auto& hosts : {std::vector<int>{4}, {1, 1, 1}, {4, 4}, {2, 2, 2}}) {
    const Topology topology = HostsOf(hosts);
    const DeviceLinks found = FitDeviceLinks(TimesOf(links, topology), topology);
    EXPECT_TRUE(Validate(found).ok());
    const auto same = [](double a, double b) { EXPECT_NEAR(a / b, 1, 1e-6); };
    if (hosts[0] > 1) {
      same(found.local.alpha, links.local.alpha);
      same(found.local.beta, links.local.beta);
    }
    if (hosts.size() > 1) {
      same(found.between.alpha, links.between.alpha);
      same(found.between.beta, links.between.beta);
    }
    same(found.launch, links.launch);
    same(found.call, links.call);
    same(found.memory_beta, links.memory_beta);
    for (const int64_t bytes : {4096, 25 << 20}) {
      same(PredictSeconds({}, topology, found, bytes), PredictSeconds({}, topology, links, bytes));
    }
  }
}

TEST(DevicePlans, WhatWasMeasuredDecidesBetweenFlatAndGrid) {
  const Topology topology = HostsOf({4, 4});
  DeviceTimes times = TimesOf(UsualDeviceLinks(), topology);
  times.flat.few *= 30;  // a library that does badly among all ranks, at both sizes
  times.flat.many *= 30;
  DeviceLinks links = FitDeviceLinks(times, topology);
  EXPECT_FALSE(DevicePlanCandidates(topology, links, 25 << 20)[0].grid.empty());
  EXPECT_FALSE(DevicePlanCandidates(topology, links, 4096)[0].grid.empty());
  times = TimesOf(UsualDeviceLinks(), topology);
  times.between.few *= 30;
  times.between.many *= 30;
  links = FitDeviceLinks(times, topology);
  EXPECT_TRUE(DevicePlanCandidates(topology, links, 25 << 20)[0].grid.empty());
}

TEST(DevicePlans, NonsenseThatWasMeasuredGivesLinksThatCanBeUsed) {
  DeviceTimes times;
  times.flat = {2e-3, 1e-3};  // disturbed
  times.local = {0, 1e-9};
  times.between = {1e-3, 1e-3};
  times.pack = {1e-3, 1e-6};
  times.grouped = 1e-6;
  for (const auto& hosts : {std::vector<int>{4}, {1, 1, 1}, {4, 4}, {3, 1}}) {
    EXPECT_TRUE(Validate(FitDeviceLinks(times, HostsOf(hosts))).ok());
    EXPECT_TRUE(Validate(FitDeviceLinks(DeviceTimes(), HostsOf(hosts))).ok());
  }
}

TEST(DevicePlans, PackingPaysForManySmallTensors) {
  const DeviceLinks links = UsualDeviceLinks();
  EXPECT_FALSE(PackingIsFaster(links, 1, 1000));
  EXPECT_FALSE(PackingIsFaster(links, 4, 25 << 20));
  EXPECT_TRUE(PackingIsFaster(links, 200, 1 << 20));
}

}  // namespace
}  // namespace tf_ddl
