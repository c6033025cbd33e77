// Topologies and the plans of all ranks, for the tests of plan/.
#ifndef TF_DDL_TESTS_CC_PLAN_HARNESS_H_
#define TF_DDL_TESTS_CC_PLAN_HARNESS_H_

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "plan/choose.h"

namespace tf_ddl {

// Hosts with so many ranks each, numbered host after host.
inline Topology HostsOf(const std::vector<int>& ranks, int rails = 1) {
  Topology topology;
  int next = 0;
  for (size_t h = 0; h < ranks.size(); ++h) {
    Host host;
    host.name = "host-" + std::to_string(h);
    for (int i = 0; i < ranks[h]; ++i) host.ranks.push_back(next++);
    topology.hosts.push_back(host);
  }
  topology.rails.clear();
  for (int k = 0; k < rails; ++k) topology.rails.push_back("10." + std::to_string(k) + ".0.0/16");
  return topology;
}

// Up to `max_hosts` hosts of up to `max_ranks` ranks, the numbers of ranks dealt out at random.
inline Topology RandomTopology(std::mt19937* random, int max_hosts, int max_ranks) {
  const auto up_to = [&](int n) { return 1 + static_cast<int>((*random)() % n); };
  Topology topology = HostsOf({}, up_to(3));
  topology.hosts.resize(up_to(max_hosts));
  const bool even = up_to(2) == 1;
  const int each = up_to(max_ranks);
  std::vector<size_t> place;
  for (size_t h = 0; h < topology.hosts.size(); ++h) {
    place.insert(place.end(), even ? each : up_to(max_ranks), h);
  }
  if (up_to(2) == 1) std::shuffle(place.begin(), place.end(), *random);
  std::vector<Host> hosts;
  std::vector<int> index(topology.hosts.size(), -1);  // hosts stand in order of their lowest rank
  for (size_t rank = 0; rank < place.size(); ++rank) {
    int& at = index[place[rank]];
    if (at < 0) {
      at = static_cast<int>(hosts.size());
      hosts.push_back(topology.hosts[place[rank]]);
      hosts.back().name = "host-" + std::to_string(at);
    }
    hosts[at].ranks.push_back(static_cast<int>(rank));
  }
  topology.hosts = hosts;
  return topology;
}

inline PlanSpec OneColour(const std::string& algorithm, std::vector<int> grid = {},
                          int64_t chunk_bytes = 512 << 10) {
  PlanSpec spec;
  spec.colours.emplace_back();
  spec.colours[0].algorithm = algorithm;
  spec.colours[0].grid = std::move(grid);
  spec.chunk_bytes = chunk_bytes;
  return spec;
}

inline std::vector<Plan> PlansOf(const PlanSpec& spec, const Topology& topology, int64_t count) {
  std::vector<Plan> plans;
  for (int rank = 0; rank < topology.size(); ++rank) {
    plans.push_back(MakePlan(spec, topology, rank, count, 4));
  }
  return plans;
}

inline std::string Describe(const Topology& topology) {
  std::string text = "hosts of ";
  for (const Host& host : topology.hosts) text += std::to_string(host.ranks.size()) + " ";
  return text + "ranks, " + std::to_string(topology.rails.size()) + " rail(s)";
}

}  // namespace tf_ddl

#endif  // TF_DDL_TESTS_CC_PLAN_HARNESS_H_
