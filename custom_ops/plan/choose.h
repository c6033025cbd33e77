// Which plan for which size: every candidate is costed by a model of the links, and the cheapest
// wins. Rank 0 chooses and tells the others, so that all ranks use the same plans; what travels is
// a PlanTable as text, and MakePlan is a pure function of it.
#ifndef TF_DDL_PLAN_CHOOSE_H_
#define TF_DDL_PLAN_CHOOSE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "plan/plan.h"
#include "plan/topology.h"

namespace tf_ddl {

// A share of the buffer and how it is reduced.
struct Colour {
  std::string algorithm;   // "direct", "pairwise", "halving-doubling", "ring", "grid"
  std::vector<int> grid;   // "grid": lengths of the dimensions, X first; product == size. Empty:
                           // within hosts, then between them; hosts need not be equally large
  std::vector<int> order;  // "grid": in which order dimensions are reduced; empty: 0, 1, 2, ...
  std::vector<int> hosts;  // in which order rings visit the hosts; empty: as in the topology
  int rail = 0;
  double share = 1;  // of the buffer; shares of a PlanSpec add up to 1
};

struct PlanSpec {
  std::vector<Colour> colours;
  int64_t chunk_bytes = 512 << 10;  // per lane and rank
};

// Plans by size: the first entry whose `up_to_bytes` is not less than the bucket's bytes.
struct PlanTable {
  struct Entry {
    int64_t up_to_bytes;  // the last one: INT64_MAX
    PlanSpec spec;
  };
  std::vector<Entry> entries;

  const PlanSpec& Find(int64_t bytes) const;
};

struct PlanWishes {
  std::string plan;         // an algorithm's name: nothing else is considered
  int64_t chunk_bytes = 0;  // 0: chosen
  bool all_pull = false;    // all ranks on one host, reading each other's memory in place
};

struct Candidate {
  PlanSpec spec;
  double seconds = 0;  // predicted
};

// All candidates for a bucket of `bytes`, the cheapest first.
std::vector<Candidate> Candidates(const Topology& topology, const LinkModel& links, int64_t bytes,
                                  const PlanWishes& wishes);

// kInvalidArgument when a wish cannot be fulfilled, with the numbers that do not fit.
Status ChoosePlans(const Topology& topology, const LinkModel& links, const PlanWishes& wishes,
                   PlanTable* table);

bool IsAlgorithm(const std::string& name);

// kInvalidArgument unless MakePlan can make it: known algorithms, existing rails and hosts, grids
// that make as many ranks as there are, shares that add up to 1.
Status Validate(const PlanSpec& spec, const Topology& topology);
Status Validate(const PlanTable& table, const Topology& topology);

// One rank's plan of a valid spec. Pure: every rank computes its own from the same arguments.
Plan MakePlan(const PlanSpec& spec, const Topology& topology, int rank, int64_t count,
              int64_t element_bytes);

// "grid 2x4 rail 0 60% + grid 4x2 rail 1 40%, chunks of 512 KiB"
std::string ToString(const PlanSpec& spec);

// For the wire. Parse refuses malformed input; whether it fits a topology is for Validate to say.
std::string Serialize(const PlanTable& table);
Status Parse(const std::string& text, PlanTable* table);

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_CHOOSE_H_
