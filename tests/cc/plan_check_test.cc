// The checker refuses what is wrong, and random specifications on random topologies are right.
#include "plan/check.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "plan/planner.h"
#include "plan_harness.h"

namespace tf_ddl {
namespace {

std::vector<Plan> Rings(int size, int64_t count) {
  std::vector<Plan> plans;
  for (int r = 0; r < size; ++r) plans.push_back(RingPlan(r, size, count, count));
  return plans;
}

void ExpectRefused(const std::vector<Plan>& plans, const std::string& why) {
  const Status status = CheckAllReduce(plans);
  EXPECT_EQ(status.code(), Code::kInternal);
  EXPECT_NE(status.message().find(why), std::string::npos) << status.message();
}

TEST(Check, AMissingReceiveIsAWaitForEver) {
  auto plans = Rings(3, 30);
  plans[1].lanes[0].rounds[4].steps.pop_back();
  ExpectRefused(plans,
                "rank 0, lane 0, round 4: send to rank 1 of elements [20, 30) waits for "
                "ever; rank 1 is done");
}

TEST(Check, AMessageThatNobodySendsIsAWaitForEver) {
  auto plans = Rings(3, 30);
  plans[1].lanes[0].rounds[4].steps.erase(plans[1].lanes[0].rounds[4].steps.begin());
  ExpectRefused(plans, "rank 2, lane 0, round 4: receive from rank 1 of elements [0, 10) waits");
}

TEST(Check, OtherElementsThanSentAreFound) {
  auto plans = Rings(3, 30);
  plans[1].lanes[0].rounds[0].steps.back().end -= 1;
  ExpectRefused(plans, "but there sum with rank 0 of elements [20, 29)");
}

TEST(Check, ASumThatMissesARankIsFound) {
  auto plans = Rings(3, 30);
  for (Plan& plan : plans) {
    // Copies where it should add: what stood there is lost.
    for (Step& step : plan.lanes[0].rounds[0].steps) {
      if (step.kind == StepKind::kRecvReduce)
        step = {StepKind::kRecv, step.peer, step.begin, step.end, Buffer::kOutput};
    }
  }
  ExpectRefused(plans, "division of elements [0, 10): divides the sum over rank(s) 0-1");
}

TEST(Check, AddingTwiceIsFound) {
  // Both add the other's sum instead of gathering it.
  auto plans = Rings(2, 10);
  for (Plan& plan : plans) {
    plan.lanes[0].rounds[1].steps.clear();
    for (Step& step : plan.lanes[0].rounds[2].steps) {
      if (step.kind == StepKind::kRecv) step.kind = StepKind::kRecvReduce;
      if (step.kind == StepKind::kRecvReduce) step.buffer = Buffer::kInput;
    }
  }
  ExpectRefused(plans, "for the second time");
}

TEST(Check, MissingDoubledAndEarlyDivisionsAreFound) {
  auto plans = Rings(3, 30);
  const Round divide = plans[0].lanes[0].rounds[2];
  plans[0].lanes[0].rounds[2].steps.clear();
  ExpectRefused(plans, "not divided once");
  plans[0].lanes[0].rounds[2] = divide;
  plans[0].lanes[0].rounds[2].steps.push_back(divide.steps[0]);
  ExpectRefused(plans, "divides the sum over rank(s) 0-2, divided");
  plans = Rings(3, 30);
  plans[0].lanes[0].rounds[1].steps.push_back({StepKind::kScale, -1, 10, 20, Buffer::kOutput});
  ExpectRefused(plans, "rank 0, lane 0, round 1: division of elements [10, 20)");
}

TEST(Check, ACycleOfWaitingRanksIsFound) {
  // Two ranks that each send in one round and receive in the next: fine with buffers, but a send
  // that waits for its receiver never ends.
  std::vector<Plan> plans;
  for (int r = 0; r < 2; ++r) {
    Plan plan = PairwisePlan(r, 2, 2, 2);
    std::vector<Round>& rounds = plan.lanes[0].rounds;
    Round receive;
    receive.steps.push_back(rounds[0].steps.back());
    rounds[0].steps.pop_back();
    rounds.insert(rounds.begin() + 1, receive);
    plans.push_back(plan);
  }
  ExpectRefused(plans, "waits for ever; rank 1 is in round 0");
}

TEST(Check, WritingWhatIsBeingSentIsFound) {
  auto plans = Rings(2, 10);
  Step& send = plans[0].lanes[0].rounds[0].steps[0];
  send.begin = 0;
  send.end = 10;
  ExpectRefused(plans, "touch the same elements at the same time");
}

TEST(Check, LanesThatTouchTheSameElementsAreFound) {
  auto plans = Rings(2, 10);
  for (Plan& plan : plans) plan.lanes.push_back(plan.lanes[0]);
  ExpectRefused(plans, "lanes 0 and 1 both touch element 0");
}

TEST(Check, TwoMessagesBetweenTwoRanksInARoundAreFound) {
  auto plans = Rings(2, 10);
  auto& steps = plans[0].lanes[0].rounds[0].steps;
  steps.push_back(steps[0]);
  ExpectRefused(plans, "two messages to rank 1");
}

TEST(Check, ReadingOverwrittenInputIsFound) {
  // Right only as long as input and output are apart.
  auto plans = Rings(3, 30);
  for (Plan& plan : plans) {
    for (Step& step : plan.lanes[0].rounds.back().steps) {
      if (step.kind == StepKind::kSend) step.buffer = Buffer::kInput;
    }
  }
  ExpectRefused(plans, "ends with the sum over rank(s)");
}

TEST(Check, DifferentOrdersOfAdditionAreFound) {
  // Ranks 0 and 2 add up in rank order, rank 1 its own and rank 2's first.
  std::vector<Plan> plans;
  for (int r = 0; r < 3; ++r) {
    Plan plan = DirectPlan(r, 3, 8);
    std::vector<Round>& rounds = plan.lanes[0].rounds;
    if (r == 1) rounds[1].steps.erase(rounds[1].steps.begin());
    rounds.insert(rounds.begin() + 1, 2, Round());
    plans.push_back(plan);
  }
  const auto add = [&](int rank, size_t round, const Step& step) {
    plans[rank].lanes[0].rounds[round].steps.push_back(step);
  };
  add(2, 1, {StepKind::kSend, 1, 0, 8, Buffer::kInput});
  add(1, 1, {StepKind::kRecvReduce, 2, 0, 8, Buffer::kInput});
  add(0, 2, {StepKind::kSend, 1, 0, 8, Buffer::kInput});
  add(1, 2, {StepKind::kRecvReduce, 0, 0, 8, Buffer::kOutput});
  ExpectRefused(plans,
                "rank 1 ends with the sum over rank(s) 0-2, divided in elements [0, 8): "
                "added up in another order than on rank 0");
}

PlanSpec RandomSpec(std::mt19937* random, const Topology& topology) {
  const auto up_to = [&](int n) { return 1 + static_cast<int>((*random)() % n); };
  static const char* kAlgorithms[] = {"direct", "pairwise", "halving-doubling",
                                      "ring",   "grid",     "grid"};
  PlanSpec spec;
  spec.chunk_bytes = 8 << up_to(9);
  const int colours = up_to(3);
  double left = 1;
  for (int c = 0; c < colours; ++c) {
    Colour colour;
    colour.algorithm = kAlgorithms[up_to(6) - 1];
    colour.rail = up_to(static_cast<int>(topology.rails.size())) - 1;
    colour.share = c + 1 == colours ? left : left * up_to(100) / 100;
    left -= colour.share;
    if (up_to(2) == 1) {
      for (size_t h = 0; h < topology.hosts.size(); ++h) {
        colour.hosts.push_back(static_cast<int>(h));
      }
      std::shuffle(colour.hosts.begin(), colour.hosts.end(), *random);
    }
    if (colour.algorithm == "grid" && up_to(3) > 1) {
      int rest = topology.size();
      while (rest > 1 || colour.grid.empty()) {
        int factor = up_to(rest);
        while (rest % factor != 0) --factor;
        colour.grid.push_back(factor);
        rest /= factor;
        if (colour.grid.size() > 6) {
          colour.grid.push_back(rest);
          rest = 1;
        }
      }
      if (up_to(2) == 1) {
        for (size_t d = 0; d < colour.grid.size(); ++d) {
          colour.order.push_back(static_cast<int>(d));
        }
        std::shuffle(colour.order.begin(), colour.order.end(), *random);
      }
    }
    spec.colours.push_back(colour);
  }
  return spec;
}

#ifdef TF_DDL_SANITIZED
constexpr int kCases = 400;
#else
constexpr int kCases = 3000;
#endif

TEST(Check, RandomPlansOnRandomTopologiesSumEveryElementOnce) {
  std::mt19937 random(20261124);
  int64_t messages = 0;
  for (int i = 0; i < kCases; ++i) {
    const Topology topology = RandomTopology(&random, 6, 5);
    const PlanSpec spec = RandomSpec(&random, topology);
    const int64_t count = i % 3 == 0 ? random() % 40 : random() % 4000;
    CheckReport report;
    const Status status = CheckAllReduce(PlansOf(spec, topology, count), &report);
    ASSERT_TRUE(status.ok()) << "case " << i << ": " << Describe(topology) << ", " << count
                             << " elements, " << ToString(spec) << ": " << status.message();
    messages += report.messages;
  }
  EXPECT_GT(messages, 100 * kCases);
}

TEST(Check, LargeWorldsAreCheckedToo) {
  const std::vector<int> hosts(16, 8);
  for (const PlanSpec& spec :
       {OneColour("ring"), OneColour("grid", {8, 16}), OneColour("halving-doubling")}) {
    const Topology topology = HostsOf(hosts);
    const Status status = CheckAllReduce(PlansOf(spec, topology, 1 << 16));
    EXPECT_TRUE(status.ok()) << status.message();
  }
}

}  // namespace
}  // namespace tf_ddl
