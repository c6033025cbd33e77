#include "plan/simulated_ranks.h"

#include <numeric>

namespace tf_ddl {

SimulatedRanks::SimulatedRanks(const Topology& topology, int rails, bool folded, bool shared_engine)
    : places_(Places(topology)), rails_(rails), folded_(folded), shared_engine_(shared_engine) {
  simulated_.resize(places_.size());
  if (folded) {
    hosts_ = 1;
    ranks_ = topology.hosts[0].ranks;
    for (size_t rank = 0; rank < places_.size(); ++rank) simulated_[rank] = places_[rank].local;
  } else {
    hosts_ = static_cast<int>(topology.hosts.size());
    ranks_.resize(places_.size());
    std::iota(ranks_.begin(), ranks_.end(), 0);
    simulated_ = ranks_;
  }
  interfaces_at_ = 2 * size();
}

}  // namespace tf_ddl
