#include "plan/topology.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace tf_ddl {

int Topology::size() const {
  size_t ranks = 0;
  for (const Host& host : hosts) ranks += host.ranks.size();
  return static_cast<int>(ranks);
}

std::vector<int> Topology::HostOf() const {
  std::vector<int> host_of(size(), 0);
  for (size_t h = 0; h < hosts.size(); ++h) {
    for (int rank : hosts[h].ranks) host_of[rank] = static_cast<int>(h);
  }
  return host_of;
}

bool Topology::uniform() const {
  return std::all_of(hosts.begin(), hosts.end(), [this](const Host& host) {
    return host.ranks.size() == hosts[0].ranks.size();
  });
}

Status ParseGrid(const std::string& text, int size, std::vector<int>* grid) {
  std::vector<int> lengths;
  int64_t product = 1;
  size_t at = 0;
  while (true) {
    const size_t end = std::min(text.find_first_of("xX", at), text.size());
    const std::string digits = text.substr(at, end - at);
    const bool number = !digits.empty() && digits.size() <= 7 &&
                        digits.find_first_not_of("0123456789") == std::string::npos;
    if (!number || std::stoi(digits) == 0) {
      return InvalidArgument("\"" + text + "\" is not a grid: \"" + digits +
                             "\" should be a number above 0, as in \"4x8x8\"");
    }
    lengths.push_back(std::stoi(digits));
    product *= lengths.back();
    if (product > 10'000'000) {
      return InvalidArgument("\"" + text + "\" makes more than 10000000 ranks");
    }
    if (end == text.size()) break;
    at = end + 1;
  }
  if (size != 0 && product != size) {
    return InvalidArgument(text + " makes " + std::to_string(product) + " ranks, the job has " +
                           std::to_string(size));
  }
  *grid = lengths;
  return OkStatus();
}

std::string GridText(const std::vector<int>& grid) {
  std::string text;
  for (int length : grid) text += (text.empty() ? "" : "x") + std::to_string(length);
  return text;
}

void DeriveRails(Topology* topology) {
  std::vector<std::string> rails;
  if (topology->hosts.size() > 1) {
    for (const Interface& candidate : topology->hosts[0].interfaces) {
      const auto on_network = [&](const Interface& interface) {
        return interface.network == candidate.network;
      };
      const bool common =
          std::all_of(topology->hosts.begin(), topology->hosts.end(), [&](const Host& host) {
            return std::any_of(host.interfaces.begin(), host.interfaces.end(), on_network);
          });
      const bool known = std::find(rails.begin(), rails.end(), candidate.network) != rails.end();
      if (common && !known) rails.push_back(candidate.network);
    }
  }
  if (rails.empty()) rails.push_back("");
  topology->rails = rails;
}

Status Validate(const Topology& topology) {
  const int size = topology.size();
  if (topology.hosts.empty()) return InvalidArgument("a topology without hosts");
  std::vector<int> seen(size, -1);
  int lowest = -1;
  for (size_t h = 0; h < topology.hosts.size(); ++h) {
    const Host& host = topology.hosts[h];
    const std::string where = "host " + std::to_string(h) + " (" + host.name + ")";
    if (host.ranks.empty()) return InvalidArgument(where + " has no ranks");
    if (!std::is_sorted(host.ranks.begin(), host.ranks.end())) {
      return InvalidArgument(where + ": its ranks are not in ascending order");
    }
    if (host.ranks[0] <= lowest) {
      return InvalidArgument(where + ": hosts are not in the order of their lowest ranks");
    }
    lowest = host.ranks[0];
    for (int rank : host.ranks) {
      if (rank < 0 || rank >= size) {
        return InvalidArgument(where + " has rank " + std::to_string(rank) +
                               ", but there are ranks 0 to " + std::to_string(size - 1));
      }
      if (seen[rank] >= 0) {
        return InvalidArgument(where + " has rank " + std::to_string(rank) + ", and so has host " +
                               std::to_string(seen[rank]));
      }
      seen[rank] = static_cast<int>(h);
    }
  }
  if (topology.rails.empty()) return InvalidArgument("a topology without rails");
  if (!topology.grid.empty()) {
    std::vector<int> grid;
    return ParseGrid(GridText(topology.grid), size, &grid);
  }
  return OkStatus();
}

const LinkCost& LinkModel::Between(int rail, int from_host, int to_host) const {
  if (from_host == to_host) return local;
  if (!exceptions.empty()) {
    const auto found = exceptions.find({rail, from_host, to_host});
    if (found != exceptions.end()) return found->second;
  }
  return rails[rail];
}

LinkModel UsualLinks(int rail_count) {
  LinkModel links;
  links.local = {5e-6, 1 / 8e9};
  links.gamma = 1 / 10e9;
  links.rails.assign(rail_count, LinkCost{30e-6, 1 / 1.18e9});
  return links;
}

namespace {

bool IsCost(double value) { return std::isfinite(value) && value >= 0; }

}  // namespace

Status Validate(const LinkModel& links, const Topology& topology) {
  if (!IsCost(links.local.alpha) || !IsCost(links.local.beta) || !IsCost(links.gamma)) {
    return InvalidArgument("links: costs within a host must be finite and not negative");
  }
  if (topology.OnOneHost()) return OkStatus();
  if (links.rails.size() != topology.rails.size()) {
    return InvalidArgument("links: costs of " + std::to_string(links.rails.size()) +
                           " rails for a topology with " + std::to_string(topology.rails.size()));
  }
  const auto usable = [](const LinkCost& cost) {
    return IsCost(cost.alpha) && IsCost(cost.beta) && cost.beta > 0;
  };
  for (size_t rail = 0; rail < links.rails.size(); ++rail) {
    if (!usable(links.rails[rail])) {
      return InvalidArgument("links: rail " + std::to_string(rail) +
                             " needs finite costs, seconds per byte above 0");
    }
  }
  const int hosts = static_cast<int>(topology.hosts.size());
  for (const auto& [path, cost] : links.exceptions) {
    const auto& [rail, from, to] = path;
    const std::string where = "links: exception on rail " + std::to_string(rail) + " from host " +
                              std::to_string(from) + " to host " + std::to_string(to);
    if (rail < 0 || rail >= static_cast<int>(links.rails.size()) || from < 0 || from >= hosts ||
        to < 0 || to >= hosts || from == to) {
      return InvalidArgument(where + ": there are " + std::to_string(links.rails.size()) +
                             " rails and " + std::to_string(hosts) + " hosts");
    }
    if (!usable(cost)) {
      return InvalidArgument(where + " needs finite costs, seconds per byte above 0");
    }
  }
  return OkStatus();
}

}  // namespace tf_ddl
