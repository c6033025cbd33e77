// The proof of a collective: all ranks' plans are run symbolically, over ranges of elements whose
// value is the expression of inputs that stands in them.
//
// What is proved, for the memory of input and output apart and for input and output in one:
//   * Every element ends, on every rank, as the sum of all ranks' inputs, each exactly once, added
//     up in the same order (so that floating-point results are equal, bit for bit), and divided by
//     kScale exactly once, after the sum was complete.
//   * Every message has a receive of the same elements, and nobody waits in a cycle, even if every
//     send waits for its receiver (large messages are read in place from the sender's memory).
//   * What is being sent in a round is not written in that round, no two receives of a round write
//     the same elements, except sums in listed order, and lanes do not touch each other's elements.
#ifndef TF_DDL_PLAN_CHECK_H_
#define TF_DDL_PLAN_CHECK_H_

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "base/status.h"
#include "plan/plan.h"
#include "plan/topology.h"

namespace tf_ddl {

struct CheckReport {
  // Elements sent, by (from rank, to rank, rail of the lane).
  std::map<std::tuple<int, int, int>, int64_t> elements;
  int64_t messages = 0;
  int64_t rounds = 0;  // of the longest lane

  // Elements that hosts send to other hosts on `rail`, by sending host; likewise received.
  std::vector<int64_t> SentByHosts(const Topology& topology, int rail) const;
  std::vector<int64_t> ReceivedByHosts(const Topology& topology, int rail) const;
};

// `plans`: of ranks 0, 1, 2, ... kInternal, with rank, lane, round and elements, if a claim above
// does not hold: a wrong plan is a bug. `report` may be null.
Status CheckAllReduce(const std::vector<Plan>& plans, CheckReport* report = nullptr);
Status CheckBroadcast(const std::vector<Plan>& plans, int root, CheckReport* report = nullptr);
// `counts` as for AllGatherPlan.
Status CheckAllGather(const std::vector<Plan>& plans, const std::vector<int64_t>& counts,
                      CheckReport* report = nullptr);

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_CHECK_H_
