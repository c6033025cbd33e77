// Topologies of test jobs, and the names of the plans that can be wished for them.
#ifndef TF_DDL_TESTS_CC_TOPOLOGIES_H_
#define TF_DDL_TESTS_CC_TOPOLOGIES_H_

#include <gtest/gtest.h>

#include <cctype>
#include <string>
#include <vector>

#include "plan/options.h"
#include "plan/topology.h"

namespace tf_ddl {

struct NamedTopology {
  std::string name;
  Topology topology;
};

// Hosts of so many ranks each, numbered host after host.
inline Topology Hosts(const std::vector<int>& ranks_per_host, int rails = 1) {
  Topology topology;
  topology.rails.clear();
  for (int rail = 0; rail < rails; ++rail) {
    topology.rails.push_back("10." + std::to_string(rail) + ".0.0/24");
  }
  int rank = 0;
  for (size_t h = 0; h < ranks_per_host.size(); ++h) {
    Host host;
    host.name = "host-" + std::string(1, static_cast<char>('a' + h));
    for (int i = 0; i < ranks_per_host[h]; ++i) host.ranks.push_back(rank++);
    topology.hosts.push_back(std::move(host));
  }
  return topology;
}

inline std::vector<NamedTopology> TestTopologies() {
  std::vector<NamedTopology> all = {
      {"one host of 3", Hosts({3})},
      {"2 hosts of 2", Hosts({2, 2})},
      {"4 hosts of 1", Hosts({1, 1, 1, 1})},
      {"2 hosts of 3", Hosts({3, 3})},
      {"hosts of 3 and 2", Hosts({3, 2})},
      {"hosts of 1, 3 and 2", Hosts({1, 3, 2})},
      {"2 hosts of 2, two rails", Hosts({2, 2}, 2)},
      {"2 hosts of 4, two rails", Hosts({4, 4}, 2)},
  };
  NamedTopology apart{"2 hosts of 2, ranks dealt in turn", Hosts({2, 2})};
  apart.topology.hosts[0].ranks = {0, 2};
  apart.topology.hosts[1].ranks = {1, 3};
  all.push_back(apart);
  return all;
}

// For INSTANTIATE_TEST_SUITE_P.
inline std::string TestName(const testing::TestParamInfo<NamedTopology>& info) {
  std::string name;
  for (char c : info.param.name) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

inline std::vector<std::string> PlanWishesFor(const Topology& topology) {
  std::vector<std::string> plans = {"direct", "pairwise", "halving-doubling",
                                    "ring",   "rings",    "grid"};
  for (const auto& grid : Factorisations(topology.size(), 3)) {
    plans.push_back("grid:" + GridText(grid));
  }
  return plans;
}

}  // namespace tf_ddl

#endif  // TF_DDL_TESTS_CC_TOPOLOGIES_H_
