#include "comm/topology_of.h"

#include <algorithm>
#include <map>
#include <string>

namespace tf_ddl {

Topology TopologyOf(const Mesh& mesh) {
  Topology topology;
  topology.rails = mesh.rails;
  std::map<std::string, size_t> known;
  for (const PeerInfo& peer : mesh.peers) {
    const auto [at, is_new] = known.emplace(peer.host_id, topology.hosts.size());
    if (is_new) {
      Host host;
      host.name = peer.hostname;
      host.gpus = peer.gpus;
      for (const HostInterface& each : peer.interfaces) {
        host.interfaces.push_back({each.name, each.address, each.network});
      }
      topology.hosts.push_back(std::move(host));
    }
    topology.hosts[at->second].ranks.push_back(peer.rank);
  }
  return topology;
}

Status ChooseTopology(const Mesh& mesh, const CommOptions& options, Topology* topology) {
  *topology = TopologyOf(mesh);
  const int size = topology->size();
  if (!options.topology.empty()) {
    Topology given;
    DDL_RETURN_IF_ERROR(Parse(options.topology, &given));
    if (given.size() != size) {
      return InvalidArgument("the given topology has " + std::to_string(given.size()) +
                             " ranks on " + std::to_string(given.hosts.size()) +
                             " hosts, the job has " + std::to_string(size) + " ranks on " +
                             std::to_string(topology->hosts.size()) + " hosts");
    }
    if (given.rails == std::vector<std::string>{""}) given.rails = mesh.rails;
    for (const std::string& rail : given.rails) {
      if (std::find(mesh.rails.begin(), mesh.rails.end(), rail) != mesh.rails.end()) continue;
      std::string found;
      for (const std::string& each : mesh.rails) found += (found.empty() ? "" : ", ") + each;
      return InvalidArgument("the given topology has a rail on network \"" + rail +
                             "\"; the networks on which all hosts of the job reach each other: " +
                             (found.empty() ? "none" : found));
    }
    // Rails keep the numbers that they have in the mesh.
    given.rails = mesh.rails;
    *topology = given;
  }
  if (!options.grid.empty()) {
    DDL_RETURN_IF_ERROR(ParseGrid(options.grid, size, &topology->grid));
  }
  return Validate(*topology);
}

}  // namespace tf_ddl
