// Plans are run symbolically: an element's value is how often each rank's input is in it.
#include "plan/planner.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <tuple>

namespace tf_ddl {
namespace {

using Value = std::vector<int>;  // by rank: times contained
using Values = std::vector<Value>;

struct RankState {
  Values in, out;
  std::map<int, Values> scratch;
  std::vector<int> scaled;  // by element
};

// Runs all ranks' plans lane by lane and round by round, every message of a round between the same
// round of sender and receiver. Fails the test if a receive has no send.
std::vector<RankState> RunAll(const std::vector<Plan>& plans,
                              const std::function<bool(int, int64_t)>& has_input) {
  const int size = static_cast<int>(plans.size());
  const int64_t count = plans[0].count;
  std::vector<RankState> states(size);
  for (int r = 0; r < size; ++r) {
    states[r].out.assign(count, Value(size, 0));
    states[r].in.assign(count, Value(size, 0));
    states[r].scaled.assign(count, 0);
    for (int64_t i = 0; i < count; ++i) {
      if (has_input(r, i)) states[r].in[i][r] = 1;
    }
    for (int p = 0; p < size; ++p) states[r].scratch[p].assign(count, Value(size, 0));
  }
  for (size_t lane = 0; lane < plans[0].lanes.size(); ++lane) {
    for (size_t round = 0; round < plans[0].lanes[lane].rounds.size(); ++round) {
      // Local steps first, then all messages leave with what the round began with.
      std::map<std::tuple<int, int>, std::pair<const Step*, Values>> messages;
      for (int r = 0; r < size; ++r) {
        for (const Step& step : plans[r].lanes[lane].rounds[round].steps) {
          RankState& s = states[r];
          for (int64_t i = step.begin; i < step.end; ++i) {
            if (step.kind == StepKind::kCopy) s.out[i] = s.in[i];
            if (step.kind == StepKind::kScale) ++s.scaled[i];
            if (step.kind == StepKind::kReduceSlots) {
              Value sum = s.in[i];
              for (int p = 0; p < size; ++p) {
                for (int q = 0; p != r && q < size; ++q) sum[q] += s.scratch[p][i][q];
              }
              s.out[i] = sum;
            }
          }
        }
        for (const Step& step : plans[r].lanes[lane].rounds[round].steps) {
          if (step.kind != StepKind::kSend) continue;
          const Values& from = step.buffer == Buffer::kInput ? states[r].in : states[r].out;
          const auto key = std::make_tuple(r, step.peer);
          EXPECT_EQ(messages.count(key), 0u) << "two messages in one round";
          messages[key] = {&step, Values(from.begin() + step.begin, from.begin() + step.end)};
        }
      }
      for (int r = 0; r < size; ++r) {
        for (const Step& step : plans[r].lanes[lane].rounds[round].steps) {
          if (step.kind != StepKind::kRecv && step.kind != StepKind::kRecvReduce) continue;
          auto found = messages.find(std::make_tuple(step.peer, r));
          if (found == messages.end()) {
            ADD_FAILURE() << "rank " << r << " waits for rank " << step.peer;
            continue;
          }
          EXPECT_EQ(found->second.first->begin, step.begin);
          EXPECT_EQ(found->second.first->end, step.end);
          for (int64_t i = step.begin; i < step.end; ++i) {
            const Value& value = found->second.second[i - step.begin];
            RankState& s = states[r];
            if (step.kind == StepKind::kRecv) {
              (step.buffer == Buffer::kScratch ? s.scratch[step.peer] : s.out)[i] = value;
            } else {
              Value sum = step.buffer == Buffer::kInput ? s.in[i] : s.out[i];
              for (int q = 0; q < size; ++q) sum[q] += value[q];
              s.out[i] = sum;
            }
          }
          messages.erase(found);
        }
      }
      EXPECT_TRUE(messages.empty()) << "a message that nobody receives";
    }
  }
  return states;
}

using Maker = std::function<Plan(int rank, int size, int64_t count)>;

void CheckAllReduce(const std::string& name, const Maker& make) {
  for (int size = 1; size <= 9; ++size) {
    for (int64_t count : {0, 1, 2, 3, 8, 9, 63, 100, 1023}) {
      SCOPED_TRACE(name + " of " + std::to_string(size) + " ranks, " + std::to_string(count));
      std::vector<Plan> plans;
      for (int r = 0; r < size; ++r) plans.push_back(make(r, size, count));
      const auto states = RunAll(plans, [](int, int64_t) { return true; });
      for (int r = 0; r < size; ++r) {
        for (int64_t i = 0; i < count; ++i) {
          ASSERT_EQ(states[r].out[i], Value(size, 1)) << "rank " << r << " element " << i;
        }
      }
      // A mean is divided once on the way of each element: at its owner, or by every rank itself.
      for (int64_t i = 0; size > 1 && i < count; ++i) {
        int scaled = 0;
        for (int r = 0; r < size; ++r) scaled += states[r].scaled[i];
        ASSERT_TRUE(scaled == 1 || scaled == size) << scaled;
      }
    }
  }
}

TEST(Planner, DirectSumsEveryElementOnce) { CheckAllReduce("direct", DirectPlan); }

TEST(Planner, PairwiseSumsEveryElementOnce) {
  for (int64_t lane : {int64_t{1} << 40, int64_t{50}, int64_t{7}}) {
    CheckAllReduce("pairwise", [lane](int rank, int size, int64_t count) {
      return PairwisePlan(rank, size, count, lane);
    });
  }
}

TEST(Planner, RingSumsEveryElementOnce) {
  for (int64_t lane : {int64_t{1} << 40, int64_t{50}, int64_t{7}}) {
    CheckAllReduce("ring", [lane](int rank, int size, int64_t count) {
      return RingPlan(rank, size, count, lane);
    });
  }
}

TEST(Planner, BroadcastReachesEverybody) {
  for (int size : {1, 2, 5}) {
    for (int root = 0; root < size; ++root) {
      std::vector<Plan> plans;
      for (int r = 0; r < size; ++r) plans.push_back(BroadcastPlan(r, size, 100, root, 30));
      const auto states = RunAll(plans, [](int, int64_t) { return true; });
      Value expected(size, 0);
      expected[root] = 1;
      for (int r = 0; r < size; ++r) {
        for (const Value& value : states[r].out) ASSERT_EQ(value, expected);
      }
    }
  }
}

TEST(Planner, AllGatherPutsPartsInRankOrder) {
  const std::vector<int64_t> counts = {3, 0, 5, 1};
  std::vector<Plan> plans;
  for (int r = 0; r < 4; ++r) plans.push_back(AllGatherPlan(r, counts));
  const int owner[] = {0, 0, 0, 2, 2, 2, 2, 2, 3};
  const auto states = RunAll(plans, [&](int r, int64_t i) { return owner[i] == r; });
  for (int r = 0; r < 4; ++r) {
    for (int i = 0; i < 9; ++i) {
      Value expected(4, 0);
      expected[owner[i]] = 1;
      ASSERT_EQ(states[r].out[i], expected);
    }
  }
}

TEST(Planner, RingAndPairwiseMoveTheLeastBytes) {
  for (int size : {2, 4, 8}) {
    const int64_t count = 8 * 16 * 64;
    for (const Plan& plan :
         {RingPlan(1, size, count, count), PairwisePlan(1, size, count, count)}) {
      int64_t sent = 0;
      for (const Lane& lane : plan.lanes) {
        for (const Round& round : lane.rounds) {
          for (const Step& step : round.steps) {
            if (step.kind == StepKind::kSend) sent += step.end - step.begin;
          }
        }
      }
      EXPECT_EQ(sent, 2 * (size - 1) * count / size) << plan.name;
    }
  }
}

TEST(Planner, PlansCanBePrinted) {
  const std::string text = ToString(RingPlan(0, 2, 4, 4));
  EXPECT_NE(text.find("ring: rank 0 of 2, 4 elements"), std::string::npos);
  EXPECT_NE(text.find("lane 0 round 0: send peer 1 [0, 2) input"), std::string::npos) << text;
}

}  // namespace
}  // namespace tf_ddl
