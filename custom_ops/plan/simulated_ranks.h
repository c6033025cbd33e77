// Which ranks a simulation executes, and the servers that their messages and additions use.
#ifndef TF_DDL_PLAN_SIMULATED_RANKS_H_
#define TF_DDL_PLAN_SIMULATED_RANKS_H_

#include <vector>

#include "plan/symmetry.h"
#include "plan/topology.h"

namespace tf_ddl {

class SimulatedRanks {
 public:
  SimulatedRanks() = default;
  // `folded`: the first host's ranks stand for those of all hosts.
  SimulatedRanks(const Topology& topology, int rails, bool folded, bool shared_engine);

  int size() const { return static_cast<int>(ranks_.size()); }
  int Rank(int simulated) const { return ranks_[simulated]; }
  int Simulated(int rank) const { return simulated_[rank]; }
  bool Exists(int rank) const { return rank >= 0 && rank < static_cast<int>(places_.size()); }
  int HostOf(int rank) const { return places_[rank].host; }

  int servers() const { return interfaces_at_ + 2 * hosts_ * rails_; }
  int Copying(int simulated) const { return 2 * simulated; }
  int Adding(int simulated) const { return 2 * simulated + (shared_engine_ ? 0 : 1); }
  int Out(int host, int rail) const { return Interface(host, rail); }
  int In(int host, int rail) const { return Interface(host, rail) + 1; }

 private:
  int Interface(int host, int rail) const {
    return interfaces_at_ + 2 * ((folded_ ? 0 : host) * rails_ + rail);
  }

  std::vector<Place> places_;   // by rank
  std::vector<int> ranks_;      // by simulated rank
  std::vector<int> simulated_;  // by rank
  int rails_ = 0;
  int hosts_ = 0;
  int interfaces_at_ = 0;
  bool folded_ = false;
  bool shared_engine_ = false;
};

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_SIMULATED_RANKS_H_
