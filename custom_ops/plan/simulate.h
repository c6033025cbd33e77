// What plans would take: the ranks' Plan objects are executed over modelled links, event by event,
// as comm/plan_run.cc executes them over real ones: lanes take turns, rounds wait for all their
// messages, additions are chained in listed order, several buckets are under way at once.
//
// The model:
//  * A message of n bytes takes alpha + n * beta when it is alone. Its latency runs from when it
//    is sent; its bytes flow once it is awaited, too. For a part of the latency its sender can do
//    nothing else, so that messages sent at once leave one after the other.
//  * Between hosts, bytes take time of the sending host's interface to the lane's rail and of the
//    receiving host's. Each direction is shared equally by the pairs of ranks that use it; messages
//    of one pair follow each other.
//  * Within a host, bytes take time of the receiving rank's copying engine, which does first what
//    was begun first: the earlier collective, the earlier lane.
//  * An addition takes gamma seconds per byte after its bytes have come. With `shared_engine` it is
//    done by the receiving rank's copying engine (one core does both); else by one of its own.
// Not modelled: congestion inside the network, memory bandwidth beyond what `LinkModel::local`
// says, the cores that TCP takes, skew between ranks.
#ifndef TF_DDL_PLAN_SIMULATE_H_
#define TF_DDL_PLAN_SIMULATE_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "base/status.h"
#include "plan/plan.h"
#include "plan/topology.h"

namespace tf_ddl {

// A bucket: when it is complete, on every rank, and what each rank then does.
struct SimulatedCollective {
  double start = 0;  // seconds
  int64_t element_bytes = 4;
  std::function<Plan(int rank)> plan;
};

struct SimulationOptions {
  int max_lanes = 4;          // of a colour under way at a time, per rank and collective
  bool shared_engine = true;  // CPU: copies and additions take turns; false: GPU
  bool mean = false;          // whether kScale divides
  // The parts of latencies that keep a sender busy; the larger one counts for every message, as
  // in plan/cost.cc.
  double local_overhead = 0.25;
  double rail_overhead = 0.1;
  // Hosts that all do the same are simulated as one (plan/symmetry.h). Off: every rank.
  bool fold = true;
};

struct Simulation {
  std::vector<double> ends;  // by collective: when the last rank has its result, seconds
  double seconds = 0;        // the latest of them
  int64_t messages = 0;      // that were simulated
  bool folded = false;
};

// kInvalidArgument when the plans do not fit each other: a message that nobody awaits, ranks that
// wait for each other for ever, ranks that the topology does not have.
Status Simulate(const Topology& topology, const LinkModel& links,
                const std::vector<SimulatedCollective>& collectives,
                const SimulationOptions& options, Simulation* simulation);

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_SIMULATE_H_
