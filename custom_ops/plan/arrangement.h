// Where a colour's ranks stand: what a spec leaves open, made out for a topology.
#ifndef TF_DDL_PLAN_ARRANGEMENT_H_
#define TF_DDL_PLAN_ARRANGEMENT_H_

#include <vector>

#include "plan/choose.h"
#include "plan/lanes.h"
#include "plan/topology.h"

namespace tf_ddl {

// Ranks in the order in which the colour counts them: host after host, in the order of
// `colour.hosts`, or by number in the grid for which the user said where ranks stand
// (topology.grid).
std::vector<int> Positions(const Colour& colour, const Topology& topology);

// The order in which dimensions are reduced: colour.order, or 0, 1, 2, ...
std::vector<int> DimensionOrder(const Colour& colour);

// By dimension: whether each of its lines lies within one host. `host_of` is by rank.
std::vector<bool> DimensionsWithinHosts(const std::vector<int>& grid,
                                        const std::vector<int>& positions,
                                        const std::vector<int>& host_of);

// Which ranks of `positions` are active in a halving-doubling and which are folded into others:
// partners on one host, as far as there are, the same number from each.
Halving FoldIn(const std::vector<int>& positions, const std::vector<int>& host_of);

// The hosts' ranks in the order of `colour.hosts`.
HostRanks OrderedHosts(const Colour& colour, const Topology& topology);

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_ARRANGEMENT_H_
