#include "plan/planner.h"

#include <numeric>
#include <sstream>

#include "plan/lanes.h"

namespace tf_ddl {
namespace {

Plan NewPlan(const char* name, int rank, int size, int64_t count) {
  Plan plan;
  plan.name = name;
  plan.rank = rank;
  plan.size = size;
  plan.count = count;
  return plan;
}

Plan LinePlan(const char* name, bool exchange, int rank, int size, int64_t count,
              int64_t lane_count) {
  Plan plan = NewPlan(name, rank, size, count);
  Line line;
  line.ranks.resize(size);
  std::iota(line.ranks.begin(), line.ranks.end(), 0);
  line.at = rank;
  line.exchange = exchange;
  const int64_t lanes = LaneCount(count, lane_count);
  for (int64_t i = 0; i < lanes; ++i) {
    plan.lanes.push_back(ReductionLane({line}, size, Part({0, count}, i, lanes)));
  }
  return plan;
}

}  // namespace

Plan DirectPlan(int rank, int size, int64_t count) {
  Plan plan = NewPlan("direct", rank, size, count);
  plan.needs_scratch = size > 1;
  plan.lanes.push_back(DirectLane(rank, size, {0, count}));
  return plan;
}

Plan PairwisePlan(int rank, int size, int64_t count, int64_t lane_count) {
  return LinePlan("pairwise", true, rank, size, count, lane_count);
}

Plan RingPlan(int rank, int size, int64_t count, int64_t lane_count) {
  return LinePlan("ring", false, rank, size, count, lane_count);
}

Plan BroadcastPlan(int rank, int size, int64_t count, int root, int64_t lane_count) {
  Plan plan = NewPlan("broadcast", rank, size, count);
  const int64_t lanes = LaneCount(count, lane_count);
  for (int64_t i = 0; i < lanes; ++i) {
    const Range lane = Part({0, count}, i, lanes);
    Round round;
    if (rank == root) {
      AddStep(&round, StepKind::kCopy, -1, lane, Buffer::kOutput);
      for (int i = 1; i < size; ++i) {
        const int peer = (rank + i) % size;
        AddStep(&round, StepKind::kSend, peer, lane, Buffer::kInput);
      }
    } else {
      AddStep(&round, StepKind::kRecv, root, lane, Buffer::kOutput);
    }
    plan.lanes.emplace_back();
    plan.lanes.back().rounds.push_back(std::move(round));
  }
  return plan;
}

Plan AllGatherPlan(int rank, const std::vector<int64_t>& counts) {
  const int size = static_cast<int>(counts.size());
  std::vector<Range> places;
  int64_t at = 0;
  for (int64_t count : counts) {
    places.push_back({at, at + count});
    at += count;
  }
  Plan plan = NewPlan("all-gather", rank, size, at);
  Round round;
  AddStep(&round, StepKind::kCopy, -1, places[rank], Buffer::kOutput);
  for (int i = 1; i < size; ++i) {
    const int peer = (rank + i) % size;
    AddStep(&round, StepKind::kSend, peer, places[rank], Buffer::kInput);
    AddStep(&round, StepKind::kRecv, peer, places[peer], Buffer::kOutput);
  }
  plan.lanes.emplace_back();
  plan.lanes.back().rounds.push_back(std::move(round));
  return plan;
}

std::string ToString(const Plan& plan) {
  static const char* kKinds[] = {"send", "recv", "recv-reduce", "reduce-slots", "scale", "copy"};
  static const char* kBuffers[] = {"input", "output", "scratch"};
  std::ostringstream text;
  text << plan.name << ": rank " << plan.rank << " of " << plan.size << ", " << plan.count
       << " elements, " << plan.lanes.size() << " lane(s)\n";
  for (size_t l = 0; l < plan.lanes.size(); ++l) {
    const Lane& lane = plan.lanes[l];
    for (size_t r = 0; r < lane.rounds.size(); ++r) {
      for (const Step& step : lane.rounds[r].steps) {
        text << "  lane " << l << " round " << r << ": " << kKinds[static_cast<int>(step.kind)];
        if (step.peer >= 0) text << " peer " << step.peer;
        text << " [" << step.begin << ", " << step.end << ") "
             << kBuffers[static_cast<int>(step.buffer)] << "\n";
      }
    }
  }
  return text.str();
}

}  // namespace tf_ddl
