// How far a simulated rank has come in a collective: what PlanRun and its LaneState are to the
// communicator (comm/plan_run.h).
#ifndef TF_DDL_PLAN_SIMULATED_RUN_H_
#define TF_DDL_PLAN_SIMULATED_RUN_H_

#include <cstddef>
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

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_SIMULATED_RUN_H_
