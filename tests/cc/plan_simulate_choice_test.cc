// The cost model (plan/cost.h) judges hundreds of candidates from their specifications; the
// simulator executes their plans. What the first chooses must be good in the eyes of the second.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <vector>

#include "plan/choose.h"
#include "plan/simulate.h"
#include "plan_harness.h"

namespace tf_ddl {
namespace {

double Simulated(const PlanSpec& spec, const Topology& topology, const LinkModel& links,
                 int64_t bytes) {
  SimulatedCollective collective;
  collective.plan = [&](int rank) { return MakePlan(spec, topology, rank, bytes / 4, 4); };
  Simulation simulation;
  const Status status = Simulate(topology, links, {collective}, {}, &simulation);
  EXPECT_TRUE(status.ok()) << status.message();
  return simulation.seconds;
}

struct Setting {
  const char* name;
  Topology topology;
  LinkModel links;
};

std::vector<Setting> Settings() {
  LinkModel infiniband;
  infiniband.local = {10e-6, 1 / 30e9};
  infiniband.gamma = 1 / 244e9;
  infiniband.rails = {{10e-6, 1 / 12.5e9}};
  LinkModel two_rails = infiniband;
  two_rails.rails.push_back(two_rails.rails[0]);
  LinkModel unequal = UsualLinks(2);
  unequal.rails[1].beta *= 4;
  return {
      {"4 x 1, Ethernet", HostsOf({1, 1, 1, 1}), UsualLinks(1)},
      {"2 x 2, Ethernet", HostsOf({2, 2}), UsualLinks(1)},
      {"1 x 4", HostsOf({4}), UsualLinks(1)},
      {"4 x 1, two unequal rails", HostsOf({1, 1, 1, 1}, 2), unequal},
      {"16 x 4, InfiniBand", HostsOf(std::vector<int>(16, 4)), infiniband},
      {"64 x 4, two rails", HostsOf(std::vector<int>(64, 4), 2), two_rails},
      {"uneven", HostsOf({3, 1, 2}), UsualLinks(1)},
  };
}

double Quantile(std::vector<double> values, double share) {
  const auto at = values.begin() + static_cast<ptrdiff_t>(share * (values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

TEST(SimulateChoiceTest, TheChosenPlanIsNearlyTheBest) {
  constexpr size_t kTried = 12;  // the cheapest of the candidates, by the cost model
  std::vector<double> errors;
  double worst = 1;
  for (const Setting& setting : Settings()) {
    for (const int64_t bytes :
         {int64_t{4} << 10, int64_t{256} << 10, int64_t{4} << 20, int64_t{64} << 20}) {
      const auto candidates = Candidates(setting.topology, setting.links, bytes, {});
      ASSERT_FALSE(candidates.empty());
      double best = 1e9, chosen = 0;
      for (size_t i = 0; i < std::min(kTried, candidates.size()); ++i) {
        const double seconds =
            Simulated(candidates[i].spec, setting.topology, setting.links, bytes);
        errors.push_back(std::abs(candidates[i].seconds / seconds - 1));
        if (i == 0) chosen = seconds;
        best = std::min(best, seconds);
      }
      worst = std::max(worst, chosen / best);
      EXPECT_LE(chosen, 1.3 * best) << setting.name << ", " << bytes << " bytes";
      EXPECT_NEAR(candidates[0].seconds, chosen, 0.4 * chosen)
          << setting.name << ", " << bytes << " bytes: " << ToString(candidates[0].spec);
    }
  }
  // What docs/plans.md says.
  const double median = Quantile(errors, 0.5);
  const double nine_in_ten = Quantile(errors, 0.9);
  std::cout << "the model differs from the simulator by " << median << " (median), nine in ten by "
            << "less than " << nine_in_ten << "; the choice is at most " << worst
            << " times as slow as the best\n";
  EXPECT_LE(median, 0.05);
  EXPECT_LE(nine_in_ten, 0.2);
}

}  // namespace
}  // namespace tf_ddl
