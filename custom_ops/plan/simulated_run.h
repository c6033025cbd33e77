// How far a simulated rank has come in a collective: what PlanRun and its LaneState are to the
// communicator (comm/plan_run.h).
#ifndef TF_DDL_PLAN_SIMULATED_RUN_H_
#define TF_DDL_PLAN_SIMULATED_RUN_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "plan/plan.h"

namespace tf_ddl {

// One collective on one simulated rank.
struct SimulatedRun {
  struct Colour {
    std::vector<int> lanes;  // in the plan's order
    size_t next = 0;
    int active = 0;
  };

  int collective = 0;
  int rank = 0;  // simulated
  Plan plan;
  std::map<int, Colour> colours;
  size_t unfinished = 0;  // lanes
};

struct SimulatedLane {
  int run = 0;
  int lane = 0;
  size_t round = 0;
  int pending = 0;              // messages not done, +1 while posting
  std::deque<Step> reductions;  // receives that must be applied in this order, the rest of them
};

// What happens at a time that is known from the beginning.
struct SimulatedEvent {
  double time;
  int64_t order;
  enum Kind { kStart, kLatencyOver } kind;
  int what;  // collective, or message
  bool operator>(const SimulatedEvent& other) const {
    return time != other.time ? time > other.time : order > other.order;
  }
};

// What a server does (plan/time_shares.h).
struct SimulatedJob {
  enum Kind { kBytes, kAddition, kLocalSteps } kind;
  int what;  // message, or lane
};

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_SIMULATED_RUN_H_
