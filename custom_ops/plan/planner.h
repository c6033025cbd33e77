// Makes plans: pure functions, no I/O. Every rank computes its own plan from the same arguments.
#ifndef TF_DDL_PLAN_PLANNER_H_
#define TF_DDL_PLAN_PLANNER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace tf_ddl {

// Every rank sends everything to everybody and sums for itself, in rank order: one exchange, the
// lowest latency, (p-1)*b bytes per rank. For small buckets.
Plan DirectPlan(int rank, int size, int64_t count);

// Reduce-scatter, then all-gather, each in one exchange with all peers: 2(p-1)/p*b bytes per rank
// in two exchanges. Where all peers are equally near (one host, every receiver reading its peers'
// memory). Large buckets are divided into lanes of about `lane_count` elements, so that a lane is
// reduced and gathered while it is in the caches.
Plan PairwisePlan(int rank, int size, int64_t count, int64_t lane_count);

// The classic ring: p-1 steps of reduce-scatter and p-1 of all-gather, each rank talking to its two
// neighbours only (Patarasuk and Yuan, JPDC 2009): 2(p-1)/p*b bytes per rank, each over one link.
Plan RingPlan(int rank, int size, int64_t count, int64_t lane_count);

// `root` sends its input to everybody.
Plan BroadcastPlan(int rank, int size, int64_t count, int root, int64_t lane_count);

// Rank r's elements are counts[r] long and end up behind those of the ranks before it. The plan's
// element space is the result's; a rank's input stands at its own place in it.
Plan AllGatherPlan(int rank, const std::vector<int64_t>& counts);

// One line per step, for people.
std::string ToString(const Plan& plan);

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_PLANNER_H_
