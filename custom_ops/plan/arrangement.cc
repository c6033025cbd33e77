#include "plan/arrangement.h"

#include <numeric>

namespace tf_ddl {

std::vector<int> Positions(const Colour& colour, const Topology& topology) {
  std::vector<int> positions;
  const bool by_number =
      colour.algorithm == "grid" && colour.hosts.empty() && colour.grid == topology.grid;
  if (by_number || topology.hosts.size() == 1) {
    positions.resize(topology.size());
    std::iota(positions.begin(), positions.end(), 0);
    return positions;
  }
  positions.reserve(topology.size());
  for (size_t i = 0; i < topology.hosts.size(); ++i) {
    const Host& host = topology.hosts[colour.hosts.empty() ? i : colour.hosts[i]];
    positions.insert(positions.end(), host.ranks.begin(), host.ranks.end());
  }
  return positions;
}

std::vector<int> DimensionOrder(const Colour& colour) {
  if (!colour.order.empty()) return colour.order;
  std::vector<int> order(colour.grid.size());
  std::iota(order.begin(), order.end(), 0);
  return order;
}

std::vector<bool> DimensionsWithinHosts(const std::vector<int>& grid,
                                        const std::vector<int>& positions,
                                        const std::vector<int>& host_of) {
  std::vector<bool> within;
  int stride = 1;
  for (int length : grid) {
    bool all = true;
    for (size_t p = 0; p < positions.size() && all; ++p) {
      const size_t start = p - p / stride % length * stride;
      all = host_of[positions[p]] == host_of[positions[start]];
    }
    within.push_back(all);
    stride *= length;
  }
  return within;
}

Halving FoldIn(const std::vector<int>& positions, const std::vector<int>& host_of) {
  Halving halving;
  const size_t size = positions.size();
  size_t active = 1;
  while (active * 2 <= size) active *= 2;
  size_t left = size - active;
  if (left == 0) {
    halving.active = positions;
    return halving;
  }
  // One pair more from each host in turn, then from neighbours among those that remain.
  std::vector<bool> folded(size, false), taken(size, false);
  const auto fold = [&](size_t surplus, size_t partner) {
    folded[surplus] = taken[surplus] = taken[partner] = true;
    halving.folded.push_back(positions[surplus]);
    halving.partner.push_back(positions[partner]);
    --left;
  };
  for (bool found = true; found && left > 0;) {
    found = false;
    for (size_t begin = 0; begin < size && left > 0;) {
      size_t end = begin;
      while (end < size && host_of[positions[end]] == host_of[positions[begin]]) ++end;
      size_t at = begin;
      while (at < end && taken[at]) ++at;
      if (at + 1 < end) {
        fold(at, at + 1);
        found = true;
      }
      begin = end;
    }
  }
  for (size_t at = 0; at < size && left > 0; ++at) {
    size_t partner = at + 1;
    while (partner < size && taken[partner]) ++partner;
    if (!taken[at] && partner < size) fold(at, partner);
  }
  for (size_t at = 0; at < size; ++at) {
    if (!folded[at]) halving.active.push_back(positions[at]);
  }
  return halving;
}

HostRanks OrderedHosts(const Colour& colour, const Topology& topology) {
  HostRanks hosts;
  for (size_t i = 0; i < topology.hosts.size(); ++i) {
    hosts.push_back(topology.hosts[colour.hosts.empty() ? i : colour.hosts[i]].ranks);
  }
  return hosts;
}

}  // namespace tf_ddl
