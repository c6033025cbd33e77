// Hosts that do the same at the same time. In most plans of a homogeneous cluster rank l of every
// host goes through the same rounds with the same sizes and the same kinds of peers, so that one
// host tells all: a message from rank l of the host to rank m of another arrives there when one
// from rank l of a third host arrives at rank m of this one.
#ifndef TF_DDL_PLAN_SYMMETRY_H_
#define TF_DDL_PLAN_SYMMETRY_H_

#include <functional>
#include <vector>

#include "plan/plan.h"
#include "plan/topology.h"

namespace tf_ddl {

// A rank's place: its host, and which of the host's ranks it is.
struct Place {
  int host = 0;
  int local = 0;
};

std::vector<Place> Places(const Topology& topology);  // by rank

// The plans of the first host's ranks if that host can stand for all, else none: hosts have equally
// many ranks, corresponding ranks have the same steps with corresponding peers, and in a round at
// most one message goes from a rank to the l-th ranks of all other hosts. Lengths may differ by
// what a division into parts leaves over. All hosts are compared up to 64; above that, 16 spread
// evenly.
std::vector<Plan> OneHostForAll(const Topology& topology, const std::function<Plan(int)>& plan);

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_SYMMETRY_H_
