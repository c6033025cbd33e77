// What all-reduces are made of: reduce-scatters and all-gathers along a line of ranks, appended to
// a lane round by round. All ranks of a line append equally many rounds, so that messages match.
#ifndef TF_DDL_PLAN_LANES_H_
#define TF_DDL_PLAN_LANES_H_

#include <cstdint>
#include <vector>

#include "plan/plan.h"
#include "plan/ranges.h"

namespace tf_ddl {

// Ranks that reduce and gather among themselves; this one stands at `at`.
struct Line {
  std::vector<int> ranks;
  int at = 0;
  // Everybody with everybody in one round, for lines whose ranks are equally near; else a ring.
  bool exchange = false;

  int size() const { return static_cast<int>(ranks.size()); }
  int Rank(int place) const { return ranks[(place % size() + size()) % size()]; }
};

void AddStep(Round* round, StepKind kind, int peer, const Range& range, Buffer buffer);

// Afterwards the rank at place i holds the line's sum of part i of `range`, which is returned: in
// kOutput, or, if the line has one rank only, where it was. `from` says where the values are.
Range ReduceScatter(const Line& line, const Range& range, Buffer from, Lane* lane);

// The rank holds the complete sum of `own`: the place for a mean's division. A single rank has
// nothing to divide, but its result may stand elsewhere.
void Finish(int size, const Range& own, Lane* lane);

// The reverse: part i of `range` goes from place i to all places.
void AllGather(const Line& line, const Range& range, Lane* lane);

// A lane that reduces along one line after the other and gathers in reverse order.
Lane ReductionLane(const std::vector<Line>& lines, int size, const Range& range);

// One exchange; every rank adds everything up itself, in rank order.
Lane DirectLane(int rank, int size, const Range& range);

// Recursive vector halving and distance doubling (Rabenseifner, ICCS 2004; Thakur, Rabenseifner and
// Gropp, IJHPCA 2005) among `active` ranks, a power of two. A `folded` rank hands everything to its
// partner first and gets the result last.
struct Halving {
  std::vector<int> active;
  std::vector<int> folded;   // ranks
  std::vector<int> partner;  // of each folded rank: an active one
};
Lane HalvingLane(const Halving& halving, int rank, const Range& range);

// Hosts with any number of ranks each. `hosts` lists their ranks, in the order in which a ring
// visits them.
using HostRanks = std::vector<std::vector<int>>;
Lane ByHostLane(const HostRanks& hosts, int rank, const Range& range);
// How many rounds each step of its ring over the hosts takes.
int ByHostTurns(const HostRanks& hosts);

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_LANES_H_
