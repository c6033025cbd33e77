#include "plan/planner.h"

#include <algorithm>
#include <sstream>

namespace tf_ddl {
namespace {

struct Range {
  int64_t begin;
  int64_t end;
  bool empty() const { return begin == end; }
};

// Part `i` of `range` divided into `parts` parts. Boundaries are multiples of 16 elements from the
// range's begin where the range is long enough, so that parts start on cache lines.
Range Part(const Range& range, int i, int parts) {
  constexpr int64_t kGrain = 16;
  const int64_t n = range.end - range.begin;
  auto boundary = [&](int64_t k) {
    if (k == parts) return range.end;
    int64_t at = n / parts * k + n % parts * k / parts;
    if (n >= kGrain * parts * 4) at = at / kGrain * kGrain;
    return range.begin + at;
  };
  return {boundary(i), boundary(i + 1)};
}

// Cuts [0, count) into ranges of about `lane_count`, all of nearly the same length.
std::vector<Range> Lanes(int64_t count, int64_t lane_count) {
  const int64_t lanes = std::max<int64_t>(1, (count + lane_count - 1) / lane_count);
  std::vector<Range> ranges;
  ranges.reserve(lanes);
  for (int64_t i = 0; i < lanes; ++i) {
    ranges.push_back(Part({0, count}, static_cast<int>(i), static_cast<int>(lanes)));
  }
  return ranges;
}

void Add(Round* round, StepKind kind, int peer, const Range& range, Buffer buffer) {
  if (!range.empty()) round->steps.push_back({kind, peer, range.begin, range.end, buffer});
}

Plan NewPlan(const char* name, int rank, int size, int64_t count) {
  Plan plan;
  plan.name = name;
  plan.rank = rank;
  plan.size = size;
  plan.count = count;
  return plan;
}

// Peers in an order that starts behind the rank itself, so that not everybody turns to rank 0.
std::vector<int> PeersAfter(int rank, int size) {
  std::vector<int> peers;
  for (int i = 1; i < size; ++i) peers.push_back((rank + i) % size);
  return peers;
}

}  // namespace

Plan DirectPlan(int rank, int size, int64_t count) {
  Plan plan = NewPlan("direct", rank, size, count);
  plan.needs_scratch = size > 1;
  const Range all{0, count};
  Round exchange;
  for (int peer : PeersAfter(rank, size)) {
    // Empty ones too: a rank that comes with another size must be noticed, not waited for.
    exchange.steps.push_back({StepKind::kSend, peer, 0, count, Buffer::kInput});
    exchange.steps.push_back({StepKind::kRecv, peer, 0, count, Buffer::kScratch});
  }
  Round sum;
  Add(&sum, StepKind::kReduceSlots, -1, all, Buffer::kOutput);
  Add(&sum, StepKind::kScale, -1, all, Buffer::kOutput);
  plan.lanes.push_back({{exchange, sum}});
  return plan;
}

Plan PairwisePlan(int rank, int size, int64_t count, int64_t lane_count) {
  Plan plan = NewPlan("pairwise", rank, size, count);
  for (const Range& lane : Lanes(count, lane_count)) {
    const Range own = Part(lane, rank, size);
    Round scatter, scale, gather;
    for (int peer : PeersAfter(rank, size)) {
      Add(&scatter, StepKind::kSend, peer, Part(lane, peer, size), Buffer::kInput);
    }
    // Sums in a fixed order: own elements first, then the peers' from the next rank on.
    Buffer addend = Buffer::kInput;
    for (int peer : PeersAfter(rank, size)) {
      Add(&scatter, StepKind::kRecvReduce, peer, own, addend);
      addend = Buffer::kOutput;
    }
    Add(&scale, size > 1 ? StepKind::kScale : StepKind::kCopy, -1, own, Buffer::kOutput);
    for (int peer : PeersAfter(rank, size)) {
      Add(&gather, StepKind::kSend, peer, own, Buffer::kOutput);
      Add(&gather, StepKind::kRecv, peer, Part(lane, peer, size), Buffer::kOutput);
    }
    plan.lanes.push_back({{scatter, scale, gather}});
  }
  return plan;
}

Plan RingPlan(int rank, int size, int64_t count, int64_t lane_count) {
  Plan plan = NewPlan("ring", rank, size, count);
  const int next = (rank + 1) % size;
  const int previous = (rank + size - 1) % size;
  for (const Range& lane : Lanes(count, lane_count)) {
    auto part = [&](int i) { return Part(lane, ((i % size) + size) % size, size); };
    Lane steps;
    for (int i = 0; i < size - 1; ++i) {
      Round round;
      Add(&round, StepKind::kSend, next, part(rank - i), i == 0 ? Buffer::kInput : Buffer::kOutput);
      Add(&round, StepKind::kRecvReduce, previous, part(rank - i - 1), Buffer::kInput);
      steps.rounds.push_back(round);
    }
    Round scale;  // this rank now holds the whole sum of part rank + 1
    Add(&scale, size > 1 ? StepKind::kScale : StepKind::kCopy, -1, part(rank + 1), Buffer::kOutput);
    steps.rounds.push_back(scale);
    for (int i = 0; i < size - 1; ++i) {
      Round round;
      Add(&round, StepKind::kSend, next, part(rank + 1 - i), Buffer::kOutput);
      Add(&round, StepKind::kRecv, previous, part(rank - i), Buffer::kOutput);
      steps.rounds.push_back(round);
    }
    plan.lanes.push_back(steps);
  }
  return plan;
}

Plan BroadcastPlan(int rank, int size, int64_t count, int root, int64_t lane_count) {
  Plan plan = NewPlan("broadcast", rank, size, count);
  for (const Range& lane : Lanes(count, lane_count)) {
    Round round;
    if (rank == root) {
      Add(&round, StepKind::kCopy, -1, lane, Buffer::kOutput);
      for (int peer : PeersAfter(rank, size)) {
        Add(&round, StepKind::kSend, peer, lane, Buffer::kInput);
      }
    } else {
      Add(&round, StepKind::kRecv, root, lane, Buffer::kOutput);
    }
    plan.lanes.push_back({{round}});
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
  Add(&round, StepKind::kCopy, -1, places[rank], Buffer::kOutput);
  for (int peer : PeersAfter(rank, size)) {
    Add(&round, StepKind::kSend, peer, places[rank], Buffer::kInput);
    Add(&round, StepKind::kRecv, peer, places[peer], Buffer::kOutput);
  }
  plan.lanes.push_back({{round}});
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
